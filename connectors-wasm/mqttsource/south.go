package main

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
)

// OnPublish publishes what is sent to a device.
func (s *source) OnPublish(m *abi.Message, _ *snaprail.Step) error {
	return s.publish(s.config.Publish, "publish_topic", m)
}

// OnAttributes publishes an update of attributes.
func (s *source) OnAttributes(m *abi.Message, step *snaprail.Step) error {
	if err := s.publish(s.config.Attributes, "attributes_topic", m); err != nil {
		return err
	}
	return answer(m, step)
}

// OnRPC publishes the body of a call. The method publish publishes to the topic that
// the body names, if any_topic permits it.
func (s *source) OnRPC(m *abi.Message, step *snaprail.Step) error {
	if m.Method == "publish" && s.config.AnyTopic {
		if err := s.publishAny(m); err != nil {
			return err
		}
		return answer(m, step)
	}
	if err := s.publish(s.config.RPC, "rpc_topic", m); err != nil {
		return err
	}
	return answer(m, step)
}

// answer tells whoever waits that the broker has the message.
func answer(m *abi.Message, step *snaprail.Step) error {
	if m.Correlation == "" {
		return nil
	}
	return step.Success(m)
}

func (s *source) publish(template, parameter string, m *abi.Message) error {
	if template == "" {
		// It is the config that is to be mended, and not the module that cannot.
		return &abi.Error{Kind: abi.FaultInvalid, Code: "no_topic", Text: "/" + parameter + ": the config names no topic to publish this to", Hint: "Set " + parameter + " to the topic that devices listen to."}
	}
	var wrong, hint string
	topic := abi.Expand(template, func(name string) (string, bool) {
		value := m.Device
		if name == "method" {
			value = m.Method
		}
		switch {
		case value == "" && name == "device":
			wrong, hint = "no device is named, and the topic "+template+" has one", "Name the device: --device."
		case value == "" || strings.ContainsAny(value, "/+#$\x00"):
			wrong, hint = "the "+name+" "+strconv.Quote(value)+" makes no level of a topic", "It may not be empty, and hold no /, +, # or $."
		}
		return value, true
	})
	if wrong != "" {
		return &abi.Error{Kind: abi.FaultInvalid, Code: "invalid_topic", Text: wrong, Hint: hint}
	}
	return s.send(mqtt.Message{Topic: topic, Payload: m.Body, QoS: s.config.PublishQoS, Retain: s.config.PublishKept, ContentType: m.ContentType, ID: m.Correlation})
}

func (s *source) publishAny(m *abi.Message) error {
	asked := struct {
		Topic   string          `json:"topic"`
		Payload json.RawMessage `json:"payload"`
		QoS     byte            `json:"qos"`
		Retain  bool            `json:"retain"`
	}{QoS: s.config.PublishQoS, Retain: s.config.PublishKept}
	if err := json.Unmarshal(m.Body, &asked); err != nil || asked.Topic == "" {
		return &abi.Error{Kind: abi.FaultInvalid, Code: "invalid_body", Text: "want a JSON object with topic and payload"}
	}
	payload := []byte(asked.Payload)
	var text string
	if json.Unmarshal(asked.Payload, &text) == nil {
		payload = []byte(text) // a text is published as it is, and anything else as JSON
	}
	return s.send(mqtt.Message{Topic: asked.Topic, Payload: payload, QoS: asked.QoS, Retain: asked.Retain, ID: m.Correlation})
}

// send publishes one message.
func (s *source) send(m mqtt.Message) error {
	results, err := s.session.Publish(m)
	switch {
	case err != nil:
		return err
	case len(results) != 1:
		return &abi.Error{Kind: abi.FaultInternal, Text: "the host does not answer for the message"}
	case results[0].Code == "":
		return nil
	}
	failed := &abi.Error{Kind: abi.FaultInvalid, Code: results[0].Code, Text: m.Topic + ": " + results[0].Code}
	if results[0].Text != "" {
		failed.Text = m.Topic + ": " + results[0].Text
	}
	switch {
	case results[0].Code == "denied":
		failed.Kind = abi.FaultDenied
	case results[0].Retry:
		failed.Kind, failed.RetryAfterMS = abi.FaultUnavailable, 1000
	}
	return failed
}
