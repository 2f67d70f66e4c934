package remote

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The operations of the protocol.
const (
	opValidate  = "validate"           // theirs: a token
	opConnect   = "connectExtension"   // theirs: the source that it is the code of
	opConfigure = "configureExtension" // ours: its configuration
	opReconnect = "reconnectRequired"  // ours: go, and come again
	opPublish   = "publish"            // ours
	opQuery     = "query"              // ours
	opNotify    = "notification"       // theirs: an event
)

// Where the parts of a message stand.
const (
	sources       = "sources"
	replyHeader   = "X-Reply-Address"   // of a reply
	addressHeader = "REPLY_ADDR_HEADER" // of the query that it is to
)

// statusPartial is how the protocol marks a reply that is not the last.
const statusPartial = http.StatusContinue

// unknownStatus is one that no reply may have.
const unknownStatus = 1 << 16

// frame is a message of theirs: with an op, or a reply with a status.
type frame struct {
	Op           string            `json:"op"`
	ResourceName string            `json:"resourceName"`
	ResourceID   string            `json:"resourceId"`
	Object       json.RawMessage   `json:"object"`
	Parameters   parameters        `json:"parameters"`
	Status       int               `json:"status"`
	Headers      map[string]string `json:"headers"`
	Body         json.RawMessage   `json:"body"`
}

type parameters struct {
	ReconnectSecret string `json:"reconnectSecret"`
}

// order is a message of ours.
type order struct {
	Op           string            `json:"op"`
	ResourceName string            `json:"resourceName"`
	ResourceID   string            `json:"resourceId"`
	Headers      map[string]string `json:"messageHeaders,omitempty"`
	Object       any               `json:"object,omitempty"`
}

// answer says what came of a message of theirs.
type answer struct {
	Status int `json:"status"`
	Body   any `json:"body,omitempty"`
}

// trouble is a fault as the protocol has it, in a list of one.
type trouble struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Params  []string `json:"params"`
}

// accepted tells how many notifications are durable since the last such word,
// and in which block of the log the last one is.
type accepted struct {
	Accepted int    `json:"accepted"`
	Sequence uint64 `json:"sequence"`
}

func troubleOf(f *fault.Fault) answer {
	return answer{Status: f.Kind.Info().Status, Body: []trouble{{Code: f.Kind.String(), Message: f.Text, Params: []string{}}}}
}

// read reads one message.
func read(raw []byte) (f frame, err error) {
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, fault.New(fault.MessageInvalid, "the message is not what the protocol has: %s", fault.Clip(err.Error(), 200))
	}
	return f, nil
}

// orderOf is a message of ours for the code.
func orderOf(source string, m *abi.Message) (o order, err error) {
	o = order{ResourceName: sources, ResourceID: source}
	switch m.Type {
	case abi.MessagePublish:
		o.Op = opPublish
	case abi.MessageQuery:
		o.Op = opQuery
		o.Headers = map[string]string{addressHeader: m.Correlation}
	default:
		return o, fault.New(fault.Unsupported, "a remote connector takes queries and what is published to it, and nothing else").
			WithHint("Send a query, or publish: its code is outside, and its protocol has no other messages.")
	}
	body := bytes.TrimSpace(m.Body)
	if len(body) == 0 {
		body = []byte("{}")
	}
	if body[0] != '{' || !json.Valid(body) {
		return o, fault.New(fault.MessageInvalid, "a remote connector is sent JSON objects, and this message is none")
	}
	o.Object = json.RawMessage(body)
	return o, nil
}

// replyOf is a reply of theirs. Whether it may have its form is the table of
// questions' to say, which counts what it refuses: so what is wrong here is
// wrong there, too.
func replyOf(f *frame) (r abi.Reply, err error) {
	r.Correlation = f.Headers[replyHeader]
	body := f.Body
	if bytes.Equal(body, []byte("null")) {
		body = nil
	}
	switch {
	case f.Status == http.StatusOK:
		r.Status, r.Body = abi.ReplyComplete, body
	case f.Status == statusPartial, f.Status == http.StatusPartialContent:
		r.Status, r.Body = abi.ReplyPartial, body
	case f.Status == http.StatusNoContent:
		r.Status, r.Body = abi.ReplyEmpty, body
	case f.Status >= http.StatusBadRequest && f.Status < 600:
		r.Status, r.Code = abi.ReplyError, uint32(f.Status)
		r.Err, err = errorOf(body)
		return r, err
	default:
		r.Status = unknownStatus
		return r, fault.New(fault.MessageInvalid, "a reply has one of the statuses 100, 200, 204 and 400, and this one has %d", f.Status)
	}
	r.ContentType = "application/json"
	return r, nil
}

// errorOf is the error of a query: its code, the template of its text, and what
// stands in its places.
func errorOf(body json.RawMessage) (*abi.Error, error) {
	var e struct {
		Code       *string            `json:"messageCode"`
		Template   *string            `json:"messageTemplate"`
		Parameters *[]json.RawMessage `json:"parameters"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, fault.New(fault.MessageInvalid, "the error of a query is an object: %s", fault.Clip(err.Error(), 200))
	}
	var missing []string
	for _, part := range []struct {
		name  string
		lacks bool
	}{{"messageCode", e.Code == nil}, {"messageTemplate", e.Template == nil}, {"parameters", e.Parameters == nil}} {
		if part.lacks {
			missing = append(missing, part.name)
		}
	}
	if len(missing) > 0 {
		return nil, fault.New(fault.MessageInvalid, "the error of a query lacks %s", strings.Join(missing, ", "))
	}
	of := &abi.Error{Code: *e.Code, Template: *e.Template, Parameters: make([]string, len(*e.Parameters))}
	for i, p := range *e.Parameters {
		of.Parameters[i] = plain(p)
	}
	of.Text = abi.Format(of.Template, of.Parameters)
	return of, nil
}

// plain is a value as a text: a string without its quotes.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil && len(raw) > 0 && raw[0] == '"' {
		return text
	}
	return string(raw)
}
