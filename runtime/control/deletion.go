package control

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// coming are the tenants that are coming or going now. Each is in one pair of
// hands, so that nobody removes what somebody else just made.
type coming struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

func newComing() *coming { return &coming{ids: map[string]struct{}{}} }

// take takes an id, until done. One that is taken is fault.WrongState.
func (c *coming) take(id string) (done func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, taken := c.ids[id]; taken {
		return nil, fault.New(fault.WrongState, "the tenant %s is being made or deleted", id).WithHint("Wait until that is done.")
	}
	c.ids[id] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.ids, id)
	}, nil
}

// DeleteTenant stops a tenant and removes all that it has: credentials first,
// then connectors, secrets, modules, records and state. The operator's own
// tenant stays. The first thing is a mark in its record, by which nobody opens
// the tenant any more; what fails after that is finished by doing it again, or
// by the next start.
func (t *Tenant) DeleteTenant(ctx context.Context, id string, revision uint64) error {
	if err := t.may(ctx, identity.Tenants, identity.Write); err != nil {
		return err
	}
	if id == t.id {
		return fault.New(fault.WrongState, "the tenant that operates the server cannot be deleted")
	}
	done, err := t.coming.take(id)
	if err != nil {
		return err
	}
	defer done()
	if err := t.markDeleting(ctx, id, revision); err != nil {
		return err
	}
	return t.cfg.remove(ctx, id, t.tenantEvent(identity.TenantDelete, id, ""))
}

// markDeleting begins the deletion, unless it has begun already.
func (t *Tenant) markDeleting(ctx context.Context, id string, revision uint64) error {
	return t.cfg.Store.System().Update(ctx, func(w store.Writer) error {
		v, err := t.recordOf(w, id)
		if err != nil || !v.Deleting.IsZero() {
			return err
		}
		if err := v.current(revision); err != nil {
			return err
		}
		v.Deleting = time.Now().UTC()
		if _, err := putTenant(w, &v.Tenant); err != nil {
			return err
		}
		return identity.Append(w, t.tenantEvent(identity.TenantDelete, id, "begun"))
	})
}

// FinishDeletions finishes what was cut off of deletions of tenants. It belongs
// before the start of the others.
func (s *Service) FinishDeletions(ctx context.Context) error {
	ids, err := s.leaving(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, s.finishDeletion(ctx, id))
	}
	return errors.Join(errs...)
}

func (s *Service) finishDeletion(ctx context.Context, id string) error {
	done, err := s.coming.take(id)
	if err != nil {
		return err
	}
	defer done()
	return s.cfg.remove(ctx, id, identity.Event{
		Who: identity.Who{Kind: identity.ByServer}, Tenant: id, Action: identity.TenantDelete, On: "tenant " + id,
		Outcome: identity.Done, Detail: "finished after it was cut off",
	})
}

// leaving are the ids of the tenants whose deletion has begun.
func (s *Service) leaving(ctx context.Context) (ids []string, err error) {
	err = s.cfg.Store.System().View(ctx, func(r store.Reader) error {
		ids = nil
		for e, err := range store.All(r, store.Tenants, "") {
			if err != nil {
				return err
			}
			var tenant spec.Tenant
			if err := json.Unmarshal(e.Value, &tenant); err != nil {
				return fault.Wrap(fault.Integrity, err, "tenant %s", e.ID)
			}
			if !tenant.Deleting.IsZero() {
				ids = append(ids, e.ID)
			}
		}
		return nil
	})
	return ids, err
}

// remove removes what a marked tenant has, and its record last.
func (cfg *Config) remove(ctx context.Context, id string, event identity.Event) error {
	if err := cfg.scrub(ctx, id); err != nil {
		return err
	}
	return cfg.Store.System().Update(ctx, func(w store.Writer) error {
		if err := w.Delete(store.Tenants, id); err != nil {
			return err
		}
		return identity.Append(w, event)
	})
}

// scrub removes whatever there is of a tenant that nobody can open: it has no
// record, or one that is marked. Each step can be done again.
func (cfg *Config) scrub(ctx context.Context, id string) error {
	for _, step := range []func() error{
		func() error { return cfg.tokens().DropTenant(ctx, id) },
		func() error { return cfg.Users.DropTenant(ctx, id) },
		func() error { return cfg.Supervisor.RemoveTenant(ctx, id) },
		func() error { return cfg.Secrets.Forget(ctx, id) }, // nobody holds the vault any more
		func() error { return cfg.clearShelf(ctx, id) },
		func() error { return cfg.Adapters.Remove(id) },
		func() error { return cfg.Store.Drop(ctx, id) }, // whoever is at work in it yet is done by then
	} {
		if err := step(); err != nil {
			return err
		}
	}
	cfg.Audit.Forget(id)
	return nil
}

// clearShelf deletes the tenant's modules, with those files that nobody else
// needs.
func (cfg *Config) clearShelf(ctx context.Context, id string) error {
	shelf, err := cfg.Catalog.Tenant(id)
	if err != nil {
		return err
	}
	for {
		list, err := shelf.List(ctx, "", 100)
		if fault.Is(err, fault.NotFound) || (err == nil && len(list) == 0) { // it was dropped already, or is bare
			return nil
		}
		if err != nil {
			return err
		}
		for _, m := range list {
			if err := shelf.Delete(ctx, m.Digest, func(store.Reader) error { return nil }); err != nil {
				return err
			}
		}
	}
}
