package main

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
)

// The user properties that each message of MQTT 5 has beside the record's headers.
const (
	propertyID        = "snaprail-id"
	propertyDevice    = "snaprail-device"
	propertyConnector = "snaprail-connector"
	propertyKind      = "snaprail-kind"
)

const typeJSON = "application/json"

// message is the message of a record.
func (c *config) message(topic string, part *abi.DeliverPart, r *abi.Record, id string) mqtt.Message {
	m := mqtt.Message{Topic: topic, QoS: c.QoS, Retain: c.Retain, ID: id, ContentType: r.ContentType, MessageExpiry: time.Duration(c.Expiry) * time.Second}
	switch {
	case c.Value == valueJSON:
		m.Payload, m.ContentType = whole(part, r), typeJSON
	case r.Payload != nil || len(r.Points) == 0:
		m.Payload = r.Payload
	default:
		m.Payload, m.ContentType = flat(r.Points), typeJSON
	}
	if c.Version == mqtt.V311 {
		return m
	}
	for _, h := range r.Headers {
		if len(m.UserProperties) < abi.MaxHeaders-4 && utf8.Valid(h.Value) {
			m.UserProperties = append(m.UserProperties, h)
		}
	}
	m.UserProperties = append(m.UserProperties, abi.Header{Name: propertyID, Value: []byte(id)})
	if c.Properties {
		m.UserProperties = append(m.UserProperties,
			abi.Header{Name: propertyDevice, Value: []byte(r.Device)}, abi.Header{Name: propertyConnector, Value: []byte(part.Connector)},
			abi.Header{Name: propertyKind, Value: []byte(kindOf(r.Kind))})
	}
	return m
}

// flat is a JSON object of the values by their names; of several with one name it
// is the last.
func flat(points []abi.Point) []byte {
	b := []byte{'{'}
	for i := range points {
		if slices.ContainsFunc(points[i+1:], func(p abi.Point) bool { return p.Name == points[i].Name }) {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(text(b, points[i].Name), ':')
		b = value(b, points[i].Value)
	}
	return append(b, '}')
}

// whole is a JSON object of all that a record says.
func whole(part *abi.DeliverPart, r *abi.Record) []byte {
	b := text([]byte(`{"connector":`), part.Connector)
	b = text(append(b, `,"device":`...), r.Device)
	b = text(append(b, `,"kind":`...), kindOf(r.Kind))
	b = at(append(b, `,"time":`...), r.Time)
	if r.Payload == nil {
		b = append(b, `,"points":[`...)
		for i := range r.Points {
			if i > 0 {
				b = append(b, ',')
			}
			b = point(b, r, &r.Points[i])
		}
		return append(b, "]}"...)
	}
	if r.ContentType != "" {
		b = text(append(b, `,"content_type":`...), r.ContentType)
	}
	if abi.IsJSON(r.ContentType) && json.Valid(r.Payload) {
		b = append(append(b, `,"payload":`...), r.Payload...)
	} else {
		b = append(b, `,"payload_base64":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, r.Payload), '"')
	}
	return append(b, '}')
}

func point(b []byte, r *abi.Record, p *abi.Point) []byte {
	b = text(append(b, `{"name":`...), p.Name)
	b = value(append(b, `,"value":`...), p.Value)
	if p.Unit != "" {
		b = text(append(b, `,"unit":`...), p.Unit)
	}
	if p.Quality != 0 {
		b = strconv.AppendUint(append(b, `,"quality":`...), uint64(p.Quality), 10)
	}
	if p.SourceTime != 0 && p.SourceTime != r.Time {
		b = at(append(b, `,"time":`...), p.SourceTime)
	}
	return append(b, '}')
}

func at(b []byte, ns int64) []byte {
	return append(time.Unix(0, ns).UTC().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

// value is a value in JSON. What JSON has no number for is null.
func value(b []byte, v abi.Value) []byte {
	switch v.Type() {
	case abi.ValueBool:
		return strconv.AppendBool(b, v.Bool())
	case abi.ValueInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case abi.ValueUint:
		return strconv.AppendUint(b, v.Uint(), 10)
	case abi.ValueDouble:
		if f := v.Double(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return strconv.AppendFloat(b, f, 'g', -1, 64)
		}
	case abi.ValueString:
		return text(b, v.String())
	case abi.ValueBytes:
		return append(base64.StdEncoding.AppendEncode(append(b, '"'), v.Bytes()), '"')
	case abi.ValueNone:
	}
	return append(b, "null"...)
}

// text is a text in JSON.
func text(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			quoted, _ := json.Marshal(s) // of a string it cannot fail
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
