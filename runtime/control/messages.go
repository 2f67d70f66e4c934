package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// The bounds of what a caller may put around a message.
const (
	maxMethod         = 255
	maxContentType    = 255
	maxMessageHeaders = 32
	maxHeaderName     = 64
	maxHeaderValue    = 1024
)

// typeJSON is the content type of what names none.
const typeJSON = "application/json"

// MessageInput is a message as a caller gives it.
type MessageInput struct {
	Type   abi.MessageType
	Device string // "": the connector itself
	Method string // of an RPC or a command
	// ContentType of Body; "": application/json.
	ContentType string
	Body        []byte
	Metadata    []byte // the part of the protocol beside the body
	Headers     []abi.Header
	// ID is the caller's own id of an RPC, any JSON, and Parts the protocol's parts
	// that Body and Metadata were taken from, as a JSON list. The module finds both
	// among the headers, as "id" and "protocol_parts".
	ID, Parts json.RawMessage
	// OneWay asks for no reply: of an RPC or a command. A publish never has one.
	OneWay bool
	// DryRun asks what would be written, and writes nothing.
	DryRun bool
	// Wait is how long the replies may take, up to five minutes; 0: ten seconds.
	Wait time.Duration
}

// Shape is how a caller wants its replies shown, which control only carries.
type Shape struct {
	ID    json.RawMessage // of the RPC; nil: none
	Parts bool            // data and metadata as the protocol's parts
}

// The headers that hold what a message came with.
const (
	headerID    = "id"
	headerParts = "protocol_parts"
)

// Reply is one reply to a message.
type Reply struct {
	Status      abi.ReplyStatus
	Code        uint32 // as HTTP has it
	ContentType string
	Body        []byte
	Metadata    []byte
	Err         *abi.Error // when Status is ReplyError
	// Fault is the same for whoever has to answer with one: nil unless Err is there.
	Fault *fault.Fault
}

// Final reports whether no reply comes behind this one.
func (r *Reply) Final() bool { return r.Status != abi.ReplyPartial }

// Exchange is a message that was sent, and the replies to it. Next is called by
// one goroutine at a time, Close by anybody.
type Exchange struct {
	// Connector is the id of the connector that was asked, and Deadline the time
	// at which the host answers in its place.
	Connector string
	Deadline  time.Time
	// Replies reports whether a reply is wanted. Else one with the status empty
	// says that the message was handled.
	Replies bool

	question *exchange.Question
}

// Send checks a message and puts it into the mailbox of the connector, or of
// its device's lane. Whoever has the Exchange closes it.
//
// fault.MessageInvalid: the message has not the form of its type.
// fault.WrongState: the connector does not run. fault.Exhausted: too many
// questions are open, or too many messages wait.
func (t *Tenant) Send(ctx context.Context, connector string, in MessageInput) (*Exchange, error) {
	if err := t.may(ctx, identity.Devices, identity.Use); err != nil {
		return nil, err
	}
	var c spec.Connector
	err := t.space.View(ctx, func(r store.Reader) (err error) {
		c, err = find(r, connector)
		return err
	})
	if err != nil {
		return nil, err
	}
	e, err := t.send(ctx, &c, in)
	t.noteMessage(&c, &in, err)
	return e, err
}

func (t *Tenant) send(ctx context.Context, c *spec.Connector, in MessageInput) (*Exchange, error) {
	if in.Wait == 0 {
		in.Wait = supervisor.UsualWait
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(in.Wait)
	within, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	q, err := t.runtime.SendWith(within, c.ID, in.message(deadline, t.sender()), supervisor.Word{By: t.who, Person: t.person(), DryRun: in.DryRun})
	if err != nil {
		return nil, err
	}
	return &Exchange{Connector: c.ID, Deadline: q.Deadline(), Replies: q.Replies(), question: q}, nil
}

// message is what crosses.
func (in *MessageInput) message(deadline time.Time, sender string) abi.Message {
	m := abi.Message{
		Type: in.Type, Device: in.Device, Method: in.Method, ContentType: in.ContentType, Body: in.Body,
		Metadata: in.Metadata, Headers: in.Headers, Deadline: deadline.UnixNano(), Sender: sender,
	}
	if m.ContentType == "" && len(m.Body) > 0 {
		m.ContentType = typeJSON
	}
	for _, h := range []abi.Header{{Name: headerID, Value: in.ID}, {Name: headerParts, Value: in.Parts}} {
		if len(h.Value) > 0 {
			m.Headers = append(slices.Clip(m.Headers), h)
		}
	}
	if in.OneWay {
		m.Correlation = exchange.NoReply
	}
	return m
}

// sender says who asks, to the module and to whoever reads the trail.
func (t *Tenant) sender() string {
	id := t.who.ID
	if t.who.User != "" {
		return string(identity.ByUser) + ":" + t.who.User
	}
	return string(t.who.Kind) + ":" + id
}

// check sees to the form that a message of its type has.
func (in *MessageInput) check() error {
	var f findings
	if in.Wait < 0 || in.Wait > supervisor.LongestWait {
		f.wrong("/timeout", "is 1ms to %s", supervisor.LongestWait)
	}
	for _, text := range []struct {
		pointer, text string
		most          int
	}{{"/device", in.Device, spec.MaxDeviceID}, {"/method", in.Method, maxMethod}, {"/content_type", in.ContentType, maxContentType}} {
		if len(text.text) > text.most {
			f.wrong(text.pointer, "has at most %d bytes", text.most)
		}
	}
	if len(in.Headers) > maxMessageHeaders {
		f.wrong("/headers", "are at most %d", maxMessageHeaders)
	}
	for i := range in.Headers {
		if h := in.Headers[i].Name; h == headerID || h == headerParts {
			f.wrong("/headers", "cannot have the name %s", h)
		}
		if len(in.Headers[i].Name) > maxHeaderName || len(in.Headers[i].Value) > maxHeaderValue {
			f.wrong("/headers", "have names of at most %d bytes and values of at most %d", maxHeaderName, maxHeaderValue)
			break
		}
	}
	in.checkBody(&f)
	if len(f.bad) == 0 {
		return nil
	}
	return fault.New(fault.MessageInvalid, "message: %s", summary(f.bad)).WithFields(f.bad...).
		WithHint("Correct what is named and send the message again.")
}

func (in *MessageInput) checkBody(f *findings) {
	isJSON := abi.IsJSON(in.ContentType)
	if isJSON && len(in.Body) > 0 && !json.Valid(in.Body) {
		f.wrong("/data", "is no JSON")
		return
	}
	switch in.Type {
	case abi.MessageQuery:
		if isJSON && len(in.Body) > 0 && firstOf(in.Body) != '{' {
			f.wrong("/data", "of a query is a JSON object")
		}
	case abi.MessageAttributes:
		if !isJSON || !hasMembers(in.Body) {
			f.wrong("/data", "is a JSON object of attributes, with at least one")
		}
	case abi.MessageRPC:
		if in.Method == "" {
			f.wrong("/method", "is required")
		}
	case abi.MessagePublish:
		if in.OneWay {
			return // it always is
		}
	case abi.MessageCommand:
	default:
		f.wrong("/type", "is unknown")
	}
	if in.OneWay && in.Type != abi.MessageRPC && in.Type != abi.MessageCommand {
		f.wrong("/one_way", "is for RPCs and commands")
	}
}

func firstOf(text []byte) byte {
	for _, c := range text {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
	}
	return 0
}

// hasMembers reports whether a text is a JSON object with at least one member.
func hasMembers(text []byte) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(text, &object) == nil && len(object) > 0
}

// noteMessage puts a message that may change something into the audit trail.
// What it said stays out of it: that may be a secret.
func (t *Tenant) noteMessage(c *spec.Connector, in *MessageInput, err error) {
	if in.Type == abi.MessageQuery {
		return
	}
	e := identity.Event{
		Who: t.who, Action: identity.MessageSend, Connector: c.ID, Name: c.Name,
		On: strings.TrimSpace(typeName(in.Type) + " " + in.Device), Outcome: identity.Done, Detail: in.Method,
	}
	if err != nil {
		f := fault.Of(err)
		e.Outcome, e.Code = identity.Refused, f.Kind.String()
	}
	t.cfg.Audit.Note(t.id, e)
}

// MessageTypes are the names of the types of messages, by which callers know
// them.
func MessageTypes() []string { return []string{"publish", "query", "rpc", "command", "attributes"} }

// MessageTypeOf is the type with a name.
func MessageTypeOf(name string) (abi.MessageType, error) {
	for i, known := range MessageTypes() {
		if name == known {
			return abi.MessageType(i), nil
		}
	}
	return 0, fault.New(fault.Invalid, "%.40q is no type of message: they are %s", name, strings.Join(MessageTypes(), ", "))
}

func typeName(m abi.MessageType) string {
	if names := MessageTypes(); int(m) < len(names) {
		return names[m]
	}
	return "unknown"
}

// Next waits for the next reply; behind the last one it is io.EOF. The end by
// the deadline or by a fault is a last reply, too. The error is that of ctx.
func (e *Exchange) Next(ctx context.Context) (Reply, error) {
	r, err := e.question.Next(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return Reply{}, io.EOF
	case err != nil:
		return Reply{}, fault.Of(err)
	}
	out := Reply{Status: r.Status, Code: r.Code, ContentType: r.ContentType, Body: r.Body, Metadata: r.Metadata, Err: r.Err}
	if out.ContentType == "" && len(out.Body) > 0 {
		out.ContentType = typeJSON
	}
	if r.Status == abi.ReplyError {
		if out.Err == nil {
			out.Err = &abi.Error{}
		}
		out.Fault = replyFault(out.Err, r.Code)
	}
	return out, nil
}

// Close gives the question up: what comes from now on is late. It may be called
// at any time, and more than once.
func (e *Exchange) Close() { e.question.Close() }

// replyFault is an error reply as a fault. What the host said has its kind's code
// and status; a module may say anything, but nothing that is about the caller's
// own credential or request.
func replyFault(e *abi.Error, code uint32) *fault.Fault {
	text := e.Text
	if text == "" {
		text = abi.Format(e.Template, e.Parameters)
	}
	kind := kindSaid(e)
	for _, k := range fault.Kinds() {
		if info := k.Info(); info.Code == e.Code && uint32(info.Status) == code && aboutTheOtherSide(k) {
			kind = k
		}
	}
	f := fault.New(kind, "%s", text)
	f.Hint = e.Hint
	if e.RetryAfterMS > 0 {
		f.RetryAfter = time.Duration(min(e.RetryAfterMS, uint64(supervisor.LongestWait.Milliseconds()))) * time.Millisecond //nolint:gosec // bounded
	}
	return f
}

// aboutTheOtherSide reports whether a fault is one that the host answers for a
// connector.
func aboutTheOtherSide(k fault.Kind) bool {
	switch k {
	case fault.Timeout, fault.DeviceUnknown, fault.Unsupported, fault.MessageInvalid, fault.SlowReader, fault.ShuttingDown,
		fault.Guest, fault.GuestTrap, fault.GuestDeadline, fault.GuestMemory, fault.GuestStack, fault.GuestTable, fault.GuestOutput,
		fault.HostCallLimit, fault.HostBytesLimit, fault.WrongState, fault.SessionClosed, fault.TooLarge, fault.Exhausted,
		fault.Interlocked, fault.CallCycle, fault.NotConnected, fault.TenantMemory, fault.TenantCPU:
		return true
	default:
		return false
	}
}

// kindSaid takes a module at its word about what the caller did wrong, which is
// no failure of the module's; see asSaid.
func kindSaid(e *abi.Error) fault.Kind {
	switch e.Kind {
	case abi.FaultInvalid:
		return fault.Invalid
	case abi.FaultUnsupported:
		return fault.Unsupported
	case abi.FaultNotFound:
		return fault.NotFound
	case abi.FaultConflict:
		return fault.WrongState
	case abi.FaultTimeout:
		return fault.Timeout
	default:
		return fault.Guest
	}
}
