package control

import (
	"context"
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// sight is what the view of a connector needs of the store, read in the same
// transaction as the connector.
type sight struct {
	config json.RawMessage // masked
	module []byte          // its record; nil: it is gone
}

func look(r store.Reader, book *param.Book, c *spec.Connector) (s sight, err error) {
	if s.config, err = masked(r, book, c); err != nil {
		return s, err
	}
	e, err := r.Get(store.Modules, c.Module)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return s, nil // it says so itself when it is to run
	}
	s.module = e.Value
	return s, err
}

// masked is a connector's flat config as it may be shown, whether it has rows
// or not.
func masked(r store.Reader, book *param.Book, c *spec.Connector) (json.RawMessage, error) {
	if len(c.Config) == 0 {
		return nil, nil
	}
	flat := *c
	flat.Params = nil
	return book.Config(r, &flat, false)
}

// show is the connector that find reads, as it is shown.
func (t *Tenant) show(ctx context.Context, find func(store.Reader) (spec.Connector, error)) (ConnectorView, error) {
	book, err := t.book(ctx)
	if err != nil {
		return ConnectorView{}, err
	}
	var c spec.Connector
	var s sight
	err = t.space.View(ctx, func(r store.Reader) (err error) {
		if c, err = find(r); err == nil {
			s, err = look(r, book, &c)
		}
		return err
	})
	if err != nil {
		return ConnectorView{}, err
	}
	return t.view(c, s)
}

// view is a connector with what it does now, and with what a person should know
// of it.
func (t *Tenant) view(c spec.Connector, s sight) (ConnectorView, error) {
	v := ConnectorView{Connector: c, Tenant: t.id, Runtime: t.runtime.Status(&c)}
	v.Config = s.config
	if s.module == nil {
		return v, nil
	}
	var m spec.Module
	if err := json.Unmarshal(s.module, &m); err != nil {
		return v, fault.Wrap(fault.Integrity, err, "module %s", c.Module)
	}
	v.Warnings = append(warnings(m.Manifest, v.Grants, t.cfg.Groups), oauthWarnings(v.OAuth, time.Now())...)
	return v, nil
}
