package store

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/snaprail/snaprail/runtime/fault"
)

// New is the store on a backend, which it owns from then on.
func New(b Backend) Store { return &root{backend: b} }

type root struct {
	backend Backend
	turns   turns
	lives   lives

	mu     sync.Mutex
	closed bool
	latest map[string]*latest // by space

	kept  atomic.Int64   // bytes in all of latest
	under sync.WaitGroup // transactions under way, and commits that they wait for; grows under mu, before closed

	closing  sync.Once
	closeErr error
}

func (s *root) Tenant(id string) (Space, error) {
	if err := CheckTenant(id); err != nil {
		return nil, err
	}
	return &living{s.space(id), s.lives.of(id)}, nil
}

func (s *root) System() Space { return s.space("") }

func (s *root) space(name string) *space {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		s.latest = map[string]*latest{}
	}
	l := s.latest[name]
	if l == nil { // it stays, since spaces of the same name have to share it
		l = &latest{all: &s.kept}
		s.latest[name] = l
	}
	return &space{store: s, name: name, latest: l}
}

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

// forget forgets the rows that are kept of all spaces: there are more than may
// be, and those that are needed come back.
func (s *root) forget() {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.latest))
	s.mu.Unlock()
	for _, l := range all {
		l.forget()
	}
}

// space is one tenant's part of a store, or the system's.
type space struct {
	store  *root
	name   string // "" for the system
	latest *latest
}

func (s *space) begin() (Snapshot, error) {
	if s.store.kept.Load() > maxLatestAll {
		s.store.forget()
	}
	return s.latest.begin(s.store.backend, s.name)
}

func (s *space) View(ctx context.Context, fn func(Reader) error) error {
	if err := s.store.enter(); err != nil {
		return err
	}
	defer s.store.under.Done()
	if err := ctx.Err(); err != nil {
		return fault.Of(err)
	}
	rows, err := s.begin()
	if err != nil {
		return err
	}
	defer rows.Discard()
	t := &txn{ctx: ctx, rows: rows}
	defer func() { t.ended = true }()
	return fn(&reader{t})
}

func (s *space) Update(ctx context.Context, fn func(Writer) error) error {
	if err := s.store.enter(); err != nil {
		return err
	}
	defer s.store.under.Done()
	return s.update(ctx, fn, nil)
}

func (s *space) UpdateAhead(ctx context.Context, fn func(Writer) error) error {
	if err := s.store.enter(); err != nil {
		return err
	}
	defer s.store.under.Done()
	q := s.store.turns.approach(s.name)
	if q == nil {
		return s.update(ctx, fn, nil) // nobody is in the way
	}
	a, err := s.ahead(ctx, fn, q)
	if a == nil {
		return err
	}
	return s.update(ctx, fn, a)
}

// update writes what fn writes, or has written ahead. What failed, or wrote
// nothing, has read what others wrote just before: nobody is told of that before
// it is durable.
func (s *space) update(ctx context.Context, fn func(Writer) error, a *ahead) error {
	on, err := s.write(ctx, fn, a)
	if lost := on.wait(); lost != nil {
		return lost
	}
	return err
}

// write runs fn when it is its turn, unless what it wrote ahead holds, and adds
// what it wrote to the batch that it ran on. The outcome is what it depends on;
// nil: on nothing but what is durable.
func (s *space) write(ctx context.Context, fn func(Writer) error, a *ahead) (on *outcome, err error) {
	q, err := s.store.turns.take(ctx, s.name, a != nil)
	if err != nil {
		return nil, fault.Of(err)
	}
	defer s.leave(q) // when fn panics, too
	b, err := s.gather(q)
	if err != nil {
		return nil, err
	}
	defer b.release()
	on = b.shows()
	if err := ctx.Err(); err != nil {
		return on, fault.Of(err)
	}
	var t *txn
	own := &staged{under: b}
	if a != nil && q.history.holds(a) {
		own.set, t = a.own.set, &txn{ctx: ctx, rows: own, own: own, cost: a.txn.cost, last: a.txn.last}
	} else if t, err = run(ctx, own, 0, fn); err != nil {
		return on, err
	}
	if t, err = t.finish(); err != nil {
		return on, err
	}
	if t.cost == 0 {
		return on, nil
	}
	return s.join(q, b, own, t.cost)
}
