package snaprail

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

const contentJSON = "application/json"

// Complete answers a message, and ends what Partial began. The value is encoded
// as JSON; a []byte and a json.RawMessage are JSON already. A query is answered
// with an object or a list of objects. A message without a correlation, such as
// a one-way RPC, needs no answer and gets none. An error is a ConnectorError, and
// nothing was answered then.
func (s *Step) Complete(m *abi.Message, v any) error {
	return s.answer(m, abi.ReplyComplete, v)
}

// Partial answers with a part of what is to come. The parts arrive in the order
// in which they were given, and Complete or Empty ends them.
func (s *Step) Partial(m *abi.Message, v any) error {
	return s.answer(m, abi.ReplyPartial, v)
}

// Empty answers that there is nothing to answer with.
func (s *Step) Empty(m *abi.Message) error {
	if expected, err := awaits(m); err != nil || !expected {
		return err
	}
	s.Reply(abi.Reply{Correlation: m.Correlation, Status: abi.ReplyEmpty})
	return nil
}

// Success answers {"success":true}.
func (s *Step) Success(m *abi.Message) error {
	return s.Complete(m, json.RawMessage(`{"success":true}`))
}

// Fail answers a message with an error: a code in snake_case, and a template
// whose {0}, {1} and so on stand for the parameters.
func (s *Step) Fail(m *abi.Message, code, template string, parameters ...string) error {
	if code == "" || template == "" {
		return misuse("message_invalid", "an error needs a code and a template", "Give both; a template without {0} is a plain text.")
	}
	if expected, err := awaits(m); err != nil || !expected {
		return err
	}
	s.Reply(abi.Reply{
		Correlation: m.Correlation,
		Status:      abi.ReplyError,
		Err: &abi.Error{
			Code: code, Text: abi.Format(template, parameters), Template: template, Parameters: parameters,
		},
	})
	return nil
}

// Respond answers a command with data of any form, and with the metadata that its
// protocol has beside them.
func (s *Step) Respond(m *abi.Message, data, metadata []byte) error {
	if expected, err := awaits(m); err != nil || !expected {
		return err
	}
	if m.Type == abi.MessageQuery && !isAnswer(data) {
		return notAnAnswer()
	}
	s.Reply(abi.Reply{
		Correlation: m.Correlation, Status: abi.ReplyComplete,
		ContentType: contentTypeOf(data), Body: data, Metadata: metadata,
	})
	return nil
}

func (s *Step) answer(m *abi.Message, status abi.ReplyStatus, v any) error {
	if expected, err := awaits(m); err != nil || !expected {
		return err
	}
	body, err := encode(v)
	if err != nil {
		return misuse("message_invalid", "the answer cannot be written as JSON: "+err.Error(), "Answer with values that JSON has.")
	}
	if m.Type == abi.MessageQuery && !isAnswer(body) {
		return notAnAnswer()
	}
	s.Reply(abi.Reply{Correlation: m.Correlation, Status: status, ContentType: contentJSON, Body: body})
	return nil
}

// awaits reports whether somebody waits for the answer to a message.
func awaits(m *abi.Message) (bool, error) {
	if m.Type == abi.MessagePublish {
		return false, misuse("not_a_query", "a message that was published cannot be answered", "Emit a record, or ask the sender for a query.")
	}
	return m.Correlation != "", nil
}

func encode(v any) ([]byte, error) {
	switch v := v.(type) {
	case []byte:
		return v, nil
	case json.RawMessage:
		return v, nil
	}
	return json.Marshal(v)
}

// isAnswer reports whether a query may be answered with it.
func isAnswer(body []byte) bool {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) == 0 || !json.Valid(body) {
		return false
	}
	if trimmed[0] == '{' {
		return true
	}
	var list []json.RawMessage
	if trimmed[0] != '[' || json.Unmarshal(body, &list) != nil {
		return false
	}
	for _, element := range list {
		if element[0] != '{' {
			return false
		}
	}
	return true
}

func notAnAnswer() error {
	return misuse("message_invalid", "a query is answered with an object or a list of objects", "Put the value into an object.")
}

func contentTypeOf(data []byte) string {
	switch {
	case len(data) == 0:
		return ""
	case json.Valid(data):
		return contentJSON
	case utf8.Valid(data):
		return "text/plain; charset=utf-8"
	default:
		return "application/octet-stream"
	}
}

// HandBack asks for the message that is being handled again after a while. The
// messages to the same device wait with it, those to others do not; its deadline
// goes on.
func (s *Step) HandBack(after time.Duration, reason string) { s.Retry(s.input, after, reason) }

// Event adds a record of kind event of a service of a device: the data, and the
// metadata that its protocol has beside them, in headers of these names. It is
// taken now; the record that it answers may be changed until the next is added.
func (s *Step) Event(device, service string, data, metadata []byte) *abi.Record {
	r := s.Record(abi.KindEvent, device, time.Now().UnixNano())
	r.Payload, r.ContentType = data, contentTypeOf(data)
	r.Headers = append(r.Headers, abi.Header{Name: "service", Value: []byte(service)})
	if len(metadata) > 0 {
		r.Headers = append(r.Headers, abi.Header{Name: "metadata", Value: metadata})
	}
	return r
}

// Spawn asks for a job: work beside the steps, which JobHandler does on a guest
// of its own. It starts when this step is applied, once at most: one that has not
// ended when the connector stops is canceled, and of one that the end of the
// server cuts off no abi.EventJob comes. A module that must know keeps what it
// asked for in its state (package kv) and looks there when it opens.
func (s *Step) Spawn(job abi.Job) { s.out.Jobs = append(s.out.Jobs, job) }

// Device is the device that the running call is for: that of the message, or the
// one whose turn it is in a poll. It is empty when the call is for none or all.
func (s *Step) Device() string { return s.device }

// Connector is the connector's name, as open was told. A guest works for one
// connector from its open to its end.
func (s *Step) Connector() string { return s.name }

// Messages collects what an Encoder makes of the messages that it is handed.
type Messages struct {
	out abi.Messages
}

// Add adds a message made of one that was handed in, whose type, correlation,
// device, method and the rest it has until they are changed. The pointer is valid
// until the next message is added.
func (m *Messages) Add(from *abi.Message) *abi.Message {
	m.out.Messages = append(m.out.Messages, *from)
	return &m.out.Messages[len(m.out.Messages)-1]
}

// Skip says that nothing is to be sent for a message.
func (m *Messages) Skip(input int, reason string) {
	m.verdict(abi.Verdict{Input: uint32(input), Decision: abi.DecisionSkip, Reason: reason})
}

// Reject says that a message cannot be encoded: its sender is told the reason.
func (m *Messages) Reject(input int, reason string) {
	m.verdict(abi.Verdict{Input: uint32(input), Decision: abi.DecisionReject, Reason: reason})
}

func (m *Messages) verdict(v abi.Verdict) { m.out.Verdicts = append(m.out.Verdicts, v) }

func (m *Messages) reset() {
	clear(m.out.Messages) // they refer to inputs that are gone
	m.out.Messages, m.out.Verdicts = m.out.Messages[:0], m.out.Verdicts[:0]
}
