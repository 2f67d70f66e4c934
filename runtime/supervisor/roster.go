package supervisor

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// roster is the devices of a connector as its runner has read them. They may be
// many and large, and guests change them with each step, so that only those are
// read again that have changed.
type roster struct {
	mu    sync.Mutex
	read  bool            // all were, once
	stale map[string]bool // that may have changed since

	// The runner's goroutine's.
	list []spec.Device // by id
	own  *ownPlans     // replaced, never changed
}

// maxStaleDevices bounds the changed devices that wait; beyond them all are read.
const maxStaleDevices = 1024

// note notes that devices have changed, of all when none is named.
func (s *roster) note(devices []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(devices) == 0 || len(s.stale)+len(devices) > maxStaleDevices {
		s.read = false
	}
	if !s.read {
		s.stale = nil
		return
	}
	if s.stale == nil {
		s.stale = map[string]bool{}
	}
	for _, id := range devices {
		s.stale[id] = true
	}
}

// take is what has to be read. What changes from now on is read the next time.
func (s *roster) take() (all bool, those map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, those = !s.read, s.stale
	s.read, s.stale = true, nil
	return all, those
}

// roll brings the list up to date, which lists the devices of the connector
// whatever their state.
func (r *runner) roll(ctx context.Context) error {
	s := &r.roster
	all, those := s.take()
	err := r.space.View(ctx, func(rd store.Reader) error {
		if all {
			return r.rollAll(rd)
		}
		for id := range those {
			if err := r.rollOne(rd, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.note(nil)
	}
	return err
}

func (r *runner) rollAll(rd store.Reader) error {
	s := &r.roster
	s.list, s.own = nil, nil
	for d, err := range r.devices.All(rd, r.id) {
		if err != nil {
			return err
		}
		s.list = append(s.list, d)
	}
	s.own = newOwnPlans(slices.Values(s.list))
	return nil
}

func (r *runner) rollOne(rd store.Reader, id string) error {
	s := &r.roster
	d, found, err := r.devices.Lookup(rd, r.id, id)
	if err != nil {
		return err
	}
	at, had := slices.BinarySearchFunc(s.list, id, func(d spec.Device, id string) int { return cmp.Compare(d.ID, id) })
	converts := found && hasPlan(&d) || had && hasPlan(&s.list[at])
	switch {
	case found && had:
		s.list[at] = d
	case found:
		s.list = slices.Insert(s.list, at, d)
	case had:
		s.list = slices.Delete(s.list, at, at+1)
	}
	if converts {
		s.own = newOwnPlans(slices.Values(s.list))
	}
	return nil
}

// The least pause between two rounds for changed devices: so many times what the
// last one took, so that a guest that changes them with each step takes no more
// than a small part of a processor for it.
const (
	restTimes = 8
	mostRest  = 5 * time.Second
)

// rested notes how long the runner was busy with the connector's devices.
func (r *runner) rested(busy time.Duration) { r.pause = min(restTimes*busy, mostRest) }

// DevicesChanged lets the connector's lanes follow its devices: those that are
// named, or all. It waits for nothing.
func (t *Tenant) DevicesChanged(connector string, devices ...string) {
	t.twins.Refresh(connector, devices...)
	t.mu.Lock()
	r, ok := t.runners[connector]
	t.mu.Unlock()
	if !ok {
		return // whoever runs it next reads all
	}
	r.roster.note(devices)
	r.pokeDevices()
}

func (r *runner) pokeDevices() {
	select {
	case r.moving <- struct{}{}:
	default:
	}
}
