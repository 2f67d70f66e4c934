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
// batch, which is the holder's alone.
type turn struct {
	waiting []chan struct{} // closed when its owner has the turn
	batch   *batch          // what waits for its commit; nil: nothing
}

// take waits for the space's turn. Who gets it has to leave.
func (t *turns) take(ctx context.Context, space string) (*turn, error) {
	t.mu.Lock()
	if t.spaces == nil {
		t.spaces = map[string]*turn{}
	}
	q := t.spaces[space]
	if q == nil {
		q = &turn{}
		t.spaces[space] = q
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
// when nobody is there who could add to it, or enough has come together.
func (t *turns) leave(space string, q *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := q.batch; b != nil && (len(q.waiting) == 0 || b.full()) {
		t.mu.Unlock()
		b.commit() // with the turn: nobody reads what is not there yet
		t.mu.Lock()
		q.batch = nil
	}
	if len(q.waiting) == 0 {
		delete(t.spaces, space)
		return
	}
	next := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	close(next)
}
