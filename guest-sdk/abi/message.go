package abi

import (
	"bytes"
	"slices"
)

// MessageType says what a message asks for.
type MessageType uint32

// The types of messages.
const (
	MessagePublish MessageType = iota
	MessageQuery
	MessageRPC
	MessageCommand
	MessageAttributes
)

// Message travels south, to a device or a connector.
type Message struct {
	Type        MessageType
	Correlation string // empty: no reply is expected
	Device      string
	Method      string
	ContentType string
	Body        []byte
	Deadline    int64 // unix ns; 0: none
	Headers     []Header
	Metadata    []byte   // the part of the protocol beside the body
	Sender      string   // who asks: user:..., token:..., connector:...
	Via         []string // the connectors that a call between connectors came through
}

// Clone is a copy that shares no memory with m, to be kept beyond the call that
// brought it.
func (m *Message) Clone() *Message {
	clone := *m
	clone.Body, clone.Metadata, clone.Via = bytes.Clone(m.Body), bytes.Clone(m.Metadata), slices.Clone(m.Via)
	clone.Headers = slices.Clone(m.Headers)
	for i := range clone.Headers {
		clone.Headers[i].Value = bytes.Clone(clone.Headers[i].Value)
	}
	return &clone
}

// Messages is handed to encode, and is its answer. One message in gives any
// number of messages, each with the correlation of the one it was made of; a
// verdict is on the message in with its index.
type Messages struct {
	Messages []Message
	Verdicts []Verdict
}

// ReplyStatus says how a message was answered.
type ReplyStatus uint32

// The statuses of a reply.
const (
	ReplyComplete ReplyStatus = iota
	ReplyPartial
	ReplyEmpty
	ReplyError
)

// Reply answers the message with the same correlation.
type Reply struct {
	Correlation string
	Status      ReplyStatus
	ContentType string
	Body        []byte
	Err         *Error // with ReplyError
	Code        uint32 // as HTTP has it; 0: by status (see ReplyStatus.Code)
	Metadata    []byte // the part of the protocol beside the body
}

// The codes of replies that are no errors.
const (
	CodeComplete = 200
	CodeEmpty    = 204
	CodePartial  = 206
)

// Code is what the status says when a reply names no code. An error's is its
// kind's, which the host knows: 0 here.
func (s ReplyStatus) Code() uint32 {
	switch s {
	case ReplyComplete:
		return CodeComplete
	case ReplyPartial:
		return CodePartial
	case ReplyEmpty:
		return CodeEmpty
	default:
		return 0
	}
}
