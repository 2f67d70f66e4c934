package opcua

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
	values []int             // of each event
	taken  int               // of these, handed out and not acknowledged
	seen   int               // of these, handed out at least once
	gone   uint64            // acknowledged events
	gaps   map[string]uint64 // where the newest gap of a name is, counted from the first event of all
	data   int               // events with data
	size   int               // their bytes
	most   int               // bounds
	bytes  int
}

func newQueue(most, bytes int) *queue {
	return &queue{ready: make(chan struct{}, 1), room: make(chan struct{}, 1), gaps: map[string]uint64{}, most: most, bytes: bytes}
}

// push adds data that has so many values, waiting for room until ctx ends.
func (q *queue) push(ctx context.Context, e capability.Event, values int) error {
	for !q.tryPush(e, values) {
		select {
		case <-q.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (q *queue) tryPush(e capability.Event, values int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.data >= q.most || q.data > 0 && q.size+len(e.Data) > q.bytes {
		return false
	}
	q.data++
	q.size += len(e.Data)
	q.add(e, values)
	return true
}

func (q *queue) add(e capability.Event, values int) {
	q.events, q.values = append(q.events, e), append(q.values, values)
	signal(q.ready)
}

// last is the last event, if nobody has seen it yet.
func (q *queue) last() *capability.Event {
	if n := len(q.events); n > q.seen {
		return &q.events[n-1]
	}
	return nil
}

// down adds that the session has lost its server. If it had come back just
// before, and nothing has happened since, it was away all the time.
func (q *queue) down(e capability.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if last := q.last(); last != nil && last.Type == abi.EventUp {
		*last = capability.Event{}
		q.events, q.values = q.events[:len(q.events)-1], q.values[:len(q.values)-1]
		return
	}
	q.add(e, 0)
}

// up adds that the session works again.
func (q *queue) up(e capability.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(e, 0)
}

// mostGaps bounds the gaps that are told apart: a server names the items.
const mostGaps = 256

// gapOthers stands for those beyond.
const gapOthers = "the server dropped values of other items, too"

// gap adds that data was dropped, unless the guest is going to be told so anyway:
// of each name there is one that it has not seen, wherever the others took turns.
func (q *queue) gap(e capability.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.gaps[e.Name]; !ok && len(q.gaps) >= mostGaps {
		e.Name = gapOthers
	}
	if at, ok := q.gaps[e.Name]; ok && at >= q.gone+uint64(q.seen) {
		return
	}
	q.gaps[e.Name] = q.gone + uint64(len(q.events))
	q.add(e, 0)
}

// take is capability.Source's Take. It hands out no more values at once than a
// guest can give back as points in one step.
func (q *queue) take(dst []capability.Event, items, bytes int) []capability.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	values := abi.MaxBatchPoints
	for first := true; q.taken < len(q.events) && items > 0; first = false {
		e := q.events[q.taken]
		if values -= q.values[q.taken]; !first && (len(e.Data) > bytes || values < 0) {
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
	q.events, q.values = q.events[n:], q.values[n:]
	if len(q.events) == 0 {
		q.events, q.values = nil, nil
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
