package store

import "time"

// The bounds of a batch. They bound how long its first writer waits for the
// functions of the others.
const (
	maxBatch     = 128
	maxBatchTime = 5 * time.Millisecond
)

// batch is the writes of several updates of one space that one commit makes
// durable. Each update runs on what those before it wrote, and none of them
// returns before the commit, so that nobody learns of what may yet be lost.
type batch struct {
	// staged is what they wrote. It is set in the transaction when that commits:
	// of what all of them write, as the head of the audit trail, only the last.
	staged
	rows   BackendTxn
	latest *latest
	began  time.Time
	size   int // updates in it
	cost   int // of their writes

	done chan struct{} // closed when err says what came of it
	err  error
}

func newBatch(rows BackendTxn, l *latest) *batch {
	return &batch{staged: staged{under: newRecall(rows)}, rows: rows, latest: l, began: time.Now(), done: make(chan struct{})}
}

func (b *batch) full() bool {
	return b.size >= maxBatch || time.Since(b.began) >= maxBatchTime
}

// room reports whether one transaction can hold these writes too.
func (b *batch) room(cost int) bool { return b.cost+cost <= MaxTxn }

// add takes an update's writes in.
func (b *batch) add(s *staged, cost int) {
	b.size++
	b.cost += cost
	b.join(s)
}

func (b *batch) commit() {
	defer close(b.done)
	defer b.rows.Discard()
	if b.err == nil && b.cost > 0 {
		b.err = b.apply(b.rows)
	}
	if b.err == nil && b.cost > 0 {
		b.err = b.latest.commit(b.rows, &b.staged)
	}
}

// wait is what came of the commit.
func (b *batch) wait() error {
	<-b.done
	return b.err
}
