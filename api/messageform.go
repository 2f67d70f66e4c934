package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The parts of a command that have a meaning, as its protocol names them.
const (
	partData     = "data"
	partMetadata = "metadata"
)

// typeBytes is the content type of bytes of which nothing else is known.
const typeBytes = "application/octet-stream"

// message is what a caller wants sent, and how.
type message struct {
	input control.MessageInput
	shape control.Shape
	later bool // nobody waits for the replies
}

// messageOf reads a message in each of the forms that it may have.
func messageOf(kind string, b *client.Message) (m message, err error) {
	if m.input.Type, err = control.MessageTypeOf(kind); err != nil {
		return m, err
	}
	m.input.Device, m.input.Method, m.input.OneWay = b.Device, cmp.Or(b.Method, b.Service), b.OneWay
	m.input.DryRun = b.DryRun
	m.input.Metadata, m.shape.ID = given(b.Metadata), given(b.ID)
	if b.Timeout != nil {
		if m.input.Wait = time.Duration(*b.Timeout); m.input.Wait == 0 {
			return m, wrongMessage("/timeout", "is longer than 0")
		}
	}
	if err := m.readData(b); err != nil {
		return m, err
	}
	for name, value := range b.Headers {
		m.input.Headers = append(m.input.Headers, abi.Header{Name: name, Value: []byte(value)})
	}
	slices.SortFunc(m.input.Headers, func(x, y abi.Header) int { return strings.Compare(x.Name, y.Name) })
	m.later = b.Callback != ""
	if b.Wait != nil {
		if *b.Wait && m.later {
			return m, wrongMessage("/wait", "is not for messages with a callback: their ticket comes at once")
		}
		m.later = !*b.Wait
	}
	if !m.later && len(b.Context) > 0 {
		return m, wrongMessage("/context", "is for messages whose caller does not wait")
	}
	m.input.ID = m.shape.ID
	return m, nil
}

func wrongMessage(pointer, detail string) error {
	return fault.New(fault.MessageInvalid, "message: %s %s", strings.TrimPrefix(pointer, "/"), detail).
		WithHint("Correct what is named and send the message again.").
		WithFields(fault.Field{Pointer: pointer, Detail: detail})
}

// given is JSON that is there; null is not.
func given(raw json.RawMessage) json.RawMessage {
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return nil
	}
	return raw
}

// readData finds the body, which comes in one of four ways.
func (m *message) readData(b *client.Message) error {
	data, ways := b.Data, 0
	for _, there := range []bool{len(b.Data) > 0, len(b.Params) > 0, b.DataBase64 != nil, b.ProtocolParts != nil} {
		if there {
			ways++
		}
	}
	if ways > 1 {
		return wrongMessage("/data", "is one of data, params, data_base64 and protocol_parts")
	}
	m.input.ContentType = b.ContentType
	switch {
	case b.DataBase64 != nil:
		m.input.Body, m.input.ContentType = b.DataBase64, cmp.Or(b.ContentType, typeBytes)
		return nil
	case b.ProtocolParts != nil:
		return m.readParts(b)
	case len(b.Params) > 0:
		data = b.Params
	}
	if m.input.Type == abi.MessageRPC && m.input.Method == "" {
		return m.readCall(data)
	}
	if b.ContentType != "" && !isJSON(b.ContentType) && len(data) > 0 {
		var text string
		if json.Unmarshal(data, &text) != nil {
			return wrongMessage("/data", "of a content type that is no JSON is a string")
		}
		m.input.Body = []byte(text)
		return nil
	}
	m.input.Body = data
	if m.input.Type == abi.MessageQuery && len(given(data)) == 0 {
		m.input.Body = []byte("{}")
	}
	return nil
}

// readCall reads an RPC in the form {"id": 1, "method": "...", "params": ...}.
func (m *message) readCall(data json.RawMessage) error {
	var call struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if len(data) > 0 && json.Unmarshal(data, &call) != nil {
		return wrongMessage("/data", "is {id, method, params} where the message has no method of its own")
	}
	m.input.Method, m.input.Body = call.Method, call.Params
	if m.shape.ID == nil {
		m.shape.ID = given(call.ID)
	}
	return nil
}

// readParts reads data and metadata out of a list of named parts. The list goes
// on as it is, too.
func (m *message) readParts(b *client.Message) error {
	if len(m.input.Metadata) > 0 {
		return wrongMessage("/metadata", "is one of the protocol's parts already")
	}
	seen := map[string]bool{}
	for _, p := range b.ProtocolParts {
		if seen[p.Name] {
			return wrongMessage("/protocol_parts", "have names that come once")
		}
		seen[p.Name] = true
		switch p.Name {
		case partData:
			m.input.Body = p.Value
		case partMetadata:
			m.input.Metadata = p.Value
		}
	}
	raw, err := json.Marshal(b.ProtocolParts)
	if err != nil {
		return wrongMessage("/protocol_parts", "have values of JSON")
	}
	m.input.Parts, m.shape.Parts = raw, true
	return nil
}

// replyForm is a reply as the API serves it.
func replyForm(r *control.Reply, shape control.Shape) client.Reply {
	out := client.Reply{Status: statusName(r.Status), Code: r.Code, ID: shape.ID, ContentType: r.ContentType}
	switch {
	case len(r.Body) == 0:
		out.ContentType = ""
	case isJSON(r.ContentType) && json.Valid(r.Body):
		out.Data = r.Body
	case isText(r.Body) && !isJSON(r.ContentType):
		out.Data = quoted(string(r.Body))
	default:
		out.DataBase64 = r.Body
	}
	switch {
	case len(r.Metadata) == 0:
	case json.Valid(r.Metadata):
		out.Metadata = r.Metadata
	case isText(r.Metadata):
		out.Metadata = quoted(string(r.Metadata))
	default:
		out.Metadata, _ = json.Marshal(r.Metadata) // bytes always can be
	}
	if shape.Parts && out.DataBase64 == nil && (out.Data != nil || out.Metadata != nil) {
		out.ProtocolParts = []client.ProtocolPart{{Name: partMetadata, Value: orNull(out.Metadata)}, {Name: partData, Value: orNull(out.Data)}}
	}
	if e := r.Err; e != nil {
		out.Error = &client.ReplyError{Code: e.Code, Template: e.Template, Parameters: e.Parameters, Text: e.Text, Hint: e.Hint}
		if e.Text == "" {
			out.Error.Text = abi.Format(e.Template, e.Parameters)
		}
		if out.Error.Parameters == nil {
			out.Error.Parameters = []string{}
		}
	}
	return out
}

func orNull(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	return raw
}

// quoted is a text as JSON.
func quoted(s string) json.RawMessage {
	raw, _ := json.Marshal(s) // strings always can be
	return raw
}

func statusName(s abi.ReplyStatus) string {
	switch s {
	case abi.ReplyPartial:
		return "partial"
	case abi.ReplyEmpty:
		return "empty"
	case abi.ReplyError:
		return "error"
	case abi.ReplyComplete:
	}
	return "complete"
}
