package supervisor

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// loader fetches and compiles modules.
type loader struct {
	tenant string
	shelf  *catalog.Shelf
	engine *engine.Engine
}

func (l loader) load(ctx context.Context, digest string) (*engine.Module, spec.Module, error) {
	src, record, err := l.shelf.Load(ctx, digest)
	if err != nil {
		return nil, record, err
	}
	m, _, err := l.engine.CompileFor(ctx, l.tenant, src)
	return m, record, err
}

// version makes a spec ready for a guest. release gives it back, after the
// guest that was made from it.
func (t *Tenant) version(ctx context.Context, c *spec.Connector) (v actor.Version, release func(context.Context), err error) {
	config, err := t.config(ctx, c)
	if err != nil {
		return v, nil, err
	}
	if v, release, err = t.loaded(ctx, c); err != nil {
		return v, nil, err
	}
	wanted, err := t.plan(ctx, c)
	if err == nil {
		v.Converters, err = t.choice(ctx, wanted, t.captured(c.ID))
	}
	if err != nil {
		release(context.WithoutCancel(ctx))
		return v, nil, err
	}
	v.Config = config
	converters, unload := v.Converters, release
	return v, func(ctx context.Context) {
		converters.Close(ctx)
		unload(ctx)
	}, nil
}

func (t *Tenant) choice(ctx context.Context, wanted plan, captured *actor.Captured) (*actor.Choice, error) {
	all, free, err := t.conversions(ctx, wanted)
	if err != nil {
		return nil, err
	}
	return actor.NewChoice(all, free, captured), nil
}

// config is what the connector's guest is configured with: rows put together,
// files read, secrets opened. It is kept by the guest's version alone.
func (t *Tenant) config(ctx context.Context, c *spec.Connector) (config json.RawMessage, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		config, err = t.book.Config(r, c, true)
		return err
	})
	return config, err
}

// loaded compiles a connector's module, and takes its config as it stands,
// without any converter.
func (t *Tenant) loaded(ctx context.Context, c *spec.Connector) (v actor.Version, release func(context.Context), err error) {
	m, record, err := t.modules.load(ctx, c.Module)
	if err != nil {
		return v, nil, err
	}
	v = actor.Version{Connector: *c, Limits: c.Limits.Under(t.Ceiling()), Manifest: record.Manifest, Module: m}
	return v, func(ctx context.Context) { t.closed(m.Close(ctx)) }, nil
}

func (t *Tenant) closed(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		t.notes.Warn("module not closed", "error", err)
	}
}
