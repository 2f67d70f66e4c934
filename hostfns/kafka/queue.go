package kafka

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// queue holds what was read until it is acknowledged, and knows what of it may be
// committed: the offsets behind acknowledged records, of partitions that have not
// left since they were read.
type queue struct {
	ready  chan struct{} // a token whenever there may be something to take
	room   chan struct{} // a token whenever there may be room again
	marked chan struct{} // a token whenever there may be something to commit

	mu      sync.Mutex
	entries []entry
	taken   int // of these, handed out and not acknowledged
	bytes   int
	dropped map[string]uint64 // by the names of their gaps: records, and holes in a log
	read    uint64            // records that came in
	done    uint64            // of these, acknowledged

	assignments uint64
	owned       map[int32]uint64 // partitions, by the assignment that brought them
	marks       map[int32]mark
	next        map[int32]int64 // the offset that is due, where it is known
	ends        map[int32]int64 // the end of each partition, as of the last fetch

	maxRecords, maxBytes int
}

// entry is an event, and the place behind it.
type entry struct {
	event      capability.Event
	size       int
	record     bool // it has a place
	partition  int32
	assignment uint64
	behind     mark
}

// mark is an offset to commit.
type mark struct {
	offset int64
	epoch  int32
}

// overhead is what an event costs beside its data, in bytes.
const overhead = 256

func newQueue(records, bytes int) *queue {
	return &queue{
		ready: make(chan struct{}, 1), room: make(chan struct{}, 1), marked: make(chan struct{}, 1),
		owned: map[int32]uint64{}, marks: map[int32]mark{}, next: map[int32]int64{}, ends: map[int32]int64{},
		maxRecords: records, maxBytes: bytes, dropped: map[string]uint64{},
	}
}

// wait waits for room for another poll; false: ctx has ended.
func (q *queue) wait(ctx context.Context) bool {
	for !q.hasRoom() {
		select {
		case <-q.room:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

func (q *queue) hasRoom() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries) < q.maxRecords && q.bytes < q.maxBytes
}

// push adds the event of a record, if its partition is this member's.
func (q *queue) push(e capability.Event, partition int32, behind mark, lost bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	assignment, ok := q.owned[partition]
	if !ok {
		return
	}
	if lost {
		q.dropped[e.Name]++
	}
	q.read++
	q.add(entry{event: e, size: len(e.Data) + overhead, record: true, partition: partition, assignment: assignment, behind: behind})
	q.next[partition] = behind.offset
}

// note adds a word on the session; it replaces the one before it that nobody has
// taken. Of a gap there is one each.
func (q *queue) note(e capability.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.Type == abi.EventGap {
		q.dropped[e.Name]++
	}
	if last := len(q.entries) - 1; last >= q.taken && !q.entries[last].record && e.Type != abi.EventGap {
		q.entries[last].event = e
		return
	}
	q.add(entry{event: e, size: overhead})
}

func (q *queue) add(e entry) {
	q.entries = append(q.entries, e)
	q.bytes += e.size
	signal(q.ready)
}

// skipped says how much of a partition is gone before anybody has read it, given
// where its log begins now.
func (q *queue) skipped(partition int32, logStart int64) (from, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	due, known := q.next[partition]
	if _, owned := q.owned[partition]; !known || !owned || logStart <= due {
		return 0, 0
	}
	q.next[partition] = logStart
	return due, logStart - due
}

func (q *queue) take(dst []capability.Event, items, bytes int) []capability.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	for first := true; q.taken < len(q.entries) && items > 0; first = false {
		e := &q.entries[q.taken]
		if len(e.event.Data) > bytes && !first {
			break
		}
		dst = append(dst, e.event)
		q.taken++
		items--
		bytes -= len(e.event.Data)
	}
	if q.taken < len(q.entries) {
		signal(q.ready)
	}
	return dst
}

func (q *queue) ack(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = max(0, min(n, q.taken))
	for i := range n {
		e := &q.entries[i]
		q.bytes -= e.size
		if e.record {
			q.done++
		}
		if e.record && q.owned[e.partition] == e.assignment && e.assignment != 0 {
			q.marks[e.partition] = e.behind
		}
	}
	q.entries = slices.Delete(q.entries, 0, n)
	q.taken -= n
	if n > 0 {
		signal(q.room)
		signal(q.marked)
	}
}

// rewind also drops what another member reads by now.
func (q *queue) rewind() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = 0
	q.drop(func(e entry) bool { return e.record && q.owned[e.partition] != e.assignment })
	if len(q.entries) > 0 {
		signal(q.ready)
	}
}

// drop removes entries that have not been taken.
func (q *queue) drop(gone func(entry) bool) {
	kept := q.entries[:q.taken]
	for _, e := range q.entries[q.taken:] {
		if gone(e) {
			q.bytes -= e.size
			continue
		}
		kept = append(kept, e)
	}
	clear(q.entries[len(kept):])
	q.entries = kept
	signal(q.room)
}

// gain notes partitions that are this member's from now on.
func (q *queue) gain(partitions []int32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range partitions {
		q.assignments++
		q.owned[p] = q.assignments
	}
}

// due notes the offset that a group goes on at.
func (q *queue) due(partition int32, offset int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next[partition] = offset
}

// lose forgets partitions: what was not taken of them is another member's.
func (q *queue) lose(partitions []int32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range partitions {
		delete(q.owned, p)
		delete(q.marks, p)
		delete(q.next, p)
		delete(q.ends, p)
	}
	q.drop(func(e entry) bool { return e.record && slices.Contains(partitions, e.partition) })
}

func (q *queue) loseAll() {
	q.mu.Lock()
	all := slices.Collect(maps.Keys(q.owned))
	q.mu.Unlock()
	q.lose(all)
}

// toCommit is what may be committed.
func (q *queue) toCommit() map[int32]mark {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.marks)
}

// committed forgets what was committed.
func (q *queue) committed(done map[int32]mark) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for p, m := range done {
		if q.marks[p] == m {
			delete(q.marks, p)
		}
	}
}

// end notes where a partition ends.
func (q *queue) end(partition int32, offset int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, owned := q.owned[partition]; owned && offset >= 0 {
		q.ends[partition] = offset
	}
}

// progress is how many records were read and acknowledged, and how many the
// partitions have behind those that were read.
func (q *queue) progress() (read, done, behind uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for p, end := range q.ends {
		if due, known := q.next[p]; known && end > due {
			behind += uint64(end - due)
		}
	}
	return q.read, q.done, behind
}

// counts is how much was dropped, which it puts into by for each reason, and what is
// buffered.
func (q *queue) counts(by map[string]uint64) (dropped uint64, buffered int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for why, n := range q.dropped {
		by["dropped_"+why] = n
		dropped += n
	}
	return dropped, len(q.entries)
}

func (m mark) offsets() kgo.EpochOffset { return kgo.EpochOffset{Epoch: m.epoch, Offset: m.offset} }

func signal(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
