package store

import (
	"context"
	"slices"
	"sync"
)

// turns lets one writer at a time into each space. That makes the updates of a
// space serialisable, phantoms included. So that writers side by side need not
// pay for a commit each, one that leaves while others wait hands what it wrote
// on to the next, and the last of them commits for all: see batch. A space has
// an entry only while somebody is in it or waits for it.
type turns struct {
	mu     sync.Mutex
	spaces map[string]*turn
}

// turn is the place of a space's writer. The fields belong to turns.mu but
// batch and history, which are the holder's alone.
type turn struct {
	taken   bool
	waiting []chan struct{} // closed when its owner has the turn
	near    int             // writers that run ahead of their turn, and will wait for it
	durable uint64          // how many updates of the history have been committed
	batch   *batch          // what waits for its commit; nil: nothing
	history history
}

// take waits for the space's turn. Who gets it has to leave. near says that it
// has approached, and is with those who wait from now on.
func (t *turns) take(ctx context.Context, space string, near bool) (*turn, error) {
	t.mu.Lock()
	if t.spaces == nil {
		t.spaces = map[string]*turn{}
	}
	q := t.spaces[space]
	if q == nil {
		q = &turn{}
		t.spaces[space] = q
	}
	if near {
		q.near--
	}
	if !q.taken {
		q.taken = true
		t.mu.Unlock()
		return q, nil
	}
	ready := make(chan struct{})
	q.waiting = append(q.waiting, ready)
	t.mu.Unlock()

	select {
	case <-ready:
		return q, nil
	case <-ctx.Done():
	}
	if !t.giveUp(q, ready) {
		t.leave(space, q) // it came at the same moment
	}
	return nil, ctx.Err()
}

// giveUp takes a waiter out, and reports whether it was waiting still.
func (t *turns) giveUp(q *turn, ready chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(q.waiting, ready)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0
}

// leave gives the turn to who has waited longest. It commits what was written
// when nobody is there who could add to it, or enough has come together. What
// others are near to add to is left to them: the last of them commits.
func (t *turns) leave(space string, q *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := q.batch; b != nil && (len(q.waiting) == 0 && q.near == 0 || b.full()) {
		t.mu.Unlock()
		b.commit() // with the turn: nobody reads what is not there yet
		t.mu.Lock()
		q.batch, q.durable = nil, q.history.added
	}
	if len(q.waiting) == 0 {
		q.taken = false
		t.tidy(space, q)
		return
	}
	next := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	close(next)
}

// approach lets a writer of a space in which others are run ahead of its turn:
// on what is durable, which is at least the first so many updates of the space's
// history. It has to take the turn then, or to turn away. Nil: nobody is there.
func (t *turns) approach(space string) (q *turn, durable uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q = t.spaces[space]
	if q == nil {
		return nil, 0
	}
	q.near++
	return q, q.durable
}

// away is called by who ran ahead and wants no turn.
func (t *turns) away(space string, q *turn) {
	t.mu.Lock()
	q.near--
	last := q.near == 0 && !q.taken
	if last && q.batch != nil {
		q.taken = true // others wait for what they left to it
		t.mu.Unlock()
		t.leave(space, q)
		return
	}
	t.tidy(space, q)
	t.mu.Unlock()
}

// tidy forgets a space that nobody is in. The caller holds mu.
func (t *turns) tidy(space string, q *turn) {
	if !q.taken && q.near == 0 {
		delete(t.spaces, space)
	}
}
