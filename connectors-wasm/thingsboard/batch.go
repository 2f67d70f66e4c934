package main

import (
	"slices"
	"strconv"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
)

// The topics of the gateway API.
const (
	topicConnect    = "v1/gateway/connect"
	topicDisconnect = "v1/gateway/disconnect"
	topicTelemetry  = "v1/gateway/telemetry"
	topicAttributes = "v1/gateway/attributes"
	topicRequest    = "v1/gateway/attributes/request"
	topicResponse   = "v1/gateway/attributes/response"
	topicRPC        = "v1/gateway/rpc"
	topicClaim      = "v1/gateway/claim"

	topicOwnRPC      = "v1/devices/me/rpc/request/"  // and an id
	topicOwnResponse = "v1/devices/me/rpc/response/" // and an id
)

// item is what one record says of one device.
type item struct {
	record     int
	device     string // as the platform knows it
	attributes bool
	entries    []entry
	size       int
}

func newItem(record int, device string, kind abi.Kind, entries []entry) item {
	it := item{record: record, device: device, attributes: kind == abi.KindAttributes, entries: entries}
	for i := range entries {
		it.size += len(entries[i].body) + 40
	}
	it.size += 2*len(device) + 16 // a sign may take two bytes, most often
	return it
}

// message is a message with the records that it holds.
type message struct {
	mqtt.Message
	items []item
}

func (m *message) first() int {
	if len(m.items) == 0 {
		return -1
	}
	return m.items[0].record
}

// apart is a message for each item alone.
func (m *message) apart() (all []message) {
	for _, it := range m.items {
		one := message{items: []item{it}}
		one.build()
		all = append(all, one)
	}
	return all
}

// pack makes messages of items, as few as the bound on their size allows: one topic
// each, and the items of a device in their order. Attributes of a device come once
// in a message, because a name may not come twice.
func pack(items []item, limit int) []message {
	var out []message
	open := map[bool]int{} // 1 + the message that takes more
	size := map[bool]int{}
	for _, it := range items {
		at := open[it.attributes]
		if at == 0 || size[it.attributes]+it.size > limit || it.attributes && out[at-1].holds(it.device) {
			out = append(out, message{})
			at = len(out)
			open[it.attributes], size[it.attributes] = at, 2
		}
		out[at-1].items = append(out[at-1].items, it)
		size[it.attributes] += it.size
	}
	for i := range out {
		out[i].build()
	}
	return out
}

// build writes the payload: {"device":[{"ts":1,"values":{...}},...],...} for
// telemetry, {"device":{...},...} for attributes.
func (m *message) build() {
	var order []string
	of := map[string][]entry{}
	for _, it := range m.items {
		if _, seen := of[it.device]; !seen {
			order = append(order, it.device)
		}
		of[it.device] = append(of[it.device], it.entries...)
	}
	m.QoS, m.Topic = 1, topicTelemetry
	attributes := m.items[0].attributes
	if attributes {
		m.Topic = topicAttributes
	}
	body := []byte{'{'}
	for i, device := range order {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(append(body, quoted(device)...), ':')
		if attributes {
			body = append(body, of[device][0].body...)
		} else {
			body = appendTelemetry(body, of[device])
		}
	}
	m.Payload = append(body, '}')
}

func (m *message) holds(device string) bool {
	return slices.ContainsFunc(m.items, func(it item) bool { return it.device == device })
}

func appendTelemetry(body []byte, entries []entry) []byte {
	body = append(body, '[')
	for i, e := range entries {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"ts":`...)
		body = strconv.AppendInt(body, e.time, 10)
		body = append(append(body, `,"values":`...), e.body...)
		body = append(body, '}')
	}
	return append(body, ']')
}
