// Package template is what guests share that make text of messages: templates
// with ${name} for the parts of a message, and the mapping of attributes that
// ThingsBoard gateways have. A guest imports it; it knows no device.
//
// A value with control characters is refused, because what a user writes into a
// name could otherwise end the frame that it stands in and begin another one.
package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// ContentType is that of the texts.
const ContentType = "text/plain; charset=utf-8"

// Update is a row of a mapping of attributes. Its keys have the names that they
// have in a ThingsBoard gateway, or shorter ones.
type Update struct {
	Attribute string
	Template  string
}

// UnmarshalJSON reads a row. Both of its values are required.
func (u *Update) UnmarshalJSON(raw []byte) error {
	var row struct {
		Attribute              string `json:"attribute"`
		AttributeOnThingsBoard string `json:"attributeOnThingsBoard"`
		Template               string `json:"template"`
		StringToDevice         string `json:"stringToDevice"`
	}
	if err := json.Unmarshal(raw, &row); err != nil {
		return err
	}
	u.Attribute, u.Template = first(row.Attribute, row.AttributeOnThingsBoard), first(row.Template, row.StringToDevice)
	if u.Attribute == "" || u.Template == "" {
		return errors.New("attributeUpdates: attribute and template are required in each row")
	}
	return nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Text is what is sent for one row.
type Text struct {
	Attribute string
	Text      string
	Err       error // why there is none
}

// Map makes a text of each row whose attribute the update has, in the order of
// the rows. ${name} stands for any attribute of the update; a name that it does
// not have stays as it is. The error says that the update is no JSON object.
func Map(rows []Update, update []byte) ([]Text, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(update, &values); err != nil {
		return nil, errors.New("an update of attributes is a JSON object of them")
	}
	var all []Text
	for _, row := range rows {
		if _, there := values[row.Attribute]; !there {
			continue
		}
		one := Text{Attribute: row.Attribute}
		one.Text = abi.Expand(row.Template, func(name string) (string, bool) {
			raw, there := values[name]
			text, err := checked(name, Of(raw))
			if there && err != nil {
				one.Err = err
			}
			return text, there
		})
		all = append(all, one)
	}
	return all, nil
}

// Fill makes a text of a message. ${method}, ${device} and ${body} stand for
// these, and any other name for a member of the body, ${a.b} for one inside
// another. What the template wants has to be there.
func Fill(template string, m *abi.Message) (string, error) {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(m.Body, &members) // what is no object has no members
	var failed error
	text := abi.Expand(template, func(name string) (string, bool) {
		part, err := part(name, m, members)
		if err == nil {
			part, err = checked(name, part)
		}
		if err != nil {
			failed = err
		}
		return part, true
	})
	return text, failed
}

func part(name string, m *abi.Message, members map[string]json.RawMessage) (string, error) {
	switch name {
	case "method":
		return m.Method, nil
	case "device":
		return m.Device, nil
	case "body":
		return Of(m.Body), nil
	}
	for rest := name; ; {
		head, after, deeper := strings.Cut(rest, ".")
		raw, there := members[head]
		if !there {
			return "", fmt.Errorf("the template wants ${%s}, and the message has no such member", name)
		}
		if !deeper {
			return Of(raw), nil
		}
		members, rest = nil, after
		_ = json.Unmarshal(raw, &members) // as in Fill
	}
}

func checked(name, text string) (string, error) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return "", fmt.Errorf("the value of ${%s} has control characters, which could be taken for the end of the text", name)
	}
	return text, nil
}

// Of is a JSON value as it stands in a text: a string without its quotes,
// anything else as JSON has it.
func Of(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	var text string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}
