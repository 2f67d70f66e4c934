package peertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ThingsBoard stands in for ThingsBoard: it holds what a gateway publishes against
// the gateway API as it is documented, strictly, and keeps what it was told. It
// belongs to one goroutine.
type ThingsBoard struct {
	tb        testing.TB
	Connected map[string]string // type by device
	Telemetry map[string][]string
	Client    map[string]map[string]string
	Requests  []AttributeRequest
	Answers   []string // of RPCs, as in "hall 1 {...}"
	Own       []string // of RPCs to the gateway, and of calls by it
	Claims    []string
	Topics    []string
	Limit     int
}

// AttributeRequest asks for attributes of a device.
type AttributeRequest struct {
	ID     int32    `json:"id"`
	Device string   `json:"device"`
	Client *bool    `json:"client"`
	Keys   []string `json:"keys"`
}

// NewThingsBoard makes a platform.
func NewThingsBoard(tb testing.TB) *ThingsBoard {
	tb.Helper()
	return &ThingsBoard{
		tb: tb, Connected: map[string]string{}, Telemetry: map[string][]string{}, Client: map[string]map[string]string{}, Limit: 65_536,
	}
}

// strict reads JSON that holds nothing else, and no name twice.
func (p *ThingsBoard) strict(body []byte, into any) {
	p.tb.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		p.tb.Errorf("%s: %v", body, err)
	}
	if _, err := d.Token(); err != io.EOF {
		p.tb.Errorf("more than one value: %s", body)
	}
	if name := twice(body); name != "" {
		p.tb.Errorf("the name %s comes twice: %s", name, body)
	}
}

// twice is a name that comes twice in one object of a JSON text.
func twice(body []byte) string {
	d := json.NewDecoder(bytes.NewReader(body))
	type level struct {
		names map[string]bool // nil: an array
		value bool            // a value is next
	}
	var stack []level
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		if n := len(stack); n > 0 && stack[n-1].names != nil {
			if name, ok := token.(string); ok && !stack[n-1].value {
				if stack[n-1].names[name] {
					return name
				}
				stack[n-1].names[name], stack[n-1].value = true, true
				continue
			}
			stack[n-1].value = false
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, level{names: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, level{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
	}
}

// Take takes a message that a gateway published.
func (p *ThingsBoard) Take(m MQTTMessage) {
	p.tb.Helper()
	if m.QoS != 1 || m.Retain || len(m.Payload) > p.Limit {
		p.tb.Errorf("%s with QoS %d, retained %v, %d bytes", m.Topic, m.QoS, m.Retain, len(m.Payload))
	}
	p.Topics = append(p.Topics, strings.TrimPrefix(m.Topic, "v1/"))
	switch m.Topic {
	case "v1/gateway/connect":
		var is struct{ Device, Type string }
		p.strict(m.Payload, &is)
		if is.Device == "" || is.Type == "" {
			p.tb.Errorf("connected is %s", m.Payload)
		}
		p.Connected[is.Device] = is.Type
	case "v1/gateway/disconnect":
		var is struct{ Device string }
		p.strict(m.Payload, &is)
		p.need(is.Device)
		delete(p.Connected, is.Device)
	case "v1/gateway/telemetry":
		p.readings(m.Payload)
	case "v1/gateway/attributes":
		p.attributes(m.Payload)
	case "v1/gateway/attributes/request":
		var is AttributeRequest
		p.strict(m.Payload, &is)
		p.need(is.Device)
		if is.ID <= 0 || is.Client == nil || len(is.Keys) == 0 {
			p.tb.Errorf("the request is %s", m.Payload)
		}
		p.Requests = append(p.Requests, is)
	case "v1/gateway/rpc":
		var is struct {
			Device string
			ID     json.Number
			Data   json.RawMessage
		}
		p.strict(m.Payload, &is)
		p.Answers = append(p.Answers, fmt.Sprintf("%s %s %s", is.Device, is.ID, is.Data))
	case "v1/gateway/claim":
		var is map[string]struct {
			SecretKey  string
			DurationMs *int64
		}
		p.strict(m.Payload, &is)
		p.Claims = append(p.Claims, string(m.Payload))
	default:
		p.owned(m)
	}
}

func (p *ThingsBoard) owned(m MQTTMessage) {
	p.tb.Helper()
	for _, prefix := range []string{"v1/devices/me/rpc/request/", "v1/devices/me/rpc/response/"} {
		if id, ok := strings.CutPrefix(m.Topic, prefix); ok {
			if _, err := strconv.ParseInt(id, 10, 32); err != nil || !json.Valid(m.Payload) {
				p.tb.Errorf("%s: %s", m.Topic, m.Payload)
			}
			p.Own = append(p.Own, string(m.Payload))
			return
		}
	}
	p.tb.Errorf("no topic of the platform: %s", m.Topic)
}

func (p *ThingsBoard) need(device string) {
	p.tb.Helper()
	if _, ok := p.Connected[device]; !ok {
		p.tb.Errorf("the device %q is not connected", device)
	}
}

// scalar is a value that the platform keeps: no null and no NaN.
func (p *ThingsBoard) scalar(raw json.RawMessage) string {
	p.tb.Helper()
	text := string(raw)
	if text == "null" {
		p.tb.Error("a null")
	}
	return text
}

func (p *ThingsBoard) readings(body []byte) {
	p.tb.Helper()
	var all map[string][]struct {
		TS     *int64                     `json:"ts"`
		Values map[string]json.RawMessage `json:"values"`
	}
	p.strict(body, &all)
	for device, list := range all {
		p.need(device)
		for _, e := range list {
			if e.TS == nil || e.Values == nil {
				p.tb.Fatalf("an entry without ts or values: %s", body)
			}
			names := make([]string, 0, len(e.Values))
			for name := range e.Values {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				p.Telemetry[device] = append(p.Telemetry[device], fmt.Sprintf("%s=%s@%d", name, p.scalar(e.Values[name]), *e.TS))
			}
		}
	}
}

func (p *ThingsBoard) attributes(body []byte) {
	p.tb.Helper()
	var all map[string]map[string]json.RawMessage
	p.strict(body, &all)
	for device, values := range all {
		p.need(device)
		if p.Client[device] == nil {
			p.Client[device] = map[string]string{}
		}
		for name, value := range values {
			p.Client[device][name] = p.scalar(value)
		}
	}
}
