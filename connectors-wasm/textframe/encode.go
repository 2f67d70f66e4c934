package main

import (
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/template"
)

// encoder is what is sent to a device, as templates.
type encoder struct {
	updates []template.Update
	methods map[abi.MessageType]map[string]string
	publish *string
}

// anyMethod is the name of the template for methods that have none.
const anyMethod = "*"

// newEncoder answers nil when nothing is to be sent.
func newEncoder(cfg *config) *encoder {
	if len(cfg.AttributeUpdates)+len(cfg.RPC)+len(cfg.Command) == 0 && cfg.Publish == nil {
		return nil
	}
	return &encoder{
		updates: cfg.AttributeUpdates, publish: cfg.Publish,
		methods: map[abi.MessageType]map[string]string{abi.MessageRPC: cfg.RPC, abi.MessageCommand: cfg.Command},
	}
}

// itemHeader names the part of an update that a message is: the host makes one
// answer of the answers to all parts.
const itemHeader = "item"

// Encode makes text of each message that there is a template for, and leaves
// the others as they are.
func (c *converter) Encode(messages []abi.Message, out *snaprail.Messages) error {
	if c.south == nil {
		return &abi.Error{Kind: abi.FaultUnsupported, Code: "unsupported", Text: "the config says nothing of what is sent"}
	}
	for i := range messages {
		if err := c.south.encode(&messages[i], out); err != nil {
			out.Reject(i, err.Error())
		}
	}
	return nil
}

func (e *encoder) encode(m *abi.Message, out *snaprail.Messages) error {
	switch {
	case m.Type == abi.MessageAttributes && len(e.updates) > 0:
		return e.attributes(m, out)
	case m.Type == abi.MessagePublish && e.publish != nil:
		return fill(*e.publish, m, out)
	case len(e.methods[m.Type]) > 0:
		text, ok := e.methods[m.Type][m.Method]
		if !ok {
			text, ok = e.methods[m.Type][anyMethod]
		}
		if !ok {
			return fmt.Errorf("there is no template for the method %q", m.Method)
		}
		return fill(text, m, out)
	}
	out.Add(m)
	return nil
}

// attributes makes a message of each row whose attribute the update has.
func (e *encoder) attributes(m *abi.Message, out *snaprail.Messages) error {
	texts, err := template.Map(e.updates, m.Body)
	if err != nil {
		return err
	}
	for _, t := range texts { // all of them or none
		if t.Err != nil {
			return t.Err
		}
	}
	for _, t := range texts {
		one := out.Add(m)
		one.ContentType, one.Body = template.ContentType, []byte(t.Text)
		one.Headers = append(append([]abi.Header(nil), m.Headers...), abi.Header{Name: itemHeader, Value: []byte(t.Attribute)})
	}
	return nil
}

func fill(text string, m *abi.Message, out *snaprail.Messages) error {
	body, err := template.Fill(text, m)
	if err != nil {
		return err
	}
	one := out.Add(m)
	one.ContentType, one.Body = template.ContentType, []byte(body)
	return nil
}
