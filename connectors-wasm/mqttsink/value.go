package main

import (
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
	"github.com/snaprail/snaprail/guest-sdk/go/recordjson"
)

// The user properties that each message of MQTT 5 has beside the record's headers.
const (
	propertyID        = "snaprail-id"
	propertyDevice    = "snaprail-device"
	propertyConnector = "snaprail-connector"
	propertyKind      = "snaprail-kind"
)

// message is the message of a record.
func (c *config) message(topic string, part *abi.DeliverPart, i int, id string) mqtt.Message {
	r := &part.Batch.Records[i]
	m := mqtt.Message{Topic: topic, QoS: c.QoS, Retain: c.Retain, ID: id, ContentType: r.ContentType, MessageExpiry: time.Duration(c.Expiry) * time.Second}
	switch {
	case c.Value == valueJSON:
		m.Payload, m.ContentType = recordjson.Of(nil, part, i), recordjson.ContentType
	case r.Payload != nil || len(r.Points) == 0:
		m.Payload = r.Payload
	default:
		m.Payload, m.ContentType = recordjson.Values(nil, r.Points), recordjson.ContentType
	}
	if r.Kind == abi.KindGap {
		m.Retain = false // in place of the last value of a topic
	}
	if c.Version == mqtt.V311 {
		return m
	}
	m.UserProperties = make([]abi.Header, 0, min(len(r.Headers), abi.MaxHeaders-4)+4)
	for _, h := range r.Headers {
		if len(m.UserProperties) < abi.MaxHeaders-4 && utf8.Valid(h.Value) {
			m.UserProperties = append(m.UserProperties, h)
		}
	}
	m.UserProperties = append(m.UserProperties, abi.Header{Name: propertyID, Value: []byte(id)})
	if c.Properties {
		m.UserProperties = append(m.UserProperties,
			abi.Header{Name: propertyDevice, Value: []byte(r.Device)}, abi.Header{Name: propertyConnector, Value: []byte(part.Connector)},
			abi.Header{Name: propertyKind, Value: []byte(r.Kind.String())})
	}
	return m
}
