package control

import (
	"context"
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// TenantView is a tenant as its operator sees it.
type TenantView struct {
	spec.Tenant
	Revision uint64
	// Operator says that it operates the server.
	Operator bool
	// Connectors, Modules and Users are how many it has. A list does not count.
	Connectors, Modules, Users int
}

// TenantList is a page of all tenants, by id. Only administrators of the
// operator's tenant see, make, change and delete tenants.
func (t *Tenant) TenantList(ctx context.Context, p Page) (list []TenantView, next string, err error) {
	if err := t.may(ctx, identity.Tenants, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	err = t.cfg.Store.System().View(ctx, func(r store.Reader) error {
		list = nil
		entries, err := r.List(store.Tenants, "", p.After, limit)
		if err != nil {
			return err
		}
		for _, e := range entries {
			v, err := t.tenantView(e)
			if err != nil {
				return err
			}
			list = append(list, v)
		}
		return nil
	})
	if len(list) == limit {
		next = list[limit-1].ID
	}
	return list, next, err
}

func (t *Tenant) tenantView(e store.Entry) (v TenantView, err error) {
	if err := json.Unmarshal(e.Value, &v.Tenant); err != nil {
		return v, fault.Wrap(fault.Integrity, err, "tenant %s", e.ID)
	}
	v.Revision, v.Operator = e.Version, e.ID == t.cfg.Operator
	return v, nil
}

// ShowTenant is one tenant with what it has, or fault.NotFound.
func (t *Tenant) ShowTenant(ctx context.Context, id string) (TenantView, error) {
	if err := t.may(ctx, identity.Tenants, identity.Read); err != nil {
		return TenantView{}, err
	}
	return t.readTenant(ctx, id)
}

func (t *Tenant) readTenant(ctx context.Context, id string) (v TenantView, err error) {
	system := t.cfg.Store.System()
	err = system.View(ctx, func(r store.Reader) error {
		e, err := r.Get(store.Tenants, id)
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) { // too long to be one
			return noTenant(id)
		}
		if err != nil {
			return err
		}
		if v, err = t.tenantView(e); err != nil {
			return err
		}
		v.Users, err = count(r, store.Users, id+"/")
		return err
	})
	if err != nil {
		return TenantView{}, err
	}
	space, err := t.cfg.Store.Tenant(v.ID)
	if err != nil {
		return TenantView{}, err
	}
	err = space.View(ctx, func(r store.Reader) error {
		if v.Connectors, err = count(r, store.ConnectorNames, ""); err != nil {
			return err
		}
		v.Modules, err = count(r, store.Modules, "")
		return err
	})
	return v, err
}

func noTenant(id string) error { return fault.New(fault.NotFound, "there is no tenant %.80q", id) }

func count(r store.Reader, b store.Bucket, prefix string) (n int, err error) {
	for _, err := range store.All(r, b, prefix) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// CreateTenant makes a tenant, with a ceiling of its own or the server's. One
// that is there is fault.Exists.
func (t *Tenant) CreateTenant(ctx context.Context, id string, ceiling spec.Ceiling) (TenantView, error) {
	if err := t.may(ctx, identity.Tenants, identity.Write); err != nil {
		return TenantView{}, err
	}
	if err := store.CheckTenant(id); err != nil {
		return TenantView{}, err
	}
	if err := t.checkCeiling(ceiling); err != nil {
		return TenantView{}, err
	}
	raw, err := json.Marshal(spec.Tenant{ID: id, Created: time.Now().UTC(), Ceiling: ceiling})
	if err != nil {
		return TenantView{}, fault.Wrap(fault.Internal, err, "tenant")
	}
	err = t.cfg.Store.System().Update(ctx, func(w store.Writer) error {
		_, err := w.PutIf(store.Tenants, id, raw, 0)
		if fault.Is(err, fault.Exists) {
			return fault.New(fault.Exists, "a tenant %q exists already", id)
		}
		if err != nil {
			return err
		}
		return identity.Append(w, t.tenantEvent(identity.TenantCreate, id, ""))
	})
	if err != nil {
		return TenantView{}, err
	}
	return t.readTenant(ctx, id)
}

// tenantEvent is what was done to a tenant, for the server's own trail.
func (t *Tenant) tenantEvent(action identity.Action, id, detail string) identity.Event {
	return identity.Event{Who: t.who, Tenant: id, Action: action, On: "tenant " + id, Outcome: identity.Done, Detail: detail}
}

// SetCeiling says what a tenant may have: its ceiling, its quota, and what its
// users may grant. revision is the one that the caller read; 0: whatever is
// there. See supervisor.ApplyCeiling for when it counts.
func (t *Tenant) SetCeiling(ctx context.Context, id string, ceiling spec.Ceiling, revision uint64) (TenantView, error) {
	if err := t.may(ctx, identity.Tenants, identity.Write); err != nil {
		return TenantView{}, err
	}
	if err := t.checkCeiling(ceiling); err != nil {
		return TenantView{}, err
	}
	raw, err := json.Marshal(ceiling)
	if err != nil {
		return TenantView{}, fault.Wrap(fault.Internal, err, "ceiling")
	}
	event := t.tenantEvent(identity.LimitsChange, id, "the ceiling is now "+string(raw))
	err = t.cfg.Store.System().Update(ctx, func(w store.Writer) error {
		e, err := w.Get(store.Tenants, id)
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
			return noTenant(id)
		}
		if err != nil {
			return err
		}
		if revision != 0 && revision != e.Version {
			return fault.New(fault.StaleRevision, "the tenant %s is at revision %d, not %d", id, e.Version, revision)
		}
		v, err := t.tenantView(e)
		if err != nil {
			return err
		}
		v.Ceiling = ceiling
		raw, err := json.Marshal(v.Tenant)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "tenant")
		}
		if _, err := w.Put(store.Tenants, id, raw); err != nil {
			return err
		}
		return identity.Append(w, event)
	})
	if err != nil {
		return TenantView{}, err
	}
	if err := t.tell(ctx, id, event); err != nil {
		return TenantView{}, err
	}
	if err := t.cfg.Supervisor.ApplyCeiling(id); err != nil {
		return TenantView{}, err
	}
	return t.readTenant(ctx, id)
}

// InviteUser makes a user of another tenant, such as its first administrator,
// and the one-time link by which they set their password.
func (t *Tenant) InviteUser(ctx context.Context, tenant, name string, role identity.Role) (user identity.User, link string, expires time.Time, err error) {
	if err := t.may(ctx, identity.Tenants, identity.Write); err != nil {
		return user, "", expires, err
	}
	if _, err := t.readTenant(ctx, tenant); err != nil {
		return user, "", expires, err
	}
	if user, err = t.cfg.Users.Add(ctx, t.who, tenant, name, role); err != nil {
		return user, "", expires, err
	}
	event := identity.Event{Who: t.who, Action: identity.UserCreate, On: user.Name, Outcome: identity.Done, Detail: string(role)}
	if err := t.tell(ctx, tenant, event); err != nil {
		return user, "", expires, err
	}
	link, expires, err = t.cfg.Users.Link(ctx, t.who, tenant, name)
	return user, link, expires, err
}

// tell puts into a tenant's own trail what the server's has already.
func (t *Tenant) tell(ctx context.Context, id string, e identity.Event) error {
	space, err := t.cfg.Store.Tenant(id)
	if err != nil {
		return err
	}
	e.Tenant = ""
	return identity.Record(ctx, space, e)
}

// checkCeiling refuses limits that no server allows, and lists of grants for
// groups that there are none of.
func (t *Tenant) checkCeiling(c spec.Ceiling) error {
	f := findings{}
	limits := limitCheck{wrong: f.wrong, above: f.wrong}
	limits.check("/ceiling/connector", &c.Connector)
	if c.CPU < 0 {
		f.wrong("/ceiling/cpu", "is a number of cores")
	}
	t.checkGrants(c.Grantable, func(pointer, format string, args ...any) { f.wrong("/ceiling"+pointer, format, args...) })
	if len(f.bad) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "the ceiling is not valid: %s", summary(f.bad)).WithFields(f.bad...)
}

// DeleteTenant stops a tenant and removes all that it has: credentials first,
// then connectors, modules, records, secrets and state. The operator's own
// tenant stays. What fails in the middle can be done again.
func (t *Tenant) DeleteTenant(ctx context.Context, id string, revision uint64) error {
	if err := t.may(ctx, identity.Tenants, identity.Write); err != nil {
		return err
	}
	if id == t.id {
		return fault.New(fault.WrongState, "the tenant that operates the server cannot be deleted")
	}
	v, err := t.readTenant(ctx, id)
	if err != nil {
		return err
	}
	if revision != 0 && revision != v.Revision {
		return fault.New(fault.StaleRevision, "the tenant %s is at revision %d, not %d", id, v.Revision, revision)
	}
	if err := t.disarm(ctx, id); err != nil {
		return err
	}
	if err := t.clear(ctx, id); err != nil {
		return err
	}
	return t.cfg.Store.System().Update(ctx, func(w store.Writer) error {
		if t.cfg.Secrets != nil {
			if err := t.cfg.Secrets.Forget(w, id); err != nil {
				return err
			}
		}
		if err := w.Delete(store.Tenants, id); err != nil {
			return err
		}
		return identity.Append(w, t.tenantEvent(identity.TenantDelete, id, ""))
	})
}

// disarm takes everybody's credentials, so that nobody begins anything.
func (t *Tenant) disarm(ctx context.Context, id string) error {
	if err := t.cfg.tokens().DropTenant(ctx, id); err != nil {
		return err
	}
	return t.cfg.Users.DropTenant(ctx, id)
}

// clear removes what a tenant has, the connectors first.
func (t *Tenant) clear(ctx context.Context, id string) error {
	space, err := t.cfg.Store.Tenant(id)
	if err != nil {
		return err
	}
	if err := empty(ctx, space, store.Connectors); err != nil {
		return err
	}
	shelf, err := t.cfg.Catalog.Tenant(id)
	if err != nil {
		return err
	}
	runtime, err := t.cfg.Supervisor.Tenant(id)
	if err != nil {
		return err
	}
	if err := stopAll(ctx, runtime); err != nil {
		return err
	}
	if err := t.cfg.Adapters.Remove(id); err != nil {
		return err
	}
	for {
		list, err := shelf.List(ctx, "", 100)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return t.cfg.Supervisor.RemoveTenant(ctx, id)
		}
		for _, m := range list {
			if err := shelf.Delete(ctx, m.Digest, func(store.Reader) error { return nil }); err != nil {
				return err
			}
		}
	}
}

func stopAll(ctx context.Context, runtime *supervisor.Tenant) error {
	for connector := range runtime.Running() {
		if err := runtime.Remove(ctx, connector); err != nil {
			return err
		}
	}
	return nil
}

// empty deletes a bucket's entries, a transaction's worth at a time.
func empty(ctx context.Context, space store.Space, b store.Bucket) error {
	const batch = 500
	for n := batch; n == batch; {
		err := space.Update(ctx, func(w store.Writer) error {
			entries, err := w.List(b, "", "", batch)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if err := w.Delete(b, e.ID); err != nil {
					return err
				}
			}
			n = len(entries)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
