package abi

// EventType says what happened.
type EventType uint32

// The types of events. A guest ignores one that it does not know.
const (
	EventData    EventType = iota // bytes from a session, one frame each
	EventUp                       // a session works again
	EventDown                     // a session lost its resource; Err says why
	EventGap                      // a session had to drop data; Name says why
	EventTimer                    // Name is the timer's
	EventMessage                  // run mode
	EventStop                     // run mode: return soon
)

// Event is one thing that the host tells a guest.
type Event struct {
	Type    EventType
	Handle  uint32 // the session, where one is meant
	Time    int64  // when the host saw it, unix ns
	Data    []byte
	Name    string
	Err     *Error
	Message *Message
}

// Events is a batch of them. It may be decoded into again and again.
type Events struct {
	Events []Event
}

// OpenInput is handed to open.
type OpenInput struct {
	Connector string
	Config    []byte // JSON
	Reason    string // a Reason constant
	ABIMinor  uint32
	Groups    []string
	Cursor    []byte // nil: none yet
}

// The reasons for opening and closing a guest.
const (
	ReasonStart   = "start"
	ReasonRestart = "restart"
	ReasonSwap    = "swap"
	ReasonTest    = "test"
	ReasonStop    = "stop"
	ReasonFailed  = "failed"
)

// CloseInput is handed to close.
type CloseInput struct {
	Reason string
}

// PollInput is handed to poll.
type PollInput struct {
	Cursor []byte // nil: none yet
}

// TestResult is the answer of test.
type TestResult struct {
	Success bool
	Message string
	Details []Header
}
