package store

import (
	"context"
	"sync"

	"github.com/snaprail/snaprail/runtime/fault"
)

// lives are those of the tenants' spaces. A Space belongs to the life in which
// it was asked for and never reaches a later one: what has held on to a tenant
// that was dropped cannot write into one that came after it under the same id.
type lives struct {
	mu  sync.Mutex
	all map[string]*life
}

// life is one life of a tenant's space. Its fields belong to lives.mu.
type life struct {
	over  bool
	under int           // transactions under way
	idle  chan struct{} // closed when it is over and none is under way any more
}

func (l *lives) of(id string) *life {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[string]*life{}
	}
	if l.all[id] == nil {
		l.all[id] = &life{idle: make(chan struct{})}
	}
	return l.all[id]
}

// enter begins a transaction of a life, unless that is over.
func (l *lives) enter(id string, of *life) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if of.over {
		return fault.New(fault.NotFound, "the tenant %s is gone", id)
	}
	of.under++
	return nil
}

func (l *lives) leave(of *life) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if of.under--; of.over && of.under == 0 {
		close(of.idle)
	}
}

// end ends the present life of an id: no transaction of it begins any more.
// Until forget, whoever asks for the space gets the one that is over.
func (l *lives) end(id string) *life {
	of := l.of(id)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !of.over {
		if of.over = true; of.under == 0 {
			close(of.idle)
		}
	}
	return of
}

// forget makes room for the next life, unless that has come already.
func (l *lives) forget(id string, of *life) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all[id] == of {
		delete(l.all, id)
	}
}

// living is a tenant's space in one of its lives.
type living struct {
	*space
	life *life
}

func (s *living) View(ctx context.Context, fn func(Reader) error) error {
	if err := s.store.lives.enter(s.name, s.life); err != nil {
		return err
	}
	defer s.store.lives.leave(s.life)
	return s.space.View(ctx, fn)
}

func (s *living) Update(ctx context.Context, fn func(Writer) error) error {
	if err := s.store.lives.enter(s.name, s.life); err != nil {
		return err
	}
	defer s.store.lives.leave(s.life)
	return s.space.Update(ctx, fn)
}

func (s *living) UpdateAhead(ctx context.Context, fn func(Writer) error) error {
	if err := s.store.lives.enter(s.name, s.life); err != nil {
		return err
	}
	defer s.store.lives.leave(s.life)
	return s.space.UpdateAhead(ctx, fn)
}

func (s *root) Drop(ctx context.Context, id string) error {
	if err := CheckTenant(id); err != nil {
		return err
	}
	life := s.lives.end(id)
	select {
	case <-life.idle:
	case <-ctx.Done():
		return fault.Of(ctx.Err())
	}
	rest := s.space(id)
	for _, b := range Buckets() {
		if err := Empty(ctx, rest, b, ""); err != nil {
			return err
		}
	}
	rest.latest.forget()
	s.lives.forget(id, life)
	return nil
}
