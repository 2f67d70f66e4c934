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
	shelf  *catalog.Shelf
	engine *engine.Engine
}

func (l loader) load(ctx context.Context, digest string) (*engine.Module, spec.Module, error) {
	src, record, err := l.shelf.Load(ctx, digest)
	if err != nil {
		return nil, record, err
	}
	m, err := l.engine.Compile(ctx, src)
	return m, record, err
}

// version makes a spec ready for a guest. release gives it back, after the
// guest that was made from it.
func (t *Tenant) version(ctx context.Context, c *spec.Connector) (v actor.Version, release func(context.Context), err error) {
	config, converter, err := t.configs(ctx, c)
	if err != nil {
		return v, nil, err
	}
	if v, release, err = t.loaded(ctx, c, converter); err != nil {
		return v, nil, err
	}
	v.Config = config
	return v, release, nil
}

// configs are what the connector's guest and its converter's are configured
// with: rows put together, files read, secrets opened. They are kept by the
// guests' versions alone.
func (t *Tenant) configs(ctx context.Context, c *spec.Connector) (config, converter json.RawMessage, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		if config, err = t.book.Config(r, c, true); err != nil {
			return err
		}
		converter, err = t.book.ConverterConfig(r, c, true)
		return err
	})
	return config, converter, err
}

// loaded compiles what a spec names, and takes its config as it stands.
// converter is the converter's config, opened.
func (t *Tenant) loaded(ctx context.Context, c *spec.Connector, converter json.RawMessage) (v actor.Version, release func(context.Context), err error) {
	m, record, err := t.modules.load(ctx, c.Module)
	if err != nil {
		return v, nil, err
	}
	v = actor.Version{Connector: *c, Limits: c.Limits.Under(t.Ceiling()), Manifest: record.Manifest, Module: m}
	unload := func(ctx context.Context) { t.closed(m.Close(ctx)) }
	if c.Converter == nil {
		return v, unload, nil
	}
	cm, record, err := t.modules.load(ctx, c.Converter.Module)
	if err != nil {
		unload(ctx)
		return v, nil, err
	}
	conv, free, err := t.converters.Converter(ctx, cm, record.Manifest, converter, c.Converter.Limits.Under(t.Ceiling()))
	if err != nil {
		unload(ctx)
		return v, nil, err
	}
	v.Converter = conv
	return v, func(ctx context.Context) {
		free(ctx)
		unload(ctx)
	}, nil
}

func (t *Tenant) closed(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		t.notes.Warn("module not closed", "error", err)
	}
}
