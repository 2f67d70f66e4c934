package control

import (
	"context"
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// TenantView is a tenant as its operator sees it.
type TenantView struct {
	spec.Tenant
	Revision uint64
	// Operator says that it operates the server.
	Operator bool
	// Connectors, Modules and Users are how many it has. A list does not count.
	Connectors, Modules, Users int
	// HeldBytes is what the host holds in its memory for the tenant now, beside
	// the guests. A list does not say it.
	HeldBytes uint64
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

// recordOf is a tenant without what it has, or fault.NotFound.
func (t *Tenant) recordOf(r store.Reader, id string) (v TenantView, err error) {
	e, err := r.Get(store.Tenants, id)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) { // too long to be one
		return v, noTenant(id)
	}
	if err != nil {
		return v, err
	}
	return t.tenantView(e)
}

// tenantRecord is recordOf in a transaction of its own.
func (t *Tenant) tenantRecord(ctx context.Context, id string) (v TenantView, err error) {
	err = t.cfg.Store.System().View(ctx, func(r store.Reader) error {
		v, err = t.recordOf(r, id)
		return err
	})
	return v, err
}

// staying refuses a tenant that is being deleted.
func (v *TenantView) staying() error {
	if v.Deleting.IsZero() {
		return nil
	}
	return fault.New(fault.WrongState, "the tenant %s is being deleted", v.ID).
		WithHint("Delete it again to finish what was cut off; a start of the server does that, too.")
}

func (t *Tenant) readTenant(ctx context.Context, id string) (v TenantView, err error) {
	if v, err = t.tenantRecord(ctx, id); err != nil || !v.Deleting.IsZero() {
		return v, err
	}
	return t.counted(ctx, v)
}

// counted is a tenant with how much of what it has.
func (t *Tenant) counted(ctx context.Context, v TenantView) (TenantView, error) {
	err := t.cfg.Store.System().View(ctx, func(r store.Reader) (err error) {
		v.Users, err = count(r, store.Users, v.ID+"/")
		return err
	})
	if err != nil {
		return TenantView{}, err
	}
	if runs, open := t.cfg.Supervisor.Known(v.ID); open {
		v.HeldBytes = runs.Held() + t.tickets.heldBy(runs)
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
	done, err := t.coming.take(id)
	if err != nil {
		return TenantView{}, err
	}
	defer done()
	if err := t.cfg.Store.System().View(ctx, func(r store.Reader) error { return vacant(r, id) }); err != nil {
		return TenantView{}, err
	}
	// What whoever had the id before may have left is no business of the next.
	if err := t.cfg.scrub(ctx, id); err != nil {
		return TenantView{}, err
	}
	v := TenantView{Tenant: spec.Tenant{ID: id, Created: time.Now().UTC(), Ceiling: ceiling}}
	err = t.cfg.Store.System().Update(ctx, func(w store.Writer) error {
		if err := vacant(w, id); err != nil {
			return err
		}
		if v.Revision, err = putTenant(w, &v.Tenant); err != nil {
			return err
		}
		return identity.Append(w, t.tenantEvent(identity.TenantCreate, id, ""))
	})
	if err != nil {
		return TenantView{}, err
	}
	return v, nil // it has nothing yet
}

// vacant refuses an id that a tenant has, also one that is being deleted.
func vacant(r store.Reader, id string) error {
	_, err := r.Get(store.Tenants, id)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return fault.New(fault.Exists, "a tenant %q exists already", id)
}

func putTenant(w store.Writer, tenant *spec.Tenant) (revision uint64, err error) {
	raw, err := json.Marshal(tenant)
	if err != nil {
		return 0, fault.Wrap(fault.Internal, err, "tenant")
	}
	return w.Put(store.Tenants, tenant.ID, raw)
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
	var v TenantView
	event := t.tenantEvent(identity.LimitsChange, id, "the ceiling is now "+string(raw))
	err = t.cfg.Store.System().Update(ctx, func(w store.Writer) error {
		if v, err = t.recordOf(w, id); err != nil {
			return err
		}
		if err := v.staying(); err != nil {
			return err
		}
		if err := v.current(revision); err != nil {
			return err
		}
		v.Ceiling = ceiling
		if v.Revision, err = putTenant(w, &v.Tenant); err != nil {
			return err
		}
		return identity.Append(w, event)
	})
	if err != nil {
		return TenantView{}, err
	}
	t.tell(ctx, id, event)
	if err := t.cfg.Supervisor.ApplyCeiling(id); err != nil {
		t.cfg.Log.Error("the ceiling of a tenant counts from the next start on", "tenant", id, "error", err)
	}
	if counted, err := t.counted(ctx, v); err == nil { // it is set, counted or not
		return counted, nil
	}
	return v, nil
}

// current refuses a change that was made against another revision.
func (v *TenantView) current(revision uint64) error {
	if revision != 0 && revision != v.Revision {
		return fault.New(fault.StaleRevision, "the tenant %s is at revision %d, not %d", v.ID, v.Revision, revision)
	}
	return nil
}

// InviteUser makes a user of another tenant, such as its first administrator,
// and the one-time link by which they set their password.
func (t *Tenant) InviteUser(ctx context.Context, tenant, name string, role identity.Role) (user identity.User, link string, expires time.Time, err error) {
	if err := t.may(ctx, identity.Tenants, identity.Write); err != nil {
		return user, "", expires, err
	}
	if err := t.mayGive(role); err != nil {
		return user, "", expires, err
	}
	v, err := t.tenantRecord(ctx, tenant)
	if err == nil {
		err = v.staying()
	}
	if err != nil {
		return user, "", expires, err
	}
	if user, link, expires, err = t.cfg.Users.Invite(ctx, t.who, tenant, name, role); err != nil {
		return user, "", expires, err
	}
	t.tell(ctx, tenant, identity.Event{Who: t.who, Action: identity.UserCreate, On: user.Name, Outcome: identity.Done, Detail: string(role)})
	return user, link, expires, nil
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
