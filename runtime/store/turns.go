package store

import (
	"context"
	"slices"
	"sync"
)

// turns lets one writer at a time into each space. That makes the updates of a
// space serialisable, phantoms included. So that writers side by side need not
// pay for a commit each, what they write gathers in a batch while the commit of
// the batch before is under way: see flight. A space has an entry only while
// somebody is in it or waits for it.
type turns struct {
	mu     sync.Mutex
	spaces map[string]*turn
}

// turn is the place of a space's writer. The fields belong to turns.mu but
// history, which is the holder's alone.
type turn struct {
	taken   bool
	waiting []chan struct{} // closed when its owner has the turn
	near    int             // writers that run ahead of their turn, and will wait for it
	batch   *batch          // what gathers; nil: nothing
	flying  *batch          // that whose commit is under way; nil: none is
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

// leave gives the turn to who has waited longest.
func (t *turns) leave(space string, q *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(q.waiting) == 0 {
		q.taken = false
		t.tidy(space, q)
		return
	}
	next := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	close(next)
}

// approach lets a writer of a space in which others are run ahead of its turn. It
// has to take the turn then, or to turn away. Nil: nobody is there.
func (t *turns) approach(space string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.spaces[space]
	if q != nil {
		q.near++
	}
	return q
}

// away is called by who ran ahead and wants no turn.
func (t *turns) away(space string, q *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q.near--
	t.tidy(space, q)
}

// depart is the batch whose commit begins now; nil: none does, because one is
// under way, which then takes care of what has gathered, or because nothing has.
func (t *turns) depart(q *turn) *batch {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.flying != nil {
		return nil
	}
	return q.cut()
}

// arrive is called when a commit has ended, and is the batch whose commit begins
// now.
func (t *turns) arrive(space string, q *turn) *batch {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := q.cut()
	t.tidy(space, q)
	return next
}

// cut lets what has gathered take off, if it is anything. From now on nobody
// adds to it. The caller holds mu.
func (q *turn) cut() *batch {
	q.flying = nil
	if q.batch != nil && q.batch.size > 0 {
		q.flying, q.batch = q.batch, nil
	}
	return q.flying
}

// tidy forgets a space that nobody is in. The caller holds mu.
func (t *turns) tidy(space string, q *turn) {
	if !q.taken && q.near == 0 && q.flying == nil {
		delete(t.spaces, space)
	}
}
