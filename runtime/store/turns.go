package store

import (
	"context"
	"sync"
)

// turns lets one writer at a time into each space. That makes the updates of a
// space serialisable, phantoms included, and costs no speed: a backend that
// syncs every commit gains nothing from writers side by side. A space has an
// entry only while somebody is in it or waits for it.
type turns struct {
	mu    sync.Mutex
	queue map[string]*turn
}

type turn struct {
	free  chan struct{} // holds one token while nobody has the turn
	users int           // holder and waiters, guarded by turns.mu
}

// take waits for the space's turn and returns how to give it back.
func (t *turns) take(ctx context.Context, space string) (func(), error) {
	t.mu.Lock()
	if t.queue == nil {
		t.queue = map[string]*turn{}
	}
	q := t.queue[space]
	if q == nil {
		q = &turn{free: make(chan struct{}, 1)}
		q.free <- struct{}{}
		t.queue[space] = q
	}
	q.users++
	t.mu.Unlock()

	select {
	case <-q.free:
		return func() {
			q.free <- struct{}{}
			t.leave(space, q)
		}, nil
	case <-ctx.Done():
		t.leave(space, q)
		return nil, ctx.Err()
	}
}

func (t *turns) leave(space string, q *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.users--; q.users == 0 {
		delete(t.queue, space)
	}
}
