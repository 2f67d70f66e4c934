package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/probe"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Config is what a supervisor is made of.
type Config struct {
	Dir     string // of the outboxes, one folder each tenant
	Store   store.Store
	Catalog *catalog.Catalog
	Engine  *engine.Engine
	Groups  capability.Registry
	Outbox  outbox.Config
	Restart Restart
	// Ceiling is what a tenant may have that has no word of its own.
	Ceiling spec.Ceiling
	Secrets *secret.Keys    // nil: connectors have no secrets
	Audit   *identity.Audit // nil: none is kept
	Probes  *probe.Probes   // of sets, closed with the supervisor; nil: there are none
	Log     *slog.Logger
}

// Restart is the policy for guests that fail. Zero fields mean the defaults.
type Restart struct {
	Min    time.Duration // first back-off; default 1 s
	Max    time.Duration // longest back-off; default 60 s
	Crash  int           // this many crashes ...
	Window time.Duration // ... within this time are a crash loop; default 5 in 10 min
}

func (r Restart) withDefaults() Restart {
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&r.Min, time.Second)
	set(&r.Max, time.Minute)
	set(&r.Window, 10*time.Minute)
	if r.Crash <= 0 {
		r.Crash = 5
	}
	return r
}

// Supervisor runs the connectors of all tenants on this node. It is safe for
// use by several goroutines.
type Supervisor struct {
	cfg Config

	// kill ends everything at once; ending asks runners to finish. They are
	// the life of the goroutines, not of a call.
	kill    context.Context
	killNow context.CancelFunc
	ending  context.Context
	endNow  context.CancelFunc
	runners sync.WaitGroup
	stirred chan struct{} // holds a token when a set's health may have changed

	mu      sync.Mutex
	tenants map[string]*Tenant
	opening map[string]chan struct{} // closed when the tenant is open, or is not to be had
	stopped bool
}

// New makes a supervisor whose goroutines live until Stop, or until ctx ends.
func New(ctx context.Context, cfg Config) *Supervisor {
	cfg.Restart = cfg.Restart.withDefaults()
	s := &Supervisor{cfg: cfg, tenants: map[string]*Tenant{}, opening: map[string]chan struct{}{}, stirred: make(chan struct{}, 1)}
	s.kill, s.killNow = context.WithCancel(ctx)
	s.ending, s.endNow = context.WithCancel(s.kill)
	return s
}

// Start brings the store up to the outboxes and starts every connector that
// is enabled. A tenant that cannot be opened is logged, and an error only when
// there is no other; a connector that cannot run is a status.
func (s *Supervisor) Start(ctx context.Context) error {
	s.runners.Go(s.trim)
	ids, err := s.tenantIDs(ctx)
	if err == nil {
		err = s.openProbes(ctx, ids)
	}
	if err != nil {
		return err
	}
	s.runners.Go(s.probing)
	var errs []error
	for _, id := range ids {
		t, err := s.Tenant(id)
		if err == nil {
			err = t.start(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err() // a stop, not a tenant's trouble
		}
		if err != nil {
			s.cfg.Log.Error("tenant not started", "tenant", id, "error", err)
			errs = append(errs, err)
		}
	}
	if len(errs) < len(ids) {
		return nil
	}
	return errors.Join(errs...)
}

// trimEvery is how often the age of what the outboxes keep is looked at. A log
// that is written to looks itself.
const trimEvery = time.Hour

// trim lets idle outboxes forget what is too old.
func (s *Supervisor) trim() {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, t := range s.Tenants() {
				t.log.Trim()
			}
		case <-s.ending.Done():
			return
		}
	}
}

func (s *Supervisor) tenantIDs(ctx context.Context) (ids []string, err error) {
	err = s.cfg.Store.System().View(ctx, func(r store.Reader) error {
		ids = nil
		for e, err := range store.All(r, store.Tenants, "") {
			if err != nil {
				return err
			}
			if _, err := readTenant(r, e.ID); fault.Is(err, fault.NotFound) {
				continue // it is being deleted
			}
			ids = append(ids, e.ID)
		}
		return nil
	})
	return ids, err
}

// AddTenant makes a tenant known, so that it is started with the server.
func (s *Supervisor) AddTenant(ctx context.Context, id string) error {
	if _, err := s.cfg.Store.Tenant(id); err != nil {
		return err
	}
	raw, err := json.Marshal(spec.Tenant{ID: id, Created: time.Now().UTC()})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "tenant")
	}
	return s.cfg.Store.System().Update(ctx, func(w store.Writer) error {
		_, err := w.PutIf(store.Tenants, id, raw, 0)
		if fault.Is(err, fault.Exists) {
			return nil
		}
		return err
	})
}

// Tenant is the runtime of one tenant, opened with the first call. One that has
// no record, or is being deleted, is fault.NotFound. Opening reads a tenant's
// store and its log, and holds up nobody but who wants the same tenant.
func (s *Supervisor) Tenant(id string) (*Tenant, error) {
	s.lockOpened(id)
	defer s.mu.Unlock()
	if t, ok := s.tenants[id]; ok {
		if t.leaving {
			return nil, noTenant(id)
		}
		return t, nil
	}
	if s.stopped {
		return nil, fault.New(fault.ShuttingDown, "the server is stopping")
	}
	opened := make(chan struct{})
	s.opening[id] = opened
	s.runners.Add(1) // Stop waits for it, and closes what it has opened
	defer s.runners.Done()
	s.mu.Unlock()
	t, err := s.openTenant(id)
	s.mu.Lock()
	delete(s.opening, id)
	close(opened)
	if err != nil {
		return nil, err
	}
	s.tenants[id] = t
	return t, nil
}

// lockOpened takes the lock while nobody opens the tenant.
func (s *Supervisor) lockOpened(id string) {
	for {
		s.mu.Lock()
		opened, ok := s.opening[id]
		if !ok {
			return
		}
		s.mu.Unlock()
		<-opened
	}
}

// Tenants lists the tenants that are open, with their ids.
func (s *Supervisor) Tenants() map[string]*Tenant {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := maps.Clone(s.tenants)
	maps.DeleteFunc(open, func(_ string, t *Tenant) bool { return t.leaving })
	return open
}

// Known is a tenant's runtime if it is open, even while it is being deleted.
func (s *Supervisor) Known(id string) (t *Tenant, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, open = s.tenants[id]
	return t, open
}

// The bounds of a stop beyond the time that it is given.
const (
	// diskGrace is how long a disk may take for one write before its outbox is given up.
	diskGrace = 5 * time.Second
	// killGrace is how long what was killed may take to end: longer than sessions may
	// take to close.
	killGrace = 20 * time.Second
)

// Stop lets every connector finish its step and closes everything (I6). What
// has not finished when ctx ends is killed; what was acknowledged is durable
// either way. It ends in bounded time: an outbox whose disk hangs is given up, which
// is the error then (LogFailed), and left as a crash would leave it.
func (s *Supervisor) Stop(ctx context.Context) error {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return nil
	}
	s.stopped = true
	s.mu.Unlock()
	s.endNow()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.runners.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	s.killNow()
	err := s.ended(done)
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.closeLogs())
}

// ended waits until what was killed has ended, and gives up the outboxes that keep it
// from that.
func (s *Supervisor) ended(done <-chan struct{}) error {
	look, limit := time.NewTicker(diskGrace/5), time.NewTimer(killGrace)
	defer look.Stop()
	defer limit.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-look.C:
			s.mu.Lock()
			for _, t := range s.tenants {
				if t.log.Writing() > diskGrace {
					t.log.Abandon()
				}
			}
			s.mu.Unlock()
		case <-limit.C:
			return fault.New(fault.Internal, "connectors do not end within %s of being killed, and are left to the end of the process", killGrace)
		}
	}
}

// closeLogs closes the outboxes of all tenants, also of those that were leaving: at
// once, so that one that hangs holds up no other. The lock is held.
func (s *Supervisor) closeLogs() error {
	var closing sync.WaitGroup
	errs := make(chan error, len(s.tenants))
	for _, t := range s.tenants {
		closing.Go(func() {
			late := time.AfterFunc(diskGrace, t.log.Abandon)
			defer late.Stop()
			errs <- t.log.Close()
		})
	}
	closing.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

func (s *Supervisor) dirOf(tenant string) string { return filepath.Join(s.cfg.Dir, tenant) }
