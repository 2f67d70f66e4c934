package store

import (
	"iter"
	"time"
)

// The bounds of a batch. They bound how long its first writer waits for the
// functions of the others, and how many bytes of what they have read is kept.
const (
	maxBatch     = 128
	maxBatchTime = 5 * time.Millisecond
	maxSeen      = 4 << 20
)

// batch is the writes of several updates of one space that one commit makes
// durable. Each update runs on what those before it wrote, and none of them
// returns before the commit, so that nobody learns of what may yet be lost.
type batch struct {
	rows  BackendTxn
	began time.Time
	size  int // updates in it
	cost  int // of their writes

	// seen are rows that an update has read or set. Those of a batch read much
	// the same: the record that they all append to, the module that they share.
	seen      map[place]sighting
	seenBytes int

	done chan struct{} // closed when err says what came of it
	err  error
}

type place struct {
	bucket Bucket
	id     string
}

type sighting struct {
	row   Row
	found bool
}

func newBatch(rows BackendTxn) *batch {
	return &batch{rows: rows, began: time.Now(), seen: map[place]sighting{}, done: make(chan struct{})}
}

// Get, Scan and Set are the batch as Rows for the update whose turn it is.
func (b *batch) Get(bucket Bucket, id string) (Row, bool, error) {
	if s, ok := b.seen[place{bucket, id}]; ok {
		return owned(s.row), s.found, nil
	}
	row, found, err := b.rows.Get(bucket, id)
	if err == nil {
		b.note(bucket, id, sighting{owned(row), found})
	}
	return row, found, err
}

// Scan reads what is there; a list is seldom read twice.
func (b *batch) Scan(bucket Bucket, prefix, from string) iter.Seq2[Row, error] {
	return b.rows.Scan(bucket, prefix, from)
}

// Set keeps what it sets for who reads it next.
func (b *batch) Set(bucket Bucket, row Row) error {
	b.note(bucket, row.ID, sighting{row, true})
	return b.rows.Set(bucket, row)
}

func (b *batch) note(bucket Bucket, id string, s sighting) {
	if b.seenBytes > maxSeen {
		clear(b.seen)
		b.seenBytes = 0
	}
	b.seen[place{bucket, id}] = s
	b.seenBytes += len(id) + len(s.row.Value) + writeCost
}

func (b *batch) full() bool {
	return b.size >= maxBatch || time.Since(b.began) >= maxBatchTime
}

// room reports whether one transaction can hold these writes too.
func (b *batch) room(cost int) bool { return b.cost+cost <= MaxTxn }

// add takes an update's writes in. One that fails may leave half of them
// behind, so that the whole batch must fail.
func (b *batch) add(s *staged, cost int) {
	b.size++
	b.cost += cost
	if err := s.apply(b); err != nil && b.err == nil {
		b.err = err
	}
}

func (b *batch) commit() {
	defer close(b.done)
	defer b.rows.Discard()
	if b.err == nil && b.cost > 0 {
		b.err = b.rows.Commit()
	}
}

// wait is what came of the commit.
func (b *batch) wait() error {
	<-b.done
	return b.err
}
