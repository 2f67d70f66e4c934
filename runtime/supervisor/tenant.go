package supervisor

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/device"
	"github.com/snaprail/snaprail/runtime/device/twin"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/interlock"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Tenant is one tenant's runtime: its outbox, its converters, its connectors.
type Tenant struct {
	name       string // its id
	super      *Supervisor
	ceiling    atomic.Pointer[spec.Ceiling] // the tenant's own, with the server's default behind it
	cores      cores
	space      store.Space
	vault      *secret.Vault
	book       *param.Book
	modules    loader
	log        *outbox.Log
	converters *actor.Converters
	devices    *device.Book
	keeper     *device.Keeper
	following  following
	notes      *slog.Logger

	leaving bool // it is being deleted; guarded by super.mu

	mu      sync.Mutex
	runners map[string]*runner

	exchanges exchanges
	waits     waits
	twins     *twin.Twins

	interlocks *interlock.Interlocks
	locks      locks

	tests    places // of what is tested beside what runs
	trials   places // of converters that are tried out
	previews previews

	feeds feeds
	aside aside

	health healths

	purse   *purse
	members membership  // of sets
	stirred atomic.Bool // the probes of the tenant's sets are to be looked at

	// journals outlive runners, so that the end of a log can be read.
	writing  sync.Mutex
	journals map[string]*Journal
}

func (s *Supervisor) openTenant(id string) (*Tenant, error) {
	space, err := s.cfg.Store.Tenant(id)
	if err != nil {
		return nil, err
	}
	ceiling, err := s.ceilingOf(id) // before anything is made for what is no tenant
	if err != nil {
		return nil, err
	}
	shelf, err := s.cfg.Catalog.Tenant(id)
	if err != nil {
		return nil, err
	}
	if err := shelf.Reindex(s.kill); err != nil {
		return nil, err
	}
	if err := nameTypes(s.kill, space); err != nil {
		return nil, err
	}
	vault, err := s.cfg.Secrets.Vault(s.kill, id)
	if err == nil {
		err = vault.Learn(s.kill, space)
	}
	if err != nil {
		return nil, err
	}
	t := &Tenant{
		name: id, super: s, space: space, vault: vault, book: param.NewBook(vault), notes: maskedLog(s.cfg.Log, vault.Mask()).With("tenant", id),
		runners: map[string]*runner{}, journals: map[string]*Journal{},
		tests: make(places, testsAtOnce), trials: make(places, 1), purse: newPurse(),
	}
	t.devices = device.NewBook(0, 0)
	t.keeper = device.NewKeeper(t.devices, space)
	t.ceiling.Store(&ceiling)
	s.cfg.Engine.SetBudget(id, engine.Budget{MemoryBytes: ceiling.MemoryBytes, CPU: ceiling.CPU})
	t.modules = loader{tenant: t.name, shelf: shelf, engine: s.cfg.Engine}
	cfg := s.cfg.Outbox
	cfg.Log = t.notes
	if cfg.Known, err = t.lastApplied(s.kill); err != nil {
		return nil, err
	}
	if t.log, err = outbox.Open(s.dirOf(id), cfg); err != nil {
		return nil, err
	}
	t.converters = actor.NewConverters(actor.ConvertersConfig{
		Engine: s.cfg.Engine, Tenant: id, Groups: s.cfg.Groups, Log: t.notes, Mask: vault.Mask().Text,
		Line: func(level abi.LogLevel, source, target, text string) {
			t.notes.Log(s.kill, slogLevel(level), text, "source", source, "target", target, "module", "converter")
		},
	})
	t.twins = twin.New(twin.Config{Space: space, Outbox: t.log, Log: t.notes})
	t.interlocks = interlock.New(interlock.Config{Space: space, Readings: readings{t.twins}})
	s.runners.Go(func() { t.twins.Run(s.ending) })
	return t, nil
}

// start applies what a crash left unapplied, purges what a delete left behind,
// and starts the enabled connectors.
func (t *Tenant) start(ctx context.Context) error {
	specs, err := t.specs(ctx)
	if err != nil {
		return err
	}
	for id := range t.log.Connectors() {
		if _, ok := specs[id]; ok {
			err = t.replay(ctx, id)
		} else {
			err = t.Purge(ctx, id)
		}
		if err != nil { // one connector's trouble is not the others'; it is tried again when it starts
			t.notes.Error("what a crash left unapplied cannot be applied", "connector", id, "error", err)
		}
	}
	// Behind the blocks, which may have devices that were to be kept until now.
	if err := forgetMemory(ctx, t.space); err != nil {
		return err
	}
	for id, c := range specs {
		if c.Enabled {
			t.Reconcile(id)
		}
	}
	return nil
}

func (t *Tenant) specs(ctx context.Context) (map[string]spec.Connector, error) {
	all := map[string]spec.Connector{}
	err := t.space.View(ctx, func(r store.Reader) error {
		for e, err := range store.All(r, store.Connectors, "") {
			if err != nil {
				return err
			}
			var c spec.Connector
			if err := json.Unmarshal(e.Value, &c); err != nil {
				return fault.Wrap(fault.Integrity, err, "connector %s", e.ID)
			}
			all[e.ID] = c
		}
		return nil
	})
	return all, err
}

// desired is the connector's spec; nil: it must not run.
func (t *Tenant) desired(ctx context.Context, id string) (*spec.Connector, error) {
	var c spec.Connector
	err := t.space.View(ctx, func(r store.Reader) error {
		e, err := r.Get(store.Connectors, id)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(e.Value, &c); err != nil {
			return fault.Wrap(fault.Integrity, err, "connector %s", id)
		}
		return nil
	})
	if fault.Is(err, fault.NotFound) || (err == nil && !c.Enabled) {
		return nil, nil //nolint:nilnil // nothing is desired, and that is no fault
	}
	return &c, err
}

// exists reports whether the connector has a spec.
func (t *Tenant) exists(ctx context.Context, id string) (exists bool, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		_, err := r.Get(store.Connectors, id)
		exists = err == nil
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		return err
	})
	return exists, err
}

// Reconcile makes the connector's desired state true, soon: its spec may be
// another.
func (t *Tenant) Reconcile(id string) {
	t.Respecified(id)
	t.members.changed(id)
	defer t.stir()
	t.twins.Refresh(id)
	t.super.mu.Lock()
	defer t.super.mu.Unlock()
	if t.super.stopped || t.leaving {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, ok := t.runners[id]; ok {
		r.poke()
		return
	}
	r := t.newRunner(id)
	t.runners[id] = r
	t.super.runners.Go(func() { r.run(t.super.kill) })
}

// retire takes a runner out that has nothing to do, unless it was poked in the
// meantime.
func (t *Tenant) retire(r *runner) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-r.changed:
		return false
	default:
	}
	delete(t.runners, r.id)
	close(r.gone)
	return true
}

// Remove stops a connector whose spec is gone and purges what it left. When
// ctx ends before it has stopped, the runner does the rest by itself.
func (t *Tenant) Remove(ctx context.Context, id string) error {
	t.members.changed(id)
	defer t.stir()
	t.mu.Lock()
	r, ok := t.runners[id]
	t.mu.Unlock()
	if !ok {
		return t.Purge(ctx, id)
	}
	r.poke()
	select {
	case <-r.gone:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Timeout, "the connector is deleted, and has not stopped yet").
			WithHint("it stops by itself; the ports that it holds are free when its call ends")
	}
}

// Status is what is known of a connector now. One that does not run is
// stopped, or a draft when it never ran.
func (t *Tenant) Status(c *spec.Connector) lifecycle.Status {
	t.mu.Lock()
	r, ok := t.runners[c.ID]
	t.mu.Unlock()
	if ok {
		s := t.spoken(r.id, r.status())
		s.Health = t.health.of(c.ID)
		return s
	}
	state := lifecycle.Stopped
	if c.Status == spec.StatusDraft && c.LastTestedAt.IsZero() { // one that was changed since is no draft
		state = lifecycle.Draft
	}
	status := lifecycle.Status{State: state, Since: c.Updated, Module: c.Module, Revision: c.Revision, Health: lifecycle.Undeclared}
	if c.Status == spec.StatusError {
		status.Reason, status.Code = "the connection test failed: "+c.StatusMessage, fault.NotConnected.String()
	}
	return status
}

// Await waits until the connector's runner has handled the revision, or ctx
// ends; whatever it came to is in the status.
func (t *Tenant) Await(ctx context.Context, id string, revision uint64) error {
	t.mu.Lock()
	r, ok := t.runners[id]
	t.mu.Unlock()
	if !ok {
		return nil
	}
	return r.await(ctx, revision)
}

// Outbox is the tenant's log, for readers.
func (t *Tenant) Outbox() *outbox.Log { return t.log }

// Twins are the twins of the tenant's devices.
func (t *Tenant) Twins() *twin.Twins { return t.twins }

// Journal is the connector's log lines.
func (t *Tenant) Journal(id string) *Journal {
	t.writing.Lock()
	defer t.writing.Unlock()
	j, ok := t.journals[id]
	if !ok {
		j = newJournal(t.vault.Mask())
		t.journals[id] = j
	}
	return j
}

// Converters are the figures of the tenant's converters.
func (t *Tenant) Converters() actor.ConvertersStats { return t.converters.Stats() }

// account is the connector's, within the tenant's own.
func (t *Tenant) account(id string) string { return t.name + "/" + id }

// newActor makes the actor of a lane.
func (t *Tenant) newActor(l *lane, epoch uint64) *actor.Actor {
	cfg := t.actorConfig(l.id, l.name, l.host)
	cfg.Common, cfg.Epoch, cfg.Health = l.of.common, epoch, t.declares(l.id)
	cfg.Exchange, cfg.Peers = t.Exchange(l.id), t.peersOf(l.id)
	return actor.New(cfg)
}

// newSandbox makes an actor for guests beside those that run, which keeps
// nothing and says nothing of what runs.
func (t *Tenant) newSandbox(id, lane, account string, h *host) *actor.Actor {
	cfg := t.actorConfig(id, lane, sandboxed{h})
	cfg.Account = t.account(id) + account
	return actor.New(cfg)
}

func (t *Tenant) actorConfig(id, lane string, h actor.Host) actor.Config {
	state, _ := t.log.LaneState(id, lane)
	return actor.Config{
		Connector: id, Lane: lane, Tenant: t.name, Engine: t.super.cfg.Engine, Groups: t.super.cfg.Groups, Host: h,
		Resume: state, Mask: t.vault.Mask().Text, Log: t.notes.With("connector", id), Locks: t.locksOf(id), Purse: t.purse,
		Place: t.tests.take, Sealed: t.sealedOf(id), Files: files{t.space, id},
	}
}

// stopTimeout is how long a connector may take to stop.
const stopTimeout = 10 * time.Second

// Running is the status of every connector that has a runner.
func (t *Tenant) Running() map[string]lifecycle.Status {
	t.mu.Lock()
	runners := make([]*runner, 0, len(t.runners))
	for _, r := range t.runners {
		runners = append(runners, r)
	}
	t.mu.Unlock()
	all := make(map[string]lifecycle.Status, len(runners))
	for _, r := range runners {
		all[r.id] = t.spoken(r.id, r.status())
	}
	return all
}
