package kafka

import (
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/queue"
)

// inbound is what was read until it is acknowledged, and knows what of it may be
// committed: the offsets behind acknowledged records, of partitions that have not left
// since they were read.
type inbound struct {
	*queue.Queue[place]

	marked chan struct{} // a token whenever there may be something to commit

	mu   sync.Mutex // guards what follows; it is taken before the queue's own
	read uint64     // records that came in
	done uint64     // of these, acknowledged

	assignments uint64
	owned       map[int32]uint64 // partitions, by the assignment that brought them
	marks       map[int32]mark
	next        map[int32]int64 // the offset that is due, where it is known
	ends        map[int32]int64 // the end of each partition, as of the last fetch
}

// place is that of a record. The zero place is none.
type place struct {
	partition  int32
	assignment uint64
	behind     mark
}

// mark is an offset to commit.
type mark struct {
	offset int64
	epoch  int32
}

func newInbound(cfg queue.Config) *inbound {
	return &inbound{
		Queue: queue.New[place](cfg), marked: make(chan struct{}, 1),
		owned: map[int32]uint64{}, marks: map[int32]mark{}, next: map[int32]int64{}, ends: map[int32]int64{},
	}
}

// push adds the event of a record, if its partition is this member's: there was room
// for it when it was polled.
func (q *inbound) push(e capability.Event, partition int32, behind mark) {
	q.mu.Lock()
	defer q.mu.Unlock()
	assignment, ok := q.owned[partition]
	if !ok {
		return
	}
	q.read++
	q.Add(e, place{partition: partition, assignment: assignment, behind: behind})
	q.next[partition] = behind.offset
}

// hole tells of records that are gone. Each is told: it names the offsets.
func (q *inbound) hole(e capability.Event) { q.Add(e, place{}) }

// skipped says how much of a partition is gone before anybody has read it, given
// where its log begins now.
func (q *inbound) skipped(partition int32, logStart int64) (from, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	due, known := q.next[partition]
	if _, owned := q.owned[partition]; !known || !owned || logStart <= due {
		return 0, 0
	}
	q.next[partition] = logStart
	return due, logStart - due
}

// ack lets go of the oldest n events, and notes what may be committed.
func (q *inbound) ack(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.AckEach(n, func(p place) {
		if p.assignment == 0 {
			return
		}
		q.done++
		if q.owned[p.partition] == p.assignment {
			q.marks[p.partition] = p.behind
		}
	})
	capability.Signal(q.marked)
}

// rewind also drops what another member reads by now.
func (q *inbound) rewind() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.Rewind()
	q.Drop(func(p place) bool { return p.assignment != 0 && q.owned[p.partition] != p.assignment })
}

// gain notes partitions that are this member's from now on.
func (q *inbound) gain(partitions []int32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range partitions {
		q.assignments++
		q.owned[p] = q.assignments
	}
}

// due notes the offset that a group goes on at.
func (q *inbound) due(partition int32, offset int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next[partition] = offset
}

// lose forgets partitions: what was not taken of them is another member's.
func (q *inbound) lose(partitions []int32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range partitions {
		delete(q.owned, p)
		delete(q.marks, p)
		delete(q.next, p)
		delete(q.ends, p)
	}
	q.Drop(func(p place) bool { return p.assignment != 0 && slices.Contains(partitions, p.partition) })
}

func (q *inbound) loseAll() {
	q.mu.Lock()
	all := slices.Collect(maps.Keys(q.owned))
	q.mu.Unlock()
	q.lose(all)
}

// toCommit is what may be committed.
func (q *inbound) toCommit() map[int32]mark {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.marks)
}

// committed forgets what was committed.
func (q *inbound) committed(done map[int32]mark) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for p, m := range done {
		if q.marks[p] == m {
			delete(q.marks, p)
		}
	}
}

// end notes where a partition ends.
func (q *inbound) end(partition int32, offset int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, owned := q.owned[partition]; owned && offset >= 0 {
		q.ends[partition] = offset
	}
}

// progress is how many records were read and acknowledged, and how many the
// partitions have behind those that were read.
func (q *inbound) progress() (read, done, behind uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for p, end := range q.ends {
		if due, known := q.next[p]; known && end > due {
			behind += uint64(end - due)
		}
	}
	return q.read, q.done, behind
}

func (m mark) offsets() kgo.EpochOffset { return kgo.EpochOffset{Epoch: m.epoch, Offset: m.offset} }
