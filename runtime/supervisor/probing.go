package supervisor

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// The probes are looked at no more often than once in probeRest, whoever changes
// his mind meanwhile; one whose port cannot be opened is tried again after
// probeRetry.
const (
	probeRest  = 200 * time.Millisecond
	probeRetry = time.Second
)

// stir has the tenant's probes looked at soon, if it has any: what a guest says
// of its health costs nobody anything whose sets are not probed.
func (t *Tenant) stir() {
	if !t.super.cfg.Probes.Any(probeKey(t.name, "")) {
		return
	}
	t.stirred.Store(true)
	select {
	case t.super.stirred <- struct{}{}:
	default:
	}
}

// probing opens and closes the probes' ports, until the supervisor ends.
func (s *Supervisor) probing() {
	defer s.cfg.Probes.Close()
	well := map[string]bool{} // by key, as last seen
	for {
		var again <-chan time.Time
		if !s.showProbes(well) {
			again = time.After(probeRetry)
		}
		select { // what happens together is looked at once
		case <-s.ending.Done():
			return
		case <-time.After(probeRest):
		}
		select {
		case <-s.ending.Done():
			return
		case <-s.stirred:
		case <-again:
		}
	}
}

// showProbes shows every probe as its set is. Only the sets of tenants where
// something happened are looked at. It reports whether all are as they should
// be.
func (s *Supervisor) showProbes(well map[string]bool) (ok bool) {
	ok = true
	sets := map[string]map[string]lifecycle.SetStatus{}
	for _, key := range s.cfg.Probes.Keys() {
		id, name, _ := strings.Cut(key, "/")
		t, open := s.Known(id)
		if _, looked := sets[id]; open && !looked && t.stirred.Swap(false) {
			all, err := t.probed(s.kill)
			if err != nil && s.kill.Err() == nil {
				t.notes.Error("the sets cannot be read", "error", err)
				t.stirred.Store(true)
				ok = false
			}
			sets[id] = all
		}
		if all, looked := sets[id]; looked || !open {
			well[key] = all[name].Health == lifecycle.Healthy
		}
		ok = s.cfg.Probes.Show(s.kill, key, well[key]) && ok
	}
	return ok
}

// probed are the tenant's sets by name, from what is remembered of its specs.
func (t *Tenant) probed(ctx context.Context) (map[string]lifecycle.SetStatus, error) {
	specs, err := t.members.now(ctx, t)
	if err != nil {
		return nil, err
	}
	of := map[string][]lifecycle.SetMember{}
	for id := range specs {
		m := specs[id]
		of[m.set] = append(of[m.set], lifecycle.SetMember{ID: id, Enabled: m.enabled, State: t.state(id), Health: t.health.of(id)})
	}
	all := make(map[string]lifecycle.SetStatus, len(of))
	for name, members := range of {
		all[name] = lifecycle.NewSetStatus(name, members)
	}
	return all, nil
}

// state is a connector's state alone.
func (t *Tenant) state(id string) lifecycle.State {
	t.mu.Lock()
	r, ok := t.runners[id]
	t.mu.Unlock()
	if !ok {
		return lifecycle.Stopped
	}
	return r.state()
}

// membership remembers which connectors of a tenant are in sets, so that a word
// about health does not have all specs read. The zero value knows nothing yet.
type membership struct {
	mu    sync.Mutex
	read  bool // once, and since then kept up to date
	of    map[string]member
	stale map[string]bool // connectors whose specs may have changed
}

type member struct {
	set     string
	enabled bool
}

// maxStale bounds the changes that nobody has looked at; beyond them all is read
// anew.
const maxStale = 1024

// changed says that a connector's spec may be another, or gone.
func (m *membership) changed(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.read {
		return
	}
	if m.stale[id] = true; len(m.stale) > maxStale {
		m.read, m.of, m.stale = false, nil, nil
	}
}

// now is who is in a set.
func (m *membership) now(ctx context.Context, t *Tenant) (map[string]member, error) {
	m.mu.Lock()
	all, stale := !m.read, m.stale
	m.read, m.stale = true, map[string]bool{} // what changes while it is read is read again
	m.mu.Unlock()
	var specs map[string]spec.Connector
	var err error
	if all {
		specs, err = t.specs(ctx)
	} else {
		specs, err = t.some(ctx, stale)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.read = false
		return nil, err
	}
	now := map[string]member{}
	for id, is := range m.of {
		if !all && !stale[id] {
			now[id] = is
		}
	}
	for id := range specs {
		if c := specs[id]; c.Set != "" {
			now[id] = member{c.Set, c.Enabled}
		}
	}
	m.of = now
	return now, nil
}

// some are the specs of these connectors, as far as there are any.
func (t *Tenant) some(ctx context.Context, ids map[string]bool) (map[string]spec.Connector, error) {
	some := make(map[string]spec.Connector, len(ids))
	if len(ids) == 0 {
		return some, nil
	}
	err := t.space.View(ctx, func(r store.Reader) error {
		clear(some)
		for id := range ids {
			e, err := r.Get(store.Connectors, id)
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			var c spec.Connector
			if err := json.Unmarshal(e.Value, &c); err != nil {
				return fault.Wrap(fault.Integrity, err, "connector %s", id)
			}
			some[id] = c
		}
		return nil
	})
	return some, err
}
