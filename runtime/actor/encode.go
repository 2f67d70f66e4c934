package actor

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/spec"
)

// maxEncoded bounds the bytes of what one message is encoded into.
const maxEncoded = abi.MaxBatch

// itemHeader names the attribute, or whatever else, that a message is the part
// of another for. Its value stands in the combined answer.
const itemHeader = "item"

// encode makes of a message what the guest is handed: by the mapping of its
// device, or by the converters of its device that have an encoder, last to
// first.
func (l *lane) encode(ctx context.Context, x *letter, m *abi.Message) error {
	held := l.version.Converters.hold()
	defer l.version.Converters.drop(ctx, held)
	if rows := held.Updates[m.Device]; m.Type == abi.MessageAttributes && len(rows) > 0 {
		encoded, refused, err := attributeUpdates(m, rows)
		if err != nil {
			return err
		}
		x.encoded, x.items = encoded, &items{results: refused}
		return nil
	}
	encoded, ran, err := held.of(m.Device).encode(ctx, m)
	if err != nil {
		return err
	}
	x.encoded = encoded
	if len(encoded) > 1 || ran && len(encoded) == 1 && itemOf(&encoded[0]) != "" {
		x.items = &items{}
	}
	return nil
}

// encode takes a message through the encoders of the chain. ran is false when
// there was none.
func (c *Chain) encode(ctx context.Context, m *abi.Message) (made []abi.Message, ran bool, err error) {
	made = []abi.Message{*m}
	if c == nil {
		return made, false, nil
	}
	for _, stage := range slices.Backward(c.stages) {
		e, ok := stage.(flow.Encoder)
		if !ok || len(made) == 0 {
			continue
		}
		out, err := e.Encode(ctx, (&abi.Messages{Messages: made}).Append(nil))
		if fault.Is(err, fault.Unsupported) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if made, err = encoded(out, m, len(made)); err != nil {
			return nil, false, err
		}
		ran = true
	}
	return made, ran, nil
}

// encoded reads what an encoder has made of a message, or of so many that
// others had made of it. They stay what the message was: for its device, of its
// type, with its sender and its deadline, because that is what was judged.
func encoded(out []byte, of *abi.Message, handed int) ([]abi.Message, error) {
	var all abi.Messages
	if len(out) > maxEncoded {
		return nil, fault.New(fault.TooLarge, "the encoder makes more than %d bytes of one message", maxEncoded)
	}
	if err := all.Decode(out); err != nil {
		return nil, fault.Wrap(fault.Guest, err, "what the encoder makes cannot be read")
	}
	for _, v := range all.Verdicts {
		if int64(v.Input) >= int64(handed) {
			return nil, fault.New(fault.Guest, "the encoder judged message %d of %d", v.Input, handed)
		}
		if v.Decision == abi.DecisionReject || v.Decision == abi.DecisionRetry { // it has nobody to wait for
			return nil, fault.New(fault.MessageInvalid, "the encoder rejected the message: %s", fault.Clip(v.Reason, maxReason))
		}
	}
	made := slices.Clone(all.Messages)
	for i := range made {
		m := &made[i]
		if m.Correlation != of.Correlation {
			return nil, fault.New(fault.Guest, "the encoder made a message with another correlation than that of the one it was given")
		}
		m.Type, m.Device, m.Deadline, m.Sender, m.Via = of.Type, of.Device, of.Deadline, of.Sender, of.Via
	}
	return made, nil
}

// attributeUpdates makes one message for each row of a device's mapping whose
// attribute the update has, in the order of the rows. A value that could end the
// text that it stands in is refused, as are a row that lacks a value and an
// attribute that no row takes, and the others go on.
func attributeUpdates(m *abi.Message, rows []spec.AttributeUpdate) (made []abi.Message, refused []item, err error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(m.Body, &values); err != nil {
		return nil, nil, fault.New(fault.MessageInvalid, "an update of attributes is a JSON object of them, and this one is not")
	}
	made = []abi.Message{}
	taken := map[string]bool{}
	for _, row := range rows {
		if _, there := values[row.Attribute]; !there {
			continue
		}
		taken[row.Attribute] = true
		text, wrong := expand(row.Template, values, taken)
		if wrong != "" {
			refused = append(refused, item{Item: row.Attribute, Error: &itemError{fault.MessageInvalid.String(), wrong}})
			continue
		}
		one := *m
		one.ContentType, one.Body = "text/plain; charset=utf-8", []byte(text)
		one.Headers = append(slices.Clone(m.Headers), abi.Header{Name: itemHeader, Value: []byte(row.Attribute)})
		made = append(made, one)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !taken[name] && len(refused) < abi.MaxItems {
			refused = append(refused, item{Item: name, Error: &itemError{codeNoTemplate, "no row of the device takes this attribute, so nothing was written for it"}})
		}
	}
	if len(made) > abi.MaxItems {
		return nil, nil, fault.New(fault.TooLarge, "an update may be sent in %d parts, and this one has %d", abi.MaxItems, len(made))
	}
	return made, refused, nil
}

// codeNoTemplate is said of what nothing makes a message of.
const codeNoTemplate = "no_template"

// expand puts values into a template, and notes which it took; wrong says why it
// cannot.
func expand(template string, values map[string]json.RawMessage, taken map[string]bool) (text, wrong string) {
	text = abi.Expand(template, func(name string) (string, bool) {
		raw, there := values[name]
		value := textOf(raw)
		switch {
		case there && strings.ContainsFunc(value, unicode.IsControl):
			wrong = "the value has control characters, which could be taken for the end of the text"
		case there:
			taken[name] = true
		case wrong == "" && !strings.Contains(name, "${"): // else the name begins further on
			wrong = "the template wants ${" + fault.Clip(name, 64) + "}, and the update has no such attribute"
		}
		return value, there
	})
	return text, wrong
}

// textOf is a JSON value as it stands in a template: a string without its
// quotes, anything else as JSON has it.
func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil && len(raw) > 0 && raw[0] == '"' {
		return text
	}
	return string(bytes.TrimSpace(raw))
}

func itemOf(m *abi.Message) string {
	for i := range m.Headers {
		if m.Headers[i].Name == itemHeader {
			return string(m.Headers[i].Value)
		}
	}
	return ""
}

// items are the answers to the parts that a message was encoded into. Its
// asker gets them together, when the guest has handled the last one.
type items struct {
	results []item
	reply   *item // to the part that is handled now
}

// item is the answer to one part.
type item struct {
	Item    string          `json:"item,omitempty"`
	Success bool            `json:"success"`
	Body    json.RawMessage `json:"body,omitempty"`
	Text    string          `json:"text,omitempty"` // a body that is no JSON
	Error   *itemError      `json:"error,omitempty"`
}

type itemError struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// replied keeps the guest's reply to the part that it handles.
func (s *items) replied(r *abi.Reply) {
	one := &item{Success: r.Status != abi.ReplyError}
	switch {
	case r.Err != nil:
		one.Error = &itemError{r.Err.Code, r.Err.Text}
	case len(r.Body) == 0:
	case json.Valid(r.Body):
		one.Body = bytes.Clone(r.Body)
	default:
		one.Text = string(bytes.ToValidUTF8(r.Body, []byte("\uFFFD")))
	}
	s.reply = one
}

// handled ends the part that is handled now: with the guest's reply, else with
// the fault, and as a success when there is neither.
func (s *items) handled(m *abi.Message, err error) {
	one := s.reply
	if one == nil {
		one = &item{Success: true}
	}
	if err != nil {
		f := fault.Of(err)
		one = &item{Error: &itemError{f.Kind.String(), f.Text}}
	}
	one.Item = itemOf(m)
	s.results, s.reply = append(s.results, *one), nil
}

// The codes of combined answers.
const (
	codeAll  = abi.CodeComplete
	codeSome = 207 // Multi-Status, as HTTP has it
)

// answer is the combined answer; empty when there was nothing to send.
func (s *items) answer(correlation string) abi.Reply {
	r := abi.Reply{Correlation: correlation, ContentType: "application/json", Code: codeAll}
	if s == nil || len(s.results) == 0 {
		return abi.Reply{Correlation: correlation, Status: abi.ReplyEmpty}
	}
	for i := range s.results {
		if !s.results[i].Success {
			r.Code = codeSome
		}
	}
	body, err := json.Marshal(s.results)
	if err != nil {
		f := fault.Wrap(fault.Internal, err, "the answers to the parts of the message")
		return abi.Reply{Correlation: correlation, Status: abi.ReplyError, Err: fault.ToABI(f)}
	}
	r.Body = body
	return r
}
