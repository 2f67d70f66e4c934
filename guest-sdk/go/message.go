package snaprail

import (
	"errors"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// The handlers of messages that travel south. A message is the host's until the
// handler returns: take a Clone of one that is to be answered later. A reply may
// come in any later step, as long as the message's deadline has not passed; what
// has none by then the host answers with a timeout. A handler that returns an error
// of NewError answers its message with it; any other error is a failure of the
// guest, and answers it too. Nothing of what the handler asked for is done then.

// PublishHandler is called with a message that nobody waits for an answer to.
type PublishHandler interface {
	OnPublish(m *abi.Message, step *Step) error
}

// QueryHandler is called with a query, whose answer is an object, a list of
// objects, several of them one after the other (Partial), or nothing (Empty).
type QueryHandler interface {
	OnQuery(m *abi.Message, step *Step) error
}

// RPCHandler is called with a remote procedure call: a method and its parameters
// for a device. Without a correlation it is one-way.
type RPCHandler interface {
	OnRPC(m *abi.Message, step *Step) error
}

// CommandHandler is called with a command, which has metadata beside its data
// and is answered with both: see Step.Respond.
type CommandHandler interface {
	OnCommand(m *abi.Message, step *Step) error
}

// AttributesHandler is called when attributes of a device are to be set.
type AttributesHandler interface {
	OnAttributes(m *abi.Message, step *Step) error
}

// Encoder turns messages into those that the connector understands (kind
// converter): the way south of what a Converter does on the way north.
type Encoder interface {
	Encode(messages []abi.Message, out *Messages) error
}

// JobHandler does work that takes longer than a step may (see Step.Spawn). It
// runs on a guest of its own, which was opened with abi.ReasonJob and shares
// nothing with the others but what is kept outside, and its answer reaches the
// connector as an abi.EventJob. A job does not outlive the server: see Step.Spawn.
type JobHandler interface {
	OnJob(job *abi.Job, step *Step) ([]byte, error)
}

// Deployer sets something up for a device, and takes it down again: a topic, a
// table, an account. What it answers is JSON, or nil, and is kept with the
// deployment.
type Deployer interface {
	Deploy(in *abi.DeployInput) ([]byte, error)
	TearDown(in *abi.DeployInput) ([]byte, error)
}

// messageHandler is the handler of a value for messages of a type, or nil.
func messageHandler(handler any, t abi.MessageType) func(*abi.Message, *Step) error {
	switch t {
	case abi.MessagePublish:
		if h, ok := handler.(PublishHandler); ok {
			return h.OnPublish
		}
	case abi.MessageQuery:
		if h, ok := handler.(QueryHandler); ok {
			return h.OnQuery
		}
	case abi.MessageRPC:
		if h, ok := handler.(RPCHandler); ok {
			return h.OnRPC
		}
	case abi.MessageCommand:
		if h, ok := handler.(CommandHandler); ok {
			return h.OnCommand
		}
	case abi.MessageAttributes:
		if h, ok := handler.(AttributesHandler); ok {
			return h.OnAttributes
		}
	}
	return nil
}

// southbound holds the handlers of messages, looked up once.
type southbound struct {
	handlers [abi.MessageAttributes + 1]func(*abi.Message, *Step) error
	encoder  Encoder
	worker   JobHandler
	deployer Deployer

	message  abi.Message
	messages abi.Messages
	encoded  Messages
	job      abi.Job
}

func (s *southbound) lookUp(handler any) {
	for t := range s.handlers {
		s.handlers[t] = messageHandler(handler, abi.MessageType(t))
	}
	s.encoder, _ = handler.(Encoder)
	s.worker, _ = handler.(JobHandler)
	s.deployer, _ = handler.(Deployer)
}

// messageEntries are the entry points of messages, by type.
var messageEntries = [...]string{
	abi.MessagePublish:    abi.EntryOnPublish,
	abi.MessageQuery:      abi.EntryOnQuery,
	abi.MessageRPC:        abi.EntryOnRPC,
	abi.MessageCommand:    abi.EntryOnCommand,
	abi.MessageAttributes: abi.EntryOnAttributes,
}

func (g *Guest) onMessage(entry string, input []byte) error {
	t := slices.Index(messageEntries[:], entry)
	handle := g.south.handlers[t]
	if handle == nil {
		return unsupported(entry)
	}
	m := &g.south.message
	if err := m.Decode(input); err != nil {
		return unreadable(entry, err)
	}
	g.step.device = m.Device
	before := g.step.mark()
	err := handle(m, &g.step)
	if err == nil || m.Correlation == "" {
		return err
	}
	fault := asFault(err)
	if fault.Template == "" {
		return err
	}
	g.step.rollBack(before)
	g.step.refuse(m, fault)
	return nil
}

func (g *Guest) onEncode(input, reply []byte) ([]byte, error) {
	s := &g.south
	if s.encoder == nil {
		return nil, unsupported(abi.EntryEncode)
	}
	if err := s.messages.Decode(input); err != nil {
		return nil, unreadable(abi.EntryEncode, err)
	}
	s.encoded.reset()
	if err := s.encoder.Encode(s.messages.Messages, &s.encoded); err != nil {
		return nil, err
	}
	return s.encoded.out.Append(reply), nil
}

func (g *Guest) onJob(input []byte) error {
	s := &g.south
	if s.worker == nil {
		return unsupported(abi.EntryOnJob)
	}
	if err := s.job.Decode(input); err != nil {
		return unreadable(abi.EntryOnJob, err)
	}
	answer, err := s.worker.OnJob(&s.job, &g.step)
	if err != nil {
		return err
	}
	out := &g.step.out
	out.Replies = slices.Insert(out.Replies, 0, abi.Reply{Body: answer})
	return nil
}

// deliver hands a message, which is this input, to its handler. What a handler
// that fails has asked for is taken back, and its error is the answer.
func deliver(handler any, input int, m *abi.Message, step *Step) {
	before := step.mark()
	step.device, step.input = m.Device, input
	handle := messageHandler(handler, m.Type)
	err := unsupported(abi.EntryFor(m.Type))
	if handle != nil {
		err = handle(m, step)
	}
	step.device, step.input = "", 0
	if err == nil {
		return
	}
	step.rollBack(before)
	if m.Correlation != "" {
		step.refuse(m, asFault(err))
	}
}

// refuse answers a message with an error, which has a code and a template then.
func (s *Step) refuse(m *abi.Message, fault *abi.Error) {
	said := *fault
	if said.Code == "" {
		said.Code = "guest_error" // as the host calls it
	}
	if said.Template == "" {
		said.Template, said.Parameters = said.Text, nil
	}
	s.Reply(abi.Reply{Correlation: m.Correlation, Status: abi.ReplyError, Err: &said})
}

// ConnectorError is what the SDK answers when it is misused, and what a handler
// returns to say more than a text: with a code, and with a template and its
// parameters for what is shown in several languages.
type ConnectorError = abi.Error

// misuse is the error of a call that breaks the rules of a conversation.
func misuse(code, text, hint string) error {
	return &ConnectorError{Kind: abi.FaultInvalid, Code: code, Text: text, Hint: hint}
}

// NewError is an error to answer a message with: a code in snake_case, and a
// template whose {0}, {1} and so on stand for the parameters.
func NewError(code, template string, parameters ...string) error {
	return &ConnectorError{
		Kind: abi.FaultUnknown, Code: code, Text: abi.Format(template, parameters),
		Template: template, Parameters: parameters,
	}
}

// IsError reports whether err is or wraps an error with this code, or with this
// finer one, of the host or of the SDK.
func IsError(err error, code string) bool {
	fault, ok := errors.AsType[*abi.Error](err)
	return ok && (fault.Code == code || fault.Finer == code)
}
