// Package queue holds the events of a session until they are acknowledged: it is what
// a capability.Source takes them from. The groups under hostfns import it.
//
// Its invariant: a queue is bounded. Events that carry something (Put) are bounded in
// number and bytes, and what they take of memory is drawn on the tenant's purse; what
// is said of the session beside them (Note, Gap) is told once until the guest has seen
// it. Nothing that is in a queue is ever dropped to make room.
package queue

import (
	"context"
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// Overhead is what an event costs beside its data, in bytes, as it is drawn on the
// purse.
const Overhead = 256

// Config is what a queue is made of.
type Config struct {
	// Events and Bytes bound the events that carry something, and their data. One of
	// them has room whatever its size.
	Events int
	Bytes  int
	// Purse is the tenant's; nil: there is no other bound.
	Purse capability.Purse
	// Others is the name of the gaps beyond the first MostGaps that differ, for a peer
	// that makes names up; empty: "others".
	Others string
}

// MostGaps is how many gaps are told apart by their names.
const MostGaps = 256

// Queue is a queue of events, each with what its group knows of it. Its methods are
// safe for use by several goroutines; Take, Ack and Rewind are called by one at a time.
type Queue[T any] struct {
	ready chan struct{} // a token whenever there may be something to take
	room  chan struct{} // a token whenever there may be room again
	most  Config

	mu    sync.Mutex
	ring  []entry[T] // a ring: count entries from head on
	head  int
	count int
	taken int // of these, handed out and not acknowledged
	seen  int // of these, handed out at least once
	added uint64

	kept  int // events that carry something
	bytes int // their data
	times int // the bounds are so many times as large: see Widen
	share capability.Portion

	gaps map[string]uint64 // the newest gap of a name, by its number; nil: none
	lost map[string]uint64 // what was lost, by the names of gaps; nil: nothing
}

// entry is an event in its place.
type entry[T any] struct {
	event  capability.Event
	value  T
	number uint64
	kept   bool
}

// New is an empty queue.
func New[T any](cfg Config) *Queue[T] {
	if cfg.Others == "" {
		cfg.Others = "others"
	}
	return &Queue[T]{
		ready: make(chan struct{}, 1), room: make(chan struct{}, 1), most: cfg, times: 1,
		share: capability.NewPortion(cfg.Purse),
	}
}

// Ready holds a token whenever Take may have something to give.
func (q *Queue[T]) Ready() <-chan struct{} { return q.ready }

// Room holds a token whenever there may be room again, but for what the purse has not
// got: that nobody tells, and whoever waits here looks again after a while.
func (q *Queue[T]) Room() <-chan struct{} { return q.room }

// Put adds an event that carries something, and waits for room until ctx ends, whose
// error is the only one.
func (q *Queue[T]) Put(ctx context.Context, e capability.Event, value T) error {
	for {
		q.mu.Lock()
		ok, starved := q.fits(len(e.Data))
		if ok {
			q.put(e, value)
		}
		q.mu.Unlock()
		if ok {
			return nil
		}
		if err := q.wait(ctx, starved); err != nil {
			return err
		}
	}
}

// TryPut is Put without waiting; false: there is no room.
func (q *Queue[T]) TryPut(e capability.Event, value T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	ok, _ := q.fits(len(e.Data))
	if ok {
		q.put(e, value)
	}
	return ok
}

// Add adds an event that carries something, whether there is room or not, for who has
// read it already. It is drawn on the purse, if that has it, whoever waits there; what
// is too much stops the next one.
func (q *Queue[T]) Add(e capability.Event, value T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.share.Take(q.need(len(e.Data)))
	q.put(e, value)
}

// HasRoom reports whether an event with so many bytes of data fits now. It keeps
// nothing for the event, which may never come: somebody else may take the room before
// it is added.
func (q *Queue[T]) HasRoom(size int) bool {
	ok, _ := q.look(size)
	return ok
}

// WaitRoom waits until an event with so many bytes of data fits, or ctx ends, whose
// error is the only one. As of HasRoom, nothing is kept.
func (q *Queue[T]) WaitRoom(ctx context.Context, size int) error {
	for {
		ok, starved := q.look(size)
		if ok {
			return ctx.Err()
		}
		if err := q.wait(ctx, starved); err != nil {
			return err
		}
	}
}

// Widen makes the bounds so many times as large, while whoever takes the events waits
// for something that may come behind them.
func (q *Queue[T]) Widen(times int) {
	q.mu.Lock()
	q.times = max(1, times)
	q.mu.Unlock()
	capability.Signal(q.room)
}

// Note adds a word on the session. A session that came back just before it was lost,
// unseen, was away all the time.
func (q *Queue[T]) Note(e capability.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.Type == abi.EventDown && q.count > q.seen && q.at(q.count-1).event.Type == abi.EventUp {
		*q.at(q.count - 1) = entry[T]{}
		q.count--
		return
	}
	q.add(entry[T]{event: e})
}

// Gap counts n losses under the name of e, and adds e unless the guest is going to be
// told so anyway: of each name there is one that it has not seen.
func (q *Queue[T]) Gap(e capability.Event, n uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lose(e.Name, n)
	if _, ok := q.gaps[e.Name]; !ok && len(q.gaps) >= MostGaps {
		e.Name = q.most.Others
	}
	if number, ok := q.gaps[e.Name]; ok && q.count > q.seen && number >= q.at(q.seen).number {
		return
	}
	if q.gaps == nil {
		q.gaps = map[string]uint64{}
	}
	q.gaps[e.Name] = q.add(entry[T]{event: e})
}

// Lose counts what was lost and is not told, or is told by an event of its own.
func (q *Queue[T]) Lose(name string, n uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lose(name, n)
}

// Counts is how much was lost, which it puts into by as dropped_ with each name, and
// how many events there are.
func (q *Queue[T]) Counts(by map[string]uint64) (lost uint64, buffered int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, n := range q.lost {
		by["dropped_"+name] = n
		lost += n
	}
	return lost, q.count
}

// Len is how many events there are.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count
}

// End gives back what is drawn on the purse, for good: the session is over.
func (q *Queue[T]) End() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.share.End()
}

// wait waits for room, or until it is time to look again.
func (q *Queue[T]) wait(ctx context.Context, starved bool) error {
	if !capability.AwaitRoom(q.room, ctx.Done(), starved) {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.share.Forgo()
		return ctx.Err()
	}
	return nil
}

// fits reports whether an event fits that has so much data; starved: it is for want
// of the purse if not. One always fits the bounds, but not the purse: the first step
// of that is free, and so many sessions could have one of a mebibyte each.
func (q *Queue[T]) fits(size int) (ok, starved bool) {
	if q.kept > 0 && (q.kept >= q.times*q.most.Events || q.bytes+size > q.times*q.most.Bytes) {
		return false, false
	}
	if !q.share.Hold(q.need(size)) {
		return false, true
	}
	return true, false
}

// look is fits for an event that may not come: what that has drawn on the purse is
// given back.
func (q *Queue[T]) look(size int) (ok, starved bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if ok, starved = q.fits(size); ok {
		q.share.Leave(q.taking())
	}
	return ok, starved
}

// taking is what the queue takes of memory, beside what is said of the session.
func (q *Queue[T]) taking() int { return q.bytes + q.kept*Overhead }

// need is what the queue takes of memory with one more event, of so much data.
func (q *Queue[T]) need(size int) int { return q.taking() + size + Overhead }

func (q *Queue[T]) put(e capability.Event, value T) {
	q.kept++
	q.bytes += len(e.Data)
	if e.Type == abi.EventGap {
		q.lose(e.Name, 1)
	}
	q.add(entry[T]{event: e, value: value, kept: true})
}

func (q *Queue[T]) lose(name string, n uint64) {
	if n == 0 {
		return
	}
	if _, ok := q.lost[name]; !ok && len(q.lost) >= MostGaps {
		name = q.most.Others
	}
	if q.lost == nil {
		q.lost = map[string]uint64{}
	}
	q.lost[name] += n
}
