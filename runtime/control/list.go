package control

import (
	"context"
	"encoding/json"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/param"
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
	book, err := t.book(ctx)
	if err != nil {
		return nil, "", err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		found, err := f.page(r, p.After, limit)
		if err != nil {
			return err
		}
		list, err = t.viewsIn(r, book, found)
		return err
	})
	if err != nil {
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

// views are connectors as they are shown in a list.
func (t *Tenant) views(ctx context.Context, found []spec.Connector) (list []ConnectorView, err error) {
	book, err := t.book(ctx)
	if err != nil {
		return nil, err
	}
	err = t.space.View(ctx, func(r store.Reader) (err error) {
		list, err = t.viewsIn(r, book, found)
		return err
	})
	return list, err
}

func (t *Tenant) viewsIn(r store.Reader, book *param.Book, found []spec.Connector) ([]ConnectorView, error) {
	list := make([]ConnectorView, len(found))
	for i, c := range found {
		shown, err := masked(r, book, &c)
		if err != nil {
			return nil, err
		}
		list[i] = ConnectorView{Connector: c, Tenant: t.id, Runtime: t.runtime.Status(&c)}
		if list[i].Runtime.LastRefused != nil {
			marks, err := marksIn(r, c.ID)
			if err != nil {
				return nil, err
			}
			t.seenTo(&list[i].Runtime, &marks)
		}
		list[i].Runtime.Try = addressed(list[i].Runtime.Try, &c)
		shown.on(&list[i].Connector)
	}
	return list, nil
}
