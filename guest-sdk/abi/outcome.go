package abi

// Outcome is what one step of a guest asks for, built by the guest. The host
// reads it as an OutcomeView.
type Outcome struct {
	Batch    Batch
	Verdicts []Verdict // one for each input that is not simply ok
	// Cursor is where the source stands after this step; nil: unchanged.
	Cursor     []byte
	Timers     []Timer
	Devices    []DeviceChange
	Replies    []Reply
	NextPollMS uint64 // poll mode; 0: the connector's interval
}

// OutcomeView is an encoded Outcome as the host reads it: the batch stays
// encoded, because the host passes it on and never parses payloads.
type OutcomeView struct {
	Batch      []byte // an encoded Batch, or nil
	Verdicts   []Verdict
	Cursor     []byte // nil: unchanged
	Timers     []Timer
	Devices    []DeviceChange
	Replies    []Reply
	NextPollMS uint64
}

// Decision is what a guest says of one input.
type Decision uint32

// The decisions.
const (
	DecisionOK     Decision = iota
	DecisionSkip            // not wanted; counted
	DecisionReject          // cannot be handled; kept in quarantine
	DecisionRetry           // hand it in again
)

// Verdict is a decision on the input with this index.
type Verdict struct {
	Input        uint32
	Decision     Decision
	Reason       string
	RetryAfterMS uint64
}

// Timer asks for an event of this name after a while, or takes it back.
type Timer struct {
	Name    string
	AfterMS uint64
	EveryMS uint64 // 0: once
	Clear   bool
}

// Change says what happens to a device.
type Change uint32

// The changes of a device.
const (
	ChangePut    Change = iota // add, or replace what is known
	ChangeRemove               // forget it
)

// DeviceChange adds, updates or removes a device of the connector.
type DeviceChange struct {
	Change Change
	ID     string
	Type   string
	Name   string
}
