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
	EventJob                      // a job ended: Name is its, and Data its answer, or Err says why not
	EventDevice                   // upstream's word on a change: Name is the device, Data is JSON, or Err
)

// LastEvent is the last type of event that this version knows.
const LastEvent = EventDevice

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
	// Lane is the device or the endpoint that this guest serves, as the manifest's
	// lanes say; empty when it serves all of the connector's.
	Lane     string
	Devices  []Device // of the lane, no more than MaxDevices
	Revision uint64   // of the config
	Set      string   // the connector set, empty if it is in none
}

// The reasons for opening and closing a guest.
const (
	ReasonStart   = "start"
	ReasonRestart = "restart"
	ReasonSwap    = "swap"
	ReasonTest    = "test"
	ReasonStop    = "stop"
	ReasonFailed  = "failed"

	ReasonReconnect     = "reconnect"      // the connection to the other side is made anew
	ReasonConfigChanged = "config_changed" // there is a new revision of the config
	ReasonLost          = "lost"           // the connection broke
	ReasonRequested     = "requested"      // somebody asked for it
	ReasonDeploy        = "deploy"         // a guest of its own, for deploy or tear_down
	ReasonJob           = "job"            // a guest of its own, for on_job
)

// CloseInput is handed to close.
type CloseInput struct {
	Reason string
}

// PollInput is handed to poll.
type PollInput struct {
	Cursor []byte // nil: none yet
	Device string // whose turn it is, where one guest polls several; empty: all
}

// TestResult is the answer of test.
type TestResult struct {
	Success bool
	Message string
	Details []Header
}
