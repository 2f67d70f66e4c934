package tcp

import (
	"context"
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// queue holds events until they are acknowledged: at most a number of those with
// data, and of bytes of it. Whoever adds such waits for room; what happened to the
// session is added at once, and cannot become much: see down and gap.
type queue struct {
	ready chan struct{} // a token whenever there may be something to take
	room  chan struct{} // a token whenever there may be room again

	mu     sync.Mutex
	events []capability.Event
	taken  int               // of these, handed out and not acknowledged
	seen   int               // of these, handed out at least once
	gone   uint64            // acknowledged events
	gaps   map[string]uint64 // where the newest gap of a name is, counted from the first event of all
	data   int               // events with data
	size   int               // their bytes
	most   int               // bounds
	bytes  int
	wide   bool // the bounds are twice as large: see widen
}

func newQueue(most, bytes int) *queue {
	return &queue{ready: make(chan struct{}, 1), room: make(chan struct{}, 1), gaps: map[string]uint64{}, most: most, bytes: bytes}
}

// push adds data, waiting for room until ctx ends.
func (q *queue) push(ctx context.Context, e capability.Event) error {
	for !q.tryPush(e) {
		select {
		case <-q.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (q *queue) tryPush(e capability.Event) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	most, bytes := q.most, q.bytes
	if q.wide {
		most, bytes = 2*most, 2*bytes
	}
	if q.data >= most || q.data > 0 && q.size+len(e.Data) > bytes {
		return false
	}
	q.data++
	q.size += len(e.Data)
	q.add(e)
	return true
}

// widen makes room beyond the bounds while a guest waits for an answer: it takes no
// events in the meantime, and the answer may come behind them.
func (q *queue) widen(on bool) {
	q.mu.Lock()
	q.wide = on
	q.mu.Unlock()
	signal(q.room)
}

func (q *queue) add(e capability.Event) {
	q.events = append(q.events, e)
	signal(q.ready)
}

// last is the last event, if nobody has seen it yet.
func (q *queue) last() *capability.Event {
	if n := len(q.events); n > q.seen {
		return &q.events[n-1]
	}
	return nil
}

// down adds that the session has lost its peer. If it had come back just
// before, and nothing has happened since, it was away all the time.
func (q *queue) down(e capability.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if last := q.last(); last != nil && last.Type == abi.EventUp {
		*last = capability.Event{}
		q.events = q.events[:len(q.events)-1]
		return
	}
	q.add(e)
}

// up adds that the session works again.
func (q *queue) up(e capability.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(e)
}

// gap adds that data was dropped, unless the guest is going to be told so anyway:
// of each name there is one that it has not seen, wherever the others took turns.
func (q *queue) gap(e capability.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if at, ok := q.gaps[e.Name]; ok && at >= q.gone+uint64(q.seen) {
		return
	}
	q.gaps[e.Name] = q.gone + uint64(len(q.events))
	q.add(e)
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
		switch e := &q.events[i]; e.Type {
		case abi.EventData:
			q.data--
			q.size -= len(e.Data)
		case abi.EventGap:
			if q.gaps[e.Name] == q.gone {
				delete(q.gaps, e.Name)
			}
		default:
		}
		q.events[i] = capability.Event{} // let go of it
		q.gone++
	}
	q.events = q.events[n:]
	if len(q.events) == 0 {
		q.events = nil
	}
	q.taken -= n
	q.seen -= n
	if n > 0 {
		signal(q.room)
	}
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

func (q *queue) buffered() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.events)
}

func signal(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
