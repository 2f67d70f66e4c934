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
	Jobs       []Job
	Tickets    []Ticket
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
	Jobs       []Job
	Tickets    []Ticket
}

// Ticket is what a host function has put under way for the guest and not waited
// for. In the answer of deliver, which may then ask for nothing else, tickets say
// that the records are settled once all of that has ended well: the guest need not
// wait for it, and is handed the records behind them meanwhile. When some of it ends
// in another way, or takes too long, they are handed in again, and all that are behind
// them: with DeliverInput.Wait until a delivery of them was settled, and then as any
// others, so that whoever keeps books on records must not forget those that come
// without it. Elsewhere tickets say nothing.
type Ticket struct {
	Handle uint32 // of the session
	Number uint64 // as the host function answered it
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
	Kind         FaultKind // of the Error that a retry is for; 0: of none
	Hint         string    // what to do about it, for a person; empty: nobody knows
}

// Timer asks for an event of this name after a while, or takes it back.
type Timer struct {
	Name    string
	AfterMS uint64
	EveryMS uint64 // 0: once
	Clear   bool
}

// Job is work beside the steps, which the host hands to on_job on a guest of its
// own: the guest that asked is not held up, and learns of the end by an EventJob
// of this name.
type Job struct {
	Name      string
	Input     []byte
	TimeoutMS uint64 // 0: as long as the host allows
}

// JobAnswer is what a job answers, by the replies in the outcome of on_job: the
// body of the first one without a correlation, or nil.
func JobAnswer(replies []Reply) []byte {
	for i := range replies {
		if replies[i].Correlation == "" {
			return replies[i].Body
		}
	}
	return nil
}
