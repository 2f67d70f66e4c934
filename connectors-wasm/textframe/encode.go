package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

// encoder is what is sent to a device, as templates.
type encoder struct {
	updates []updateConfig
	methods map[abi.MessageType]map[string]string
	publish *string
}

// updateConfig is a row of the mapping of attributes. Its keys have the names
// that they have in a ThingsBoard gateway, or shorter ones.
type updateConfig struct {
	Attribute              string `json:"attribute"`
	AttributeOnThingsBoard string `json:"attributeOnThingsBoard"`
	Template               string `json:"template"`
	StringToDevice         string `json:"stringToDevice"`
}

// anyMethod is the name of the template for methods that have none.
const anyMethod = "*"

// newEncoder answers nil when nothing is to be sent.
func newEncoder(cfg *config) (*encoder, error) {
	e := &encoder{
		updates: cfg.AttributeUpdates, publish: cfg.Publish,
		methods: map[abi.MessageType]map[string]string{abi.MessageRPC: cfg.RPC, abi.MessageCommand: cfg.Command},
	}
	for i := range e.updates {
		u := &e.updates[i]
		if u.Attribute == "" {
			u.Attribute = u.AttributeOnThingsBoard
		}
		if u.Template == "" {
			u.Template = u.StringToDevice
		}
		if u.Attribute == "" || u.Template == "" {
			return nil, invalid("attributeUpdates[%d]: attribute and template are required", i)
		}
	}
	if len(e.updates)+len(cfg.RPC)+len(cfg.Command) == 0 && e.publish == nil {
		return nil, nil //nolint:nilnil // there is nothing to send
	}
	return e, nil
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
		template, ok := e.methods[m.Type][m.Method]
		if !ok {
			template, ok = e.methods[m.Type][anyMethod]
		}
		if !ok {
			return fmt.Errorf("there is no template for the method %q", m.Method)
		}
		return fill(template, m, out)
	}
	out.Add(m)
	return nil
}

// attributes makes a message of each row whose attribute the update has, in
// the order of the rows. A name that the update does not have stays as it is.
func (e *encoder) attributes(m *abi.Message, out *snaprail.Messages) error {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(m.Body, &values); err != nil {
		return fmt.Errorf("the update %s is no JSON object", quote(m.Body))
	}
	for _, u := range e.updates {
		if _, there := values[u.Attribute]; !there {
			continue
		}
		v := view{members: values}
		body := abi.Expand(u.Template, v.member)
		if v.err != nil {
			return v.err
		}
		one := out.Add(m)
		one.ContentType, one.Body = textPlain, []byte(body)
		one.Headers = append(append([]abi.Header(nil), m.Headers...), abi.Header{Name: itemHeader, Value: []byte(u.Attribute)})
	}
	return nil
}

const textPlain = "text/plain; charset=utf-8"

// fill makes text of a message. What the template wants has to be there.
func fill(template string, m *abi.Message, out *snaprail.Messages) error {
	v := view{message: m}
	_ = json.Unmarshal(m.Body, &v.members) // what is no object has no members
	body := abi.Expand(template, v.part)
	if v.err != nil {
		return v.err
	}
	one := out.Add(m)
	one.ContentType, one.Body = textPlain, []byte(body)
	return nil
}

// view is what a template may name of a message.
type view struct {
	message *abi.Message
	members map[string]json.RawMessage
	err     error
}

// part is one of method, device and body, or a member of the body.
func (v *view) part(name string) (string, bool) {
	switch name {
	case "method":
		return v.checked(name, v.message.Method), true
	case "device":
		return v.checked(name, v.message.Device), true
	case "body":
		return v.checked(name, textOf(v.message.Body)), true
	}
	members := v.members
	for rest := name; ; {
		first, after, deeper := strings.Cut(rest, ".")
		raw, there := members[first]
		if !there {
			v.err = fmt.Errorf("the template wants ${%s}, and the message has no such member", name)
			return "", true
		}
		if !deeper {
			return v.checked(name, textOf(raw)), true
		}
		members, rest = nil, after
		_ = json.Unmarshal(raw, &members) // as in fill
	}
}

// member is a member of the body, if it is there.
func (v *view) member(name string) (string, bool) {
	raw, there := v.members[name]
	return v.checked(name, textOf(raw)), there
}

// checked refuses what could end the frame that it stands in, and begin another.
func (v *view) checked(name, text string) string {
	if strings.ContainsFunc(text, unicode.IsControl) {
		v.err = fmt.Errorf("the value of ${%s} has control characters, which could be taken for the end of the text", name)
	}
	return text
}

// textOf is a JSON value as it stands in a text: a string without its quotes,
// anything else as JSON has it.
func textOf(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	var text string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}
