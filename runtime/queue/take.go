package queue

import (
	"github.com/snaprail/snaprail/runtime/capability"
)

// Take is capability.Source's Take.
func (q *Queue[T]) Take(dst []capability.Event, items, bytes int) []capability.Event {
	return q.TakeWhile(dst, items, bytes, nil)
}

// TakeWhile is Take, which ends before the first event but one that fits says no to.
// fits is asked for each event in turn, and must not use the queue.
func (q *Queue[T]) TakeWhile(dst []capability.Event, items, bytes int, fits func(T) bool) []capability.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	for first := true; q.taken < q.count && items > 0; first = false {
		e := q.at(q.taken)
		if ok := fits == nil || fits(e.value); !first && (!ok || len(e.event.Data) > bytes) {
			break
		}
		dst = append(dst, e.event)
		q.taken++
		items--
		bytes -= len(e.event.Data)
	}
	q.seen = max(q.seen, q.taken)
	if q.taken < q.count {
		capability.Signal(q.ready)
	}
	return dst
}

// Ack is capability.Source's Ack.
func (q *Queue[T]) Ack(n int) { q.AckEach(n, nil) }

// AckEach is Ack, and hands each, in order, the values of the events that carry
// something. It must not use the queue.
func (q *Queue[T]) AckEach(n int, each func(T)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = max(0, min(n, q.taken))
	for i := range n {
		e := q.at(i)
		if e.kept && each != nil {
			each(e.value)
		}
		q.forget(e)
	}
	if n == 0 {
		return
	}
	q.head = (q.head + n) % len(q.ring)
	q.count -= n
	q.taken -= n
	q.seen -= n
	q.settle()
}

// Rewind is capability.Source's Rewind.
func (q *Queue[T]) Rewind() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = 0
	if q.count > 0 {
		capability.Signal(q.ready)
	}
}

// Drop removes the events that carry something, were not taken, and are gone: those
// that are another reader's by now. gone must not use the queue.
func (q *Queue[T]) Drop(gone func(T) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	to, seen := q.taken, q.seen
	for i := q.taken; i < q.count; i++ {
		e := q.at(i)
		if e.kept && gone(e.value) {
			if i < seen {
				q.seen--
			}
			q.forget(e)
			continue
		}
		if to != i {
			*q.at(to), *e = *e, entry[T]{}
		}
		to++
	}
	q.count = to
	q.settle()
}

// idle is how many entries an empty queue keeps room for. A burst may need more: it
// pays for them, and nobody keeps them beyond it.
const idle = 256

// settle follows what was removed.
func (q *Queue[T]) settle() {
	if q.count == 0 && len(q.ring) > idle {
		q.ring, q.head = nil, 0
	}
	q.share.Leave(q.taking())
	capability.Signal(q.room)
}

// forget lets go of an event.
func (q *Queue[T]) forget(e *entry[T]) {
	if e.kept {
		q.kept--
		q.bytes -= len(e.event.Data)
	} else if number, ok := q.gaps[e.event.Name]; ok && number == e.number {
		delete(q.gaps, e.event.Name)
	}
	*e = entry[T]{}
}

// at is the entry i places after the oldest.
func (q *Queue[T]) at(i int) *entry[T] {
	if i += q.head; i >= len(q.ring) {
		i -= len(q.ring)
	}
	return &q.ring[i]
}

// add adds an entry, and answers its number.
func (q *Queue[T]) add(e entry[T]) uint64 {
	if q.count == len(q.ring) {
		grown := make([]entry[T], max(16, 2*len(q.ring)))
		for i := range q.count {
			grown[i] = *q.at(i)
		}
		q.ring, q.head = grown, 0
	}
	q.added++
	e.number = q.added
	q.count++
	*q.at(q.count - 1) = e
	capability.Signal(q.ready)
	return e.number
}
