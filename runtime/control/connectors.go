package control

import (
	"context"
	"time"

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
	v, err := t.create(ctx, in)
	if err != nil {
		t.refusal(identity.ConnectorCreate, &spec.Connector{Name: in.Name}, err)
		return ConnectorView{}, err
	}
	return v, nil
}

func (t *Tenant) create(ctx context.Context, in ConnectorInput) (ConnectorView, error) {
	if err := t.typed(ctx, &in); err != nil {
		return ConnectorView{}, err
	}
	if err := t.propose(ctx, &in); err != nil {
		return ConnectorView{}, err
	}
	found, err := t.check(ctx, &in)
	if err != nil {
		return ConnectorView{}, err
	}
	book, err := t.book(ctx)
	if err != nil {
		return ConnectorView{}, err
	}
	id, err := newID("con")
	if err != nil {
		return ConnectorView{}, err
	}
	now := time.Now().UTC()
	var d draft
	var seen sight
	err = t.space.UpdateAhead(ctx, func(w store.Writer) error {
		d = draft{Tenant: t, in: &in, found: found, pages: book, now: now}
		d.is = spec.Connector{ID: id, Status: spec.StatusDraft, Created: now, Owner: in.owner}
		if err := d.settle(w); err != nil {
			return err
		}
		if err := t.roomForConnector(w); err != nil {
			return err
		}
		d.is.Revision = 1
		if err := d.save(w, identity.ConnectorCreate); err != nil {
			return err
		}
		seen, err = look(w, book, &d.is)
		return err
	})
	if err != nil {
		return ConnectorView{}, err
	}
	t.reconcile(d.others)
	v, err := t.view(ctx, d.is, seen)
	v.Warnings = append(v.Warnings, d.notes...)
	return v, err
}

// Connector finds a connector by id or by name.
func (t *Tenant) Connector(ctx context.Context, idOrName string) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return ConnectorView{}, err
	}
	return t.show(ctx, func(r store.Reader) (spec.Connector, error) { return find(r, idOrName) })
}

// read reads a connector as it is stored.
func (t *Tenant) read(ctx context.Context, idOrName string) (spec.Connector, error) {
	c, err := t.hold(ctx, idOrName)
	if err != nil {
		return spec.Connector{}, err
	}
	return c.Connector, nil
}

// hold reads a connector as it is stored, to change it.
func (t *Tenant) hold(ctx context.Context, idOrName string) (*storedConnector, error) {
	c := &storedConnector{}
	err := t.space.View(ctx, func(r store.Reader) (err error) {
		c.raw, err = findInto(r, idOrName, &c.Connector, nil)
		return err
	})
	return c, err
}

// UpdateConnector replaces what a caller may set. revision is the one that the
// caller read (If-Match); 0: whatever is there. A connector that runs is
// swapped: when the new version cannot take over, the old one goes on and the
// view's runtime says why.
func (t *Tenant) UpdateConnector(ctx context.Context, idOrName string, in ConnectorInput, revision uint64) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return ConnectorView{}, err
	}
	c, err := t.hold(ctx, idOrName) // first of all: whether there is one
	if err != nil {
		return ConnectorView{}, err
	}
	v, err := t.update(ctx, c, in, revision)
	if err != nil {
		t.refusal(identity.ConnectorUpdate, &c.Connector, err)
		return ConnectorView{}, err
	}
	return v, nil
}

func (t *Tenant) update(ctx context.Context, was *storedConnector, in ConnectorInput, revision uint64) (ConnectorView, error) {
	if err := t.typed(ctx, &in); err != nil {
		return ConnectorView{}, err
	}
	found, err := t.check(ctx, &in)
	if err != nil {
		return ConnectorView{}, err
	}
	book, err := t.book(ctx)
	if err != nil {
		return ConnectorView{}, err
	}
	d := draft{Tenant: t, in: &in, pages: book}
	v, err := t.changeHeld(ctx, was.ID, was, revision, func(w store.Writer, c *spec.Connector) error {
		d.found, d.now, d.was, d.is = found, time.Now().UTC(), *c, *c
		d.events, d.others, d.notes = nil, nil, nil // of a run that does not count
		if err := d.settle(w); err != nil {
			return err
		}
		*c = d.is
		return identity.Append(w, d.done(identity.ConnectorUpdate)...)
	})
	if err == nil {
		t.reconcile(d.others)
		v.Warnings = append(v.Warnings, d.notes...)
	}
	return v, err
}

// DeleteConnector stops a connector and forgets it with its devices and its
// state. Its records stay until retention takes them.
func (t *Tenant) DeleteConnector(ctx context.Context, idOrName string, revision uint64) error {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return err
	}
	book, err := t.book(ctx)
	if err != nil {
		return err
	}
	var c spec.Connector
	err = t.space.Update(ctx, func(w store.Writer) (err error) {
		if c, err = find(w, idOrName); err != nil {
			return err
		}
		if err := current(&c, revision); err != nil {
			return err
		}
		if err := undeployed(w, &c); err != nil {
			return err
		}
		if err := unmanaging(w, &c); err != nil {
			return err
		}
		if err := book.Forget(w, &c); err != nil {
			return err
		}
		if err := w.Delete(store.ConnectorNames, nameKey(c.Name)); err != nil {
			return err
		}
		if err := dropDefault(w, &c); err != nil {
			return err
		}
		if err := dropOAuth(w, c.ID); err != nil {
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
// supervisor make it true, if it is or was to run.
func (t *Tenant) change(ctx context.Context, idOrName string, revision uint64, do func(store.Writer, *spec.Connector) error) (ConnectorView, error) {
	return t.changeHeld(ctx, idOrName, nil, revision, do)
}

// changeHeld is change of a connector that somebody read a moment ago; nil:
// nobody did.
func (t *Tenant) changeHeld(
	ctx context.Context, idOrName string, held *storedConnector, revision uint64, do func(store.Writer, *spec.Connector) error,
) (ConnectorView, error) {
	book, err := t.book(ctx)
	if err != nil {
		return ConnectorView{}, err
	}
	var c spec.Connector
	var ran bool
	var seen sight
	err = t.space.UpdateAhead(ctx, func(w store.Writer) (err error) {
		if _, err = findInto(w, idOrName, &c, held); err != nil {
			return err
		}
		if err := current(&c, revision); err != nil {
			return err
		}
		ran = c.Enabled
		was := c
		if err := do(w, &c); err != nil {
			return err
		}
		if !untested(&was) || !untested(&c) {
			before, _ := was.TestKey()
			retested(&c, before)
		}
		c.Revision++
		c.Updated = time.Now().UTC()
		if err := save(w, &c); err != nil {
			return err
		}
		seen, err = look(w, book, &c)
		return err
	})
	t.runtime.Respecified(c.ID) // also after an error: it may be there all the same
	if err != nil {
		return ConnectorView{}, err
	}
	if ran || c.Enabled {
		t.runtime.Reconcile(c.ID)
		wait, cancel := context.WithTimeout(ctx, settle)
		defer cancel()
		_ = t.runtime.Await(wait, c.ID, c.Revision) // late is no fault: the status goes on to tell
	}
	return t.view(ctx, c, seen)
}
