package hooks

import (
	"crypto/sha256"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// ticket is one request that waits for its answer. The lock of its desk guards it.
type ticket struct {
	id      uint64
	method  string
	path    string
	pattern string
	key     string // its name; empty: none
	sum     [sha256.Size]byte
	seal    seal          // to know it again by; zero: not
	valid   time.Duration // how long the seal lets in
	name    *name         // in the window
	data    []byte        // what the guest is handed
	time    int64

	waiters int            // callers that wait
	taken   bool           // the guest was handed it
	deaths  int            // guests that were handed it and did not come back
	settled bool           // its step is durable
	reply   *abi.HookReply // what the guest said, in a step that is not durable yet
	answer  answer         // before done is closed
	done    chan struct{}
}

// answer is what a caller is told.
type answer struct {
	reply abi.HookReply
	fault *fault.Fault // nil: reply
}

func (a *answer) size() int64 {
	n := len(a.reply.Body)
	for _, h := range a.reply.Headers {
		n += len(h.Name) + len(h.Value)
	}
	if a.fault != nil {
		n += len(a.fault.Text)
	}
	return int64(n)
}

// end answers all who wait.
func (t *ticket) end(a answer) {
	t.answer = a
	close(t.done)
}

// overhead is what a request costs beside its data, in bytes.
const overhead = 1 << 10

func (t *ticket) size() int64 { return int64(len(t.data)) + overhead }

// unavailable says that a connector takes nothing now.
func unavailable(format string, args ...any) *fault.Fault {
	return fault.New(fault.HookUnavailable, format, args...).WithRetryAfter(retrySoon)
}
