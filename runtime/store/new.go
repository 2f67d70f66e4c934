package store

import (
	"context"
	"sync"

	"github.com/snaprail/snaprail/runtime/fault"
)

// New is the store on a backend, which it owns from then on.
func New(b Backend) Store { return &root{backend: b} }

type root struct {
	backend Backend
	turns   turns

	mu     sync.Mutex
	closed bool
	under  sync.WaitGroup // transactions under way; grows under mu, before closed

	closing  sync.Once
	closeErr error
}

func (s *root) Tenant(id string) (Space, error) {
	if err := CheckTenant(id); err != nil {
		return nil, err
	}
	return &space{store: s, name: id}, nil
}

func (s *root) System() Space { return &space{store: s} }

func (s *root) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.closing.Do(func() {
		s.under.Wait()
		s.closeErr = s.backend.Close()
	})
	return s.closeErr
}

func (s *root) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fault.New(fault.ShuttingDown, "the store is closed")
	}
	s.under.Add(1)
	return nil
}

// space is one tenant's part of a store, or the system's.
type space struct {
	store *root
	name  string // "" for the system
}

func (s *space) View(ctx context.Context, fn func(Reader) error) error {
	if err := s.store.enter(); err != nil {
		return err
	}
	defer s.store.under.Done()
	return s.run(ctx, false, func(t *txn) error { return fn(&reader{t}) })
}

func (s *space) Update(ctx context.Context, fn func(Writer) error) error {
	if err := s.store.enter(); err != nil {
		return err
	}
	defer s.store.under.Done()
	leave, err := s.store.turns.take(ctx, s.name)
	if err != nil {
		return fault.Of(err)
	}
	defer leave()
	return s.run(ctx, true, func(t *txn) error {
		if err := fn(&writer{reader{t}}); err != nil {
			return err
		}
		if err := t.check(); err != nil {
			return err
		}
		if t.broken != nil {
			return t.broken
		}
		if t.cost == 0 {
			return nil
		}
		return t.rows.Commit()
	})
}

func (s *space) run(ctx context.Context, write bool, fn func(*txn) error) error {
	if err := ctx.Err(); err != nil {
		return fault.Of(err)
	}
	rows, err := s.store.backend.Begin(s.name, write)
	if err != nil {
		return err
	}
	defer rows.Discard()
	t := &txn{ctx: ctx, rows: rows}
	defer func() { t.ended = true }()
	return fn(t)
}
