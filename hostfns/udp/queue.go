package udp

import (
	"bytes"
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// queue holds events until they are acknowledged. What comes when it is full is
// dropped: nobody can hold a sender of datagrams up.
type queue struct {
	ready chan struct{} // a token whenever there may be something to take

	mu      sync.Mutex
	events  []capability.Event
	taken   int // of these, handed out and not acknowledged
	seen    int // of these, handed out at least once
	size    int // their bytes
	most    int // bounds
	bytes   int
	dropped map[string]uint64 // datagrams, by the names of their gaps
}

// push adds a copy of a datagram, if there is room.
func (q *queue) push(datagram []byte, now int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.events) >= q.most || len(q.events) > 0 && q.size+len(datagram) > q.bytes {
		q.drop(1, capability.Event{Type: abi.EventGap, Time: now, Name: gapOverflow})
		return
	}
	q.add(capability.Event{Type: abi.EventData, Time: now, Data: bytes.Clone(datagram)})
}

// missed counts and tells what the system dropped before it could be read.
func (q *queue) missed(n uint64, gap capability.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drop(n, gap)
}

// lose counts and tells something that was dropped.
func (q *queue) lose(e capability.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drop(1, e)
}

// drop counts datagrams and adds a gap, unless the guest is going to be told so
// anyway.
func (q *queue) drop(n uint64, gap capability.Event) {
	if q.dropped == nil {
		q.dropped = map[string]uint64{}
	}
	q.dropped[gap.Name] += n
	if n := len(q.events); n > q.seen {
		if last := q.events[n-1]; last.Type == abi.EventGap && last.Name == gap.Name {
			return
		}
	}
	if len(q.events) < 2*q.most { // kinds of gaps may take turns
		q.add(gap)
	}
}

func (q *queue) add(e capability.Event) {
	q.events = append(q.events, e)
	q.size += len(e.Data)
	signal(q.ready)
}

// take is capability.Source's Take.
func (q *queue) take(dst []capability.Event, items, bytes int) []capability.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	for first := true; q.taken < len(q.events) && items > 0; first = false {
		e := q.events[q.taken]
		if len(e.Data) > bytes && !first {
			break
		}
		dst = append(dst, e)
		q.taken++
		items--
		bytes -= len(e.Data)
	}
	q.seen = max(q.seen, q.taken)
	if q.taken < len(q.events) {
		signal(q.ready)
	}
	return dst
}

// ack is capability.Source's Ack.
func (q *queue) ack(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = max(0, min(n, q.taken))
	for i := range n {
		q.size -= len(q.events[i].Data)
		q.events[i] = capability.Event{} // let go of it
	}
	q.events = q.events[n:]
	if len(q.events) == 0 {
		q.events = nil
	}
	q.taken -= n
	q.seen -= n
}

// rewind is capability.Source's Rewind.
func (q *queue) rewind() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = 0
	if len(q.events) > 0 {
		signal(q.ready)
	}
}

// counts is how much was dropped, also by reason, and what is buffered.
func (q *queue) counts() (dropped uint64, by map[string]uint64, buffered int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for why, n := range q.dropped {
		if by == nil {
			by = map[string]uint64{}
		}
		by["dropped_"+why] = n
		dropped += n
	}
	return dropped, by, len(q.events)
}

func signal(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
