package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// settle is how long a change waits for the supervisor to act upon it, so that
// the answer already shows what came of it.
const settle = 5 * time.Second

// CreateConnector makes a connector, as a draft.
func (t *Tenant) CreateConnector(ctx context.Context, in ConnectorInput) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return ConnectorView{}, err
	}
	if err := t.propose(ctx, &in); err != nil {
		return ConnectorView{}, err
	}
	if err := t.check(ctx, &in); err != nil {
		t.refusal(identity.ConnectorCreate, &spec.Connector{Name: in.Name}, err)
		return ConnectorView{}, err
	}
	now := time.Now().UTC()
	id, err := newID("con")
	if err != nil {
		return ConnectorView{}, err
	}
	var c spec.Connector
	err = t.space.Update(ctx, func(w store.Writer) error {
		c = spec.Connector{ID: id, Status: spec.StatusDraft, Created: now}
		if err := in.present(w); err != nil {
			return err
		}
		if _, err := t.consented(w, &c, &in, now); err != nil {
			return err
		}
		if err := takeName(w, in.Name, id); err != nil {
			return err
		}
		in.apply(&c, t.by(), now)
		c.Revision = 1
		if err := identity.Append(w, t.changes(identity.ConnectorCreate, &spec.Connector{}, &c)...); err != nil {
			return err
		}
		return save(w, &c)
	})
	if err != nil {
		return ConnectorView{}, err
	}
	return t.warned(ctx, t.view(c))
}

// Connectors is a page of the tenant's connectors, by id.
func (t *Tenant) Connectors(ctx context.Context, p Page) (list []ConnectorView, next string, err error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	var found []spec.Connector
	err = t.space.View(ctx, func(r store.Reader) error {
		entries, err := r.List(store.Connectors, "", p.After, limit)
		if err != nil {
			return err
		}
		found = make([]spec.Connector, len(entries))
		for i, e := range entries {
			if err := json.Unmarshal(e.Value, &found[i]); err != nil {
				return fault.Wrap(fault.Integrity, err, "connector %s", e.ID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	list = make([]ConnectorView, len(found))
	for i := range found {
		list[i] = t.view(found[i])
	}
	if len(list) == limit {
		next = list[limit-1].ID
	}
	return list, next, nil
}

// Connector finds a connector by id or by name.
func (t *Tenant) Connector(ctx context.Context, idOrName string) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return ConnectorView{}, err
	}
	var c spec.Connector
	err := t.space.View(ctx, func(r store.Reader) (err error) {
		c, err = find(r, idOrName)
		return err
	})
	if err != nil {
		return ConnectorView{}, err
	}
	return t.warned(ctx, t.view(c))
}

// UpdateConnector replaces what a caller may set. revision is the one that the
// caller read (If-Match); 0: whatever is there. A connector that runs is
// swapped: when the new version cannot take over, the old one goes on and the
// view's runtime says why.
func (t *Tenant) UpdateConnector(ctx context.Context, idOrName string, in ConnectorInput, revision uint64) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return ConnectorView{}, err
	}
	v, err := t.Connector(ctx, idOrName) // first of all: whether there is one
	if err != nil {
		return v, err
	}
	var now ConnectorView
	if err = t.check(ctx, &in); err == nil {
		now, err = t.update(ctx, v.ID, in, revision)
	}
	if err != nil {
		t.refusal(identity.ConnectorUpdate, &v.Connector, err)
		return ConnectorView{}, err
	}
	return t.warned(ctx, now)
}

func (t *Tenant) update(ctx context.Context, id string, in ConnectorInput, revision uint64) (ConnectorView, error) {
	return t.change(ctx, id, revision, func(w store.Writer, c *spec.Connector) error {
		if err := in.present(w); err != nil {
			return err
		}
		was, now := *c, time.Now().UTC()
		events, err := t.consented(w, c, &in, now)
		if err != nil {
			return err
		}
		if c.Name != in.Name {
			if err := takeName(w, in.Name, c.ID); err != nil {
				return err
			}
			if err := w.Delete(store.ConnectorNames, nameKey(c.Name)); err != nil {
				return err
			}
		}
		in.apply(c, t.by(), now)
		return identity.Append(w, append(t.changes(identity.ConnectorUpdate, &was, c), events...)...)
	})
}

// Activate makes a connector run. When no test has passed for what it is now,
// one is made first, and a failed test refuses the activation.
func (t *Tenant) Activate(ctx context.Context, idOrName string) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return ConnectorView{}, err
	}
	v, err := t.Connector(ctx, idOrName)
	if err != nil {
		return v, err
	}
	active, err := t.activate(ctx, &v)
	if err != nil {
		t.refusal(identity.ConnectorActivate, &v.Connector, err)
	}
	return active, err
}

func (t *Tenant) activate(ctx context.Context, v *ConnectorView) (ConnectorView, error) {
	key, err := v.TestKey()
	if err != nil {
		return *v, fault.Wrap(fault.ConfigInvalid, err, "connector %s", v.ID)
	}
	if v.Tested != key {
		result, err := t.TestConnector(ctx, v.ID)
		if err != nil {
			return *v, err
		}
		if !result.Success {
			return *v, refusedBy(result)
		}
	}
	return t.change(ctx, v.ID, 0, func(w store.Writer, c *spec.Connector) error {
		if now, err := c.TestKey(); err != nil || now != c.Tested {
			return fault.New(fault.StaleRevision, "the connector was changed while it was tested")
		}
		c.Enabled = true
		return identity.Append(w, t.event(identity.ConnectorActivate, c))
	})
}

func refusedBy(result TestResult) error {
	f := fault.New(fault.NotConnected, "the connection test failed: %s", result.Message)
	if hint := result.Details["hint"]; hint != "" {
		f.Hint = hint
	}
	return f
}

// Deactivate makes a connector stop, after the step it is in.
func (t *Tenant) Deactivate(ctx context.Context, idOrName string) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return ConnectorView{}, err
	}
	return t.change(ctx, idOrName, 0, func(w store.Writer, c *spec.Connector) error {
		c.Enabled = false
		return identity.Append(w, t.event(identity.ConnectorDeactivate, c))
	})
}

// DeleteConnector stops a connector and forgets it with its devices and its
// state. Its records stay until retention takes them.
func (t *Tenant) DeleteConnector(ctx context.Context, idOrName string, revision uint64) error {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return err
	}
	var c spec.Connector
	err := t.space.Update(ctx, func(w store.Writer) (err error) {
		if c, err = find(w, idOrName); err != nil {
			return err
		}
		if err := current(&c, revision); err != nil {
			return err
		}
		if err := w.Delete(store.ConnectorNames, nameKey(c.Name)); err != nil {
			return err
		}
		if err := identity.Append(w, t.event(identity.ConnectorDelete, &c)); err != nil {
			return err
		}
		return w.Delete(store.Connectors, c.ID)
	})
	if err != nil {
		return err
	}
	return t.runtime.Remove(ctx, c.ID)
}

// change is one change of desired state: read, check, write, and let the
// supervisor make it true.
func (t *Tenant) change(ctx context.Context, idOrName string, revision uint64, do func(store.Writer, *spec.Connector) error) (ConnectorView, error) {
	var c spec.Connector
	err := t.space.Update(ctx, func(w store.Writer) (err error) {
		if c, err = find(w, idOrName); err != nil {
			return err
		}
		if err := current(&c, revision); err != nil {
			return err
		}
		if err := do(w, &c); err != nil {
			return err
		}
		c.Revision++
		c.Updated = time.Now().UTC()
		return save(w, &c)
	})
	if err != nil {
		return ConnectorView{}, err
	}
	t.runtime.Reconcile(c.ID)
	wait, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	_ = t.runtime.Await(wait, c.ID, c.Revision) // late is no fault: the status goes on to tell
	return t.view(c), nil
}

func (t *Tenant) view(c spec.Connector) ConnectorView {
	return ConnectorView{Connector: c, Runtime: t.runtime.Status(&c)}
}

// warned adds what a person should know of the grants.
func (t *Tenant) warned(ctx context.Context, v ConnectorView) (ConnectorView, error) {
	m, err := t.shelf.Get(ctx, v.Module)
	if fault.Is(err, fault.NotFound) {
		return v, nil // it says so itself when it is to run
	}
	if err != nil {
		return v, err
	}
	v.Warnings = warnings(m.Manifest, v.Grants, t.cfg.Groups)
	return v, nil
}

// current refuses a change that was made against another revision.
func current(c *spec.Connector, revision uint64) error {
	if revision != 0 && revision != c.Revision {
		return fault.New(fault.StaleRevision, "connector %s is at revision %d, not %d", c.ID, c.Revision, revision)
	}
	return nil
}

// find reads a connector by id, else by name.
func find(r store.Reader, idOrName string) (c spec.Connector, err error) {
	missing := fault.New(fault.NotFound, "no connector %.300q", idOrName).WithHint("`snaprail connectors list` shows what there is")
	if idOrName == "" {
		return c, missing
	}
	var e store.Entry
	if len(idOrName) <= store.MaxID {
		e, err = r.Get(store.Connectors, idOrName)
	}
	if len(idOrName) > store.MaxID || fault.Is(err, fault.NotFound) {
		var name store.Entry
		if name, err = r.Get(store.ConnectorNames, nameKey(idOrName)); fault.Is(err, fault.NotFound) {
			return c, missing
		}
		if err == nil {
			e, err = r.Get(store.Connectors, string(name.Value))
		}
	}
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(e.Value, &c); err != nil {
		return c, fault.Wrap(fault.Integrity, err, "connector %s", e.ID)
	}
	return c, nil
}

func save(w store.Writer, c *spec.Connector) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "connector %s", c.ID)
	}
	_, err = w.Put(store.Connectors, c.ID, raw)
	return err
}

// takeName keeps names unique within a tenant.
func takeName(w store.Writer, name, id string) error {
	_, err := w.PutIf(store.ConnectorNames, nameKey(name), []byte(id), 0)
	if fault.Is(err, fault.Exists) {
		return fault.New(fault.Exists, "a connector named %q exists already", name)
	}
	return err
}

// nameKey is what a name is looked up by: the name, unless its 255 characters
// have more bytes than a key may have.
func nameKey(name string) string {
	if len(name) <= store.MaxID {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// apply copies what a caller may set.
func (in *ConnectorInput) apply(c *spec.Connector, by string, now time.Time) {
	c.Name, c.Module, c.Config, c.Converter = in.Name, in.Module, in.Config, in.Converter
	c.Limits, c.Poll, c.Updated = in.Limits, in.Poll, now
	c.Grants = settleGrants(c.Grants, in.Grants, by, now)
}
