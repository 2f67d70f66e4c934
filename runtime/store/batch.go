package store

import "sync/atomic"

// batch is the writes of several updates of one space that one commit makes
// durable. Each update runs on what those before it wrote, and none of them
// returns before the commit, so that nobody learns of what may yet be lost.
type batch struct {
	// staged is what they wrote: of what all of them write, as the head of the
	// audit trail, only the last.
	staged
	*outcome

	base  Snapshot
	pins  atomic.Int32 // who needs base: the batch until it has landed, and who runs on it
	after *outcome     // of the batch before, which this one shows; nil: that is durable
	size  int          // updates in it
	cost  int          // of their writes
}

// outcome is what came of the commit of a batch.
type outcome struct {
	done  chan struct{} // closed when err is known
	err   error
	state atomic.Uint64 // the first state of the backend that shows it; 0: none yet
}

// newBatch is a batch on a state of the space, and on the batch whose commit has
// begun, if there is one: that may not be in this state.
func newBatch(base Snapshot, after *batch) *batch {
	b := &batch{base: base, outcome: &outcome{done: make(chan struct{})}}
	b.pins.Store(1)
	b.under = newRecall(base)
	if after != nil {
		b.after = after.outcome
		b.under = &staged{under: b.under, set: after.set}
	}
	return b
}

// release gives up a pin, and with the last one the state that the batch stands on.
func (b *batch) release() {
	if b.pins.Add(-1) == 0 {
		b.base.Discard()
	}
}

// room reports whether one transaction can hold these writes too.
func (b *batch) room(cost int) bool { return b.cost+cost <= MaxTxn }

// add takes an update's writes in.
func (b *batch) add(s *staged, cost int) {
	b.size++
	b.cost += cost
	b.join(s)
}

// shows is the outcome of the newest batch that can be read here; nil: all is
// durable.
func (b *batch) shows() *outcome {
	if b.size > 0 {
		return b.outcome
	}
	return b.after
}

// settle says what came of a commit. One that wrote nothing is in the newest state
// that is known of the space, so that a later outcome is never in an older state than
// the one before it: history counts on that.
func (o *outcome) settle(state uint64, err error) {
	o.err = err
	o.state.Store(max(state, 1))
}

// wait is what came of the commit; nil: there was nothing to wait for.
func (o *outcome) wait() error {
	if o == nil {
		return nil
	}
	<-o.done
	return o.err
}

// shownIn reports whether a state shows what came of the commit.
func (o *outcome) shownIn(state uint64) bool {
	if o == nil {
		return true
	}
	from := o.state.Load()
	return from != 0 && from <= state
}
