// Command mqttsource receives messages of an MQTT broker, makes a record of each,
// and publishes what is sent to its devices. README.md says how to configure it.
package main

import (
	"cmp"
	"strconv"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
)

var _ = snaprail.Register(&source{})

func main() {}

// deviceType is that of all devices.
const deviceType = "mqtt"

// maxDevice bounds the name of a device, in bytes.
const maxDevice = 200

// source is the connector.
type source struct {
	config  config
	session *mqtt.Session
	known   snaprail.Known
}

// Open begins to receive.
func (s *source) Open(in *abi.OpenInput, _ *snaprail.Step) (err error) {
	if err := s.configure(in); err != nil {
		return err
	}
	s.known.Open(in)
	s.session, err = mqtt.Open(s.config.args(in.Connector))
	return err
}

// Test asks the broker with a name that it gives, and subscribes to nothing: a test
// must not take the session of the connector that works.
func (s *source) Test(in *abi.OpenInput) abi.TestResult {
	if err := s.configure(in); err != nil {
		return snaprail.TestFailed(err)
	}
	if _, err := mqtt.Open(s.config.plain()); err != nil {
		return snaprail.TestFailed(err)
	}
	return abi.TestResult{Success: true, Message: "the broker lets the user in"}
}

func (s *source) configure(in *abi.OpenInput) error {
	s.config = config{
		Device: deviceType, Format: formatPayload, ContentType: "application/json", Retained: true,
		SessionExpiry: 86_400, PublishQoS: 1,
	}
	if err := snaprail.Config(in, &s.config); err != nil {
		return err
	}
	return s.config.check()
}

// OnEvents makes a record of each message.
func (s *source) OnEvents(events []abi.Event, step *snaprail.Step) error {
	for i := range events {
		e := &events[i]
		switch e.Type {
		case abi.EventData:
			messages, err := mqtt.Received(*e)
			if err != nil {
				step.Reject(i, "the message cannot be read: "+err.Error())
				continue
			}
			for j := range messages {
				s.take(i, e.Time, &messages[j], step)
			}
		case abi.EventUp:
			log.Info("the broker is back")
		case abi.EventDown, abi.EventGap:
			log.Warning(said(e))
		default: // none of this connector's
		}
	}
	return nil
}

func said(e *abi.Event) string {
	if e.Err != nil {
		return cmp.Or(e.Name, "the broker is away") + ": " + e.Err.Text
	}
	return e.Name
}

// take makes a record of a message. Several rows may let it through: the first is
// taken.
func (s *source) take(input int, now int64, m *abi.MQTTMessage, step *snaprail.Step) {
	switch {
	case m.Retain && !s.config.Retained:
		step.Skip(input, "a retained message")
		return
	case len(m.Payload) == 0:
		step.Skip(input, "an empty message")
		return
	}
	for i := range s.config.filters {
		f := &s.config.filters[i]
		device, name, ok := f.match(m.Topic)
		if !ok {
			continue
		}
		if device == "" || len(device) > maxDevice || !utf8.ValidString(device) {
			step.Reject(input, "the topic "+m.Topic+" names no device")
			return
		}
		s.record(input, now, f, device, name, m, step)
		return
	}
	step.Skip(input, "no subscription is for the topic "+m.Topic)
}

func (s *source) record(input int, now int64, f *filter, device, name string, m *abi.MQTTMessage, step *snaprail.Step) {
	var r *abi.Record
	if f.Format == formatValues {
		points, err := values(m.Payload, name, m.Topic, cmp.Or(m.ContentType, f.ContentType))
		if err != nil {
			step.Reject(input, m.Topic+": "+err.Error())
			return
		}
		r = step.Telemetry(device, now, points...)
	} else {
		r = step.Payload(device, now, cmp.Or(m.ContentType, f.ContentType), m.Payload)
	}
	s.name(device, step)
	r.Headers = append(r.Headers[:0], abi.Header{Name: "mqtt-topic", Value: []byte(m.Topic)})
	for _, h := range m.UserProperties {
		if len(r.Headers) < abi.MaxHeaders {
			r.Headers = append(r.Headers, h)
		}
		if s.config.SourceKey != "" && h.Name == s.config.SourceKey && utf8.Valid(h.Value) {
			r.SourceKey = string(h.Value)
		}
	}
}

// name tells the host of a device when it is first seen.
func (s *source) name(device string, step *snaprail.Step) {
	if !s.known.Name(step, deviceType, device) {
		log.Warning("more than " + strconv.Itoa(snaprail.MaxKnown) + " devices: " + device + " and others are not listed")
	}
}
