package control

import (
	"context"
	"encoding/json"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Connectors is a page of the tenant's connectors that pass the filter, by id.
func (t *Tenant) Connectors(ctx context.Context, f ConnectorFilter, p Page) (list []ConnectorView, next string, err error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	var found []spec.Connector
	err = t.space.View(ctx, func(r store.Reader) (err error) {
		found, err = f.page(r, p.After, limit)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if list, err = t.views(ctx, found); err != nil {
		return nil, "", err
	}
	if len(list) == limit {
		next = list[limit-1].ID
	}
	return list, next, nil
}

// atOnce is how many connectors are read at once: as many as surely fit into a
// list of the store.
const atOnce = store.MaxPage / store.MaxValue

// page reads on behind an id until there are as many as were asked for.
func (f *ConnectorFilter) page(r store.Reader, after string, limit int) (found []spec.Connector, err error) {
	for {
		entries, err := r.List(store.Connectors, "", after, atOnce)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			var c spec.Connector
			if err := json.Unmarshal(e.Value, &c); err != nil {
				return nil, fault.Wrap(fault.Integrity, err, "connector %s", e.ID)
			}
			if f.wants(&c) {
				found = append(found, c)
			}
			if len(found) == limit {
				return found, nil
			}
		}
		if len(entries) < atOnce {
			return found, nil
		}
		after = entries[len(entries)-1].ID
	}
}

func (f *ConnectorFilter) wants(c *spec.Connector) bool {
	return (f.Category == "" || f.Category == c.Category) &&
		(f.ProviderType == "" || f.ProviderType == c.ProviderType) &&
		(f.Status == "" || f.Status == c.Status) &&
		(f.Enabled == nil || *f.Enabled == c.Enabled)
}

// view is a connector as it is shown.
func (t *Tenant) view(ctx context.Context, c spec.Connector) (v ConnectorView, err error) {
	list, err := t.views(ctx, []spec.Connector{c})
	if err != nil {
		return v, err
	}
	return list[0], nil
}

// views are connectors as they are shown: with what they do now, and with their
// secrets masked.
func (t *Tenant) views(ctx context.Context, found []spec.Connector) ([]ConnectorView, error) {
	book, err := t.book(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]ConnectorView, len(found))
	err = t.space.View(ctx, func(r store.Reader) error {
		for i, c := range found {
			list[i] = ConnectorView{Connector: c, Tenant: t.id, Runtime: t.runtime.Status(&c)}
			if len(c.Config) == 0 {
				continue
			}
			c.Params = nil // they have the config's place, and it is that one's turn
			if list[i].Config, err = book.Config(r, &c, false); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}
