package supervisor

import (
	"context"
	"os"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// ApplyCeiling makes what the store says of a tenant's ceiling count now. A
// guest that runs keeps the limits it was started with until it is started
// again; what all of the tenant's have together counts at once.
func (s *Supervisor) ApplyCeiling(id string) error {
	s.lockOpened(id)
	t, open := s.tenants[id]
	s.mu.Unlock()
	if !open {
		return nil // it is read when the tenant is opened
	}
	ceiling, err := s.ceilingOf(id)
	if err != nil {
		return err
	}
	t.ceiling.Store(&ceiling)
	s.cfg.Engine.SetBudget(id, engine.Budget{MemoryBytes: ceiling.MemoryBytes, CPU: ceiling.CPU})
	return nil
}

// RemoveTenant stops whatever of a tenant runs, and removes its connectors and
// its outbox. The tenant's record says by then that it is being deleted, so that
// nobody opens it again: there are never two writers of one outbox. It can be
// done again after a failure.
func (s *Supervisor) RemoveTenant(ctx context.Context, id string) error {
	if err := store.CheckTenant(id); err != nil { // before a folder is named after it
		return err
	}
	s.lockOpened(id)
	t, open := s.tenants[id]
	if open {
		t.leaving = true
	}
	s.mu.Unlock()
	if open {
		if err := t.leave(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		delete(s.tenants, id)
		s.mu.Unlock()
	}
	if err := os.RemoveAll(s.dirOf(id)); err != nil {
		return fault.Wrap(fault.Internal, err, "outbox of the tenant %s", id)
	}
	s.cfg.Engine.SetBudget(id, engine.Budget{})
	return nil
}

// leave takes the connectors away, waits until none runs, and closes the outbox.
func (t *Tenant) leave(ctx context.Context) error {
	if err := store.Empty(ctx, t.space, store.Connectors, ""); err != nil {
		return err
	}
	for connector := range t.Running() {
		if err := t.Remove(ctx, connector); err != nil {
			return err
		}
	}
	return t.log.Close()
}
