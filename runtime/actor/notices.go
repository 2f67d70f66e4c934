package actor

import (
	"context"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxNotices bounds the notices that wait for one lane's guest.
const maxNotices = abi.MaxItems

// Notify hands an event of the host's own to whichever guest runs, or runs next,
// after those that wait already: what upstream says of a device, how a job ended.
// It reaches the guest as an event of a source does, again and again until the
// guest has settled it, for as long as the actor lives. A guest that takes no
// events is not troubled. False: too many wait.
func (a *Actor) Notify(e abi.Event) bool {
	n := capability.Event{Type: e.Type, Time: e.Time, Data: e.Data, Name: e.Name}
	if n.Time == 0 {
		n.Time = time.Now().UnixNano()
	}
	if e.Err != nil {
		n.Err = fault.FromABI(e.Err)
	}
	return a.env.notices.add(n, a.env.sessions.wake)
}

// notices is a source that belongs to the host: it keeps what no guest has
// settled, whichever guest runs.
type notices struct {
	common *pot // of the bytes that wait for the connector's lanes

	mu     sync.Mutex
	closed bool
	events []capability.Event
	taken  int
}

var _ capability.Source = (*notices)(nil)

func (n *notices) add(e capability.Event, wake chan<- struct{}) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.events) >= maxNotices || n.closed || !n.common.take(len(e.Data)) {
		return false
	}
	n.events = append(n.events, e)
	select {
	case wake <- struct{}{}:
	default:
	}
	return true
}

// Ready implements capability.Source: the actor's own wake says it.
func (*notices) Ready() <-chan struct{} { return nil }

// Take implements capability.Source.
func (n *notices) Take(dst []capability.Event, items, bytes int) []capability.Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	for ; items > 0 && bytes > 0 && n.taken < len(n.events); n.taken++ {
		e := n.events[n.taken]
		dst = append(dst, e)
		items, bytes = items-1, bytes-len(e.Data)
	}
	return dst
}

// Ack implements capability.Source.
func (n *notices) Ack(count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settled(n.events[:count])
	rest := copy(n.events, n.events[count:])
	clear(n.events[rest:])
	n.events, n.taken = n.events[:rest], n.taken-count
}

func (n *notices) settled(events []capability.Event) {
	for i := range events {
		n.common.give(len(events[i].Data))
	}
}

// close forgets what waits, with the actor.
func (n *notices) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settled(n.events)
	n.events, n.taken, n.closed = nil, 0, true
}

// Rewind implements capability.Source.
func (n *notices) Rewind() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.taken = 0
}

// Replayable implements capability.Source: a notice is no data of a device, so
// that none is a gap. What it tells of a device is kept elsewhere; the end of a
// job is not, and is lost with the server, as the contract says.
func (*notices) Replayable() bool { return true }

// Call implements capability.Session; there is nothing to call.
func (*notices) Call(context.Context, string, []byte, []byte) ([]byte, error) {
	return nil, fault.New(fault.Unsupported, "no host function")
}

// Close implements capability.Session.
func (*notices) Close(context.Context) error { return nil }

// unheard reports whether a step failed only because the guest takes no events,
// and nothing was handed to it but notices.
func (b *inbox) unheard(cause error) bool {
	if !fault.Is(cause, fault.Unsupported) && fault.Of(cause).Said != abi.FaultUnsupported || len(b.batch) == 0 {
		return false
	}
	for _, in := range b.batch {
		if b.intakes[in.intake].session != nil {
			return false
		}
	}
	return true
}
