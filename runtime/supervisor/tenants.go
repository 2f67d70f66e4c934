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
	s.mu.Lock()
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

// RemoveTenant stops whatever of a tenant still runs and removes all that this
// node keeps of it: its outbox, and every entry of its space. Its connectors'
// specs are to be gone by then. It can be done again after a failure.
func (s *Supervisor) RemoveTenant(ctx context.Context, id string) error {
	t, err := s.Tenant(id)
	if err != nil {
		return err
	}
	for connector := range t.Running() {
		if err := t.Remove(ctx, connector); err != nil {
			return err
		}
	}
	s.mu.Lock()
	delete(s.tenants, id)
	s.mu.Unlock()
	if err := t.log.Close(); err != nil {
		return err
	}
	for _, b := range store.Buckets() {
		if err := t.empty(ctx, b, ""); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(s.dirOf(id)); err != nil {
		return fault.Wrap(fault.Internal, err, "outbox of the tenant %s", id)
	}
	s.cfg.Engine.SetBudget(id, engine.Budget{})
	return nil
}
