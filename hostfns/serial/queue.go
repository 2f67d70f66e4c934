package serial

import (
	"sync"
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// queue holds events until they are acknowledged: at most a number of them
// and a number of bytes of their data. Whoever adds waits for room. Both rings
// start small, grow to their bounds and are used again, so that a frame costs
// no allocation.
type queue struct {
	ready chan struct{} // a token whenever there may be something to take
	room  chan struct{} // a token whenever there may be room again

	mu      sync.Mutex
	entries []entry // a ring: count entries from head on
	head    int
	count   int
	taken   int    // of these, handed out and not acknowledged
	arena   []byte // a ring of frames, each in one piece
	write   int    // where the next frame goes
	frames  int    // bounds
	bytes   int
	share   capability.Portion // of the tenant's purse, for both rings
	starved bool               // the purse had not got what was wanted last
}

// entry is an event with its data in the arena.
type entry struct {
	event capability.Event // without Data
	off   int
	len   int
}

const (
	firstEntries = 64
	firstArena   = 4 << 10

	// What an empty queue keeps. A line that is read in time needs less.
	keptEntries = 1024
	keptArena   = 64 << 10

	entryBytes = int(unsafe.Sizeof(entry{}))
)

func newQueue(frames, bytes int, purse capability.Purse) *queue {
	return &queue{
		ready: make(chan struct{}, 1), room: make(chan struct{}, 1), share: capability.NewPortion(purse),
		entries: make([]entry, min(firstEntries, frames)), arena: make([]byte, min(firstArena, bytes)),
		frames: frames, bytes: bytes,
	}
}

// push adds an event with a copy of data, waiting for room until stop is closed.
func (q *queue) push(stop <-chan struct{}, e capability.Event, data []byte) error {
	for !q.tryPush(e, data) {
		if !capability.AwaitRoom(q.room, stop, q.isStarved()) {
			return errInterrupted
		}
	}
	capability.Signal(q.ready)
	return nil
}

func (q *queue) isStarved() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.starved
}

// hold draws what rings of these sizes need.
func (q *queue) hold(entries, arena int) bool {
	q.starved = !q.share.Hold(entries*entryBytes + arena)
	return !q.starved
}

func (q *queue) tryPush(e capability.Event, data []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.repeated(e) {
		return true
	}
	if !q.entryRoom() || !q.arenaRoom(len(data)) {
		return false
	}
	copy(q.arena[q.write:], data)
	*q.at(q.count) = entry{event: e, off: q.write, len: len(data)}
	q.write += len(data)
	q.count++
	return true
}

// repeated reports whether e is a gap that the guest is going to be told of
// anyway: line noise must not become a flood of events.
func (q *queue) repeated(e capability.Event) bool {
	if e.Type != abi.EventGap || q.count == q.taken {
		return false
	}
	last := &q.at(q.count - 1).event
	return last.Type == abi.EventGap && last.Name == e.Name
}

// at is the entry i places after the oldest.
func (q *queue) at(i int) *entry { return &q.entries[(q.head+i)%len(q.entries)] }

func (q *queue) entryRoom() bool {
	if q.count < len(q.entries) {
		return true
	}
	if q.count == q.frames {
		return false
	}
	n := min(max(2*len(q.entries), min(firstEntries, q.frames)), q.frames)
	if !q.hold(n, len(q.arena)) {
		return false
	}
	grown := make([]entry, n)
	for i := range q.count {
		grown[i] = *q.at(i)
	}
	q.entries, q.head = grown, 0
	return true
}

// arenaRoom sets write to where n bytes fit in one piece.
func (q *queue) arenaRoom(n int) bool {
	for {
		if q.count == 0 {
			q.write = 0
		}
		if q.fit(n) {
			return true
		}
		if len(q.arena) == q.bytes {
			return false
		}
		if !q.growArena(n) {
			return false
		}
	}
}

func (q *queue) fit(n int) bool {
	oldest := 0
	if q.count > 0 {
		oldest = q.at(0).off
	}
	if q.count > 0 && q.write < oldest { // the live part wraps around
		return oldest-q.write > n
	}
	if len(q.arena)-q.write >= n {
		return true
	}
	if q.count > 0 && oldest > n {
		q.write = 0
		return true
	}
	return false
}

// growArena moves the frames to a larger arena. Data that was handed out stays
// valid, because nobody writes to the old one any more.
func (q *queue) growArena(n int) bool {
	size := min(2*max(len(q.arena), firstArena)+n, q.bytes)
	if !q.hold(len(q.entries), size) {
		return false
	}
	grown := make([]byte, size)
	to := 0
	for i := range q.count {
		e := q.at(i)
		copy(grown[to:], q.arena[e.off:e.off+e.len])
		e.off = to
		to += e.len
	}
	q.arena, q.write = grown, to
	return true
}

// take is capability.Source's Take.
func (q *queue) take(dst []capability.Event, items, bytes int) []capability.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	for first := true; q.taken < q.count && items > 0; first = false {
		e := q.at(q.taken)
		if e.len > bytes && !first {
			break
		}
		out := e.event
		if e.event.Type == abi.EventData {
			out.Data = q.arena[e.off : e.off+e.len : e.off+e.len]
		}
		dst = append(dst, out)
		q.taken++
		items--
		bytes -= e.len
	}
	if q.taken < q.count {
		capability.Signal(q.ready)
	}
	return dst
}

// ack is capability.Source's Ack.
func (q *queue) ack(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = max(0, min(n, q.taken))
	for i := range n {
		q.at(i).event = capability.Event{} // let go of an error
	}
	if n > 0 {
		q.head = (q.head + n) % len(q.entries)
	}
	q.count -= n
	q.taken -= n
	if n == 0 {
		return
	}
	if q.count == 0 && (len(q.entries) > keptEntries || len(q.arena) > keptArena) {
		q.entries, q.head, q.arena = nil, 0, nil // a burst is over
		q.share.Leave(0)
	}
	capability.Signal(q.room)
}

// end gives back what is drawn on the purse, for good: the session is over.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.share.End()
}

// rewind is capability.Source's Rewind.
func (q *queue) rewind() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = 0
	if q.count > 0 {
		capability.Signal(q.ready)
	}
}

func (q *queue) buffered() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count
}
