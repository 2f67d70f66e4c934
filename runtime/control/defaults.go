package control

import (
	"context"
	"fmt"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// DefaultConnector is the connector that its category's calls go to: the
// category's default, if it is enabled. fault.NotFound: there is none.
func (t *Tenant) DefaultConnector(ctx context.Context, category string) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return ConnectorView{}, err
	}
	return t.show(ctx, func(r store.Reader) (spec.Connector, error) { return activeDefault(r, category) })
}

// activeDefault reads the enabled default of a category.
func activeDefault(r store.Reader, category string) (c spec.Connector, err error) {
	c, err = defaultOf(r, category)
	if err != nil || c.Enabled {
		return c, err
	}
	return c, fault.New(fault.NotFound, "the default connector of the category %.64q is not active", category).
		WithHint("Activate the connector %s.", c.ID)
}

// defaultOf reads the default of a category, whether it is enabled or not.
func defaultOf(r store.Reader, category string) (c spec.Connector, err error) {
	none := fault.New(fault.NotFound, "the category %.64q has no default connector", category).
		WithHint("Make one of its connectors the default: `snaprail connectors set-default`.")
	if category == "" || len(category) > maxType {
		return c, none
	}
	e, err := r.Get(store.Defaults, category)
	if fault.Is(err, fault.NotFound) {
		return c, none
	}
	if err != nil {
		return c, err
	}
	return find(r, string(e.Value))
}

// setDefault makes the connector its category's default, or no longer, as the
// caller wants it or, where nothing is said, as it was. The one that was it
// before is changed in the same transaction.
func (d *draft) setDefault(w store.Writer) error {
	if d.in.Default != nil {
		d.is.Default = *d.in.Default
	}
	moved := d.was.Category != d.is.Category
	if d.was.Default && (moved || !d.is.Default) {
		if err := dropDefault(w, &d.was); err != nil {
			return err
		}
	}
	if !d.is.Default || d.was.Default && !moved {
		return nil
	}
	if err := d.dethrone(w); err != nil {
		return err
	}
	_, err := w.Put(store.Defaults, d.is.Category, []byte(d.is.ID))
	return err
}

// dethrone takes the place from the default that is there.
func (d *draft) dethrone(w store.Writer) error {
	other, err := defaultOf(w, d.is.Category)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	other.Default, other.Updated = false, d.now
	other.Revision++
	e := d.event(identity.ConnectorUpdate, &other)
	e.Detail = fmt.Sprintf("%s is the default of %s now", d.is.Name, d.is.Category)
	d.events = append(d.events, e)
	d.others = append(d.others, other.ID)
	note := fmt.Sprintf("%s takes the place of %s as the default of %s", d.is.Name, other.Name, d.is.Category)
	if other.Enabled && !d.is.Enabled {
		note += fmt.Sprintf(": its calls fail until %s is activated", d.is.Name)
	}
	d.notes = append(d.notes, note)
	return save(w, &other)
}

// dropDefault leaves the category without a default, if it was this one.
func dropDefault(w store.Writer, c *spec.Connector) error {
	if !c.Default {
		return nil
	}
	e, err := w.Get(store.Defaults, c.Category)
	if fault.Is(err, fault.NotFound) || err == nil && string(e.Value) != c.ID {
		return nil
	}
	if err != nil {
		return err
	}
	return w.Delete(store.Defaults, c.Category)
}

// reconcile tells the supervisor of connectors that were changed along with
// another one.
func (t *Tenant) reconcile(ids []string) {
	for _, id := range ids {
		t.runtime.Reconcile(id)
	}
}
