package abi

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
}
