package control

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// TypeConverter is the converter of the connectors of a type that have none of
// their own.
type TypeConverter struct {
	spec.Converter

	Category, ProviderType string
	Revision               uint64
}

// TypeConverter reads a type's converter. fault.NotFound: it has none.
func (t *Tenant) TypeConverter(ctx context.Context, category, providerType string) (c TypeConverter, err error) {
	if err := t.may(ctx, identity.Categories, identity.Read); err != nil {
		return c, err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		c, err = typeConverter(r, category, providerType)
		return err
	})
	return c, err
}

func typeConverter(r store.Reader, category, providerType string) (c TypeConverter, err error) {
	c.Category, c.ProviderType = category, providerType
	none := fault.New(fault.NotFound, "the type %.64q of %.64q has no converter of its own", providerType, category)
	if len(category) == 0 || len(category) > maxType || len(providerType) == 0 || len(providerType) > maxType {
		return c, none
	}
	held, err := supervisor.TypeConverter(r, category, providerType)
	if err != nil || held == nil {
		if err == nil {
			err = none
		}
		return c, err
	}
	e, err := r.Get(store.Converters, supervisor.TypeConverterID(category, providerType))
	c.Converter, c.Revision = *held, e.Version
	return c, err
}

// SetTypeConverter gives a type a converter, or another one. The connectors of
// the type that have none of their own take it between two steps; those that
// cannot say so in their status. revision 0: whichever there is.
func (t *Tenant) SetTypeConverter(ctx context.Context, category, providerType string, in spec.Converter, revision uint64) (c TypeConverter, err error) {
	if err := t.may(ctx, identity.Categories, identity.Write); err != nil {
		return c, err
	}
	one, err := t.shelf.Type(ctx, category, providerType)
	if err != nil {
		return c, err
	}
	if one.Kind != abi.KindConnector {
		return c, fault.New(fault.Invalid, "%s of %s is a %s, and only connectors have converters", providerType, category, one.Kind)
	}
	if in, err = t.plainConverter(ctx, "", in, false); err != nil {
		return c, err
	}
	var ids []string
	err = t.space.Update(ctx, func(w store.Writer) error {
		if err := stillThere(w, &in); err != nil {
			return err
		}
		raw, err := json.Marshal(in)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "converter")
		}
		id := supervisor.TypeConverterID(category, providerType)
		c = TypeConverter{Converter: in, Category: category, ProviderType: providerType}
		if revision > 0 {
			c.Revision, err = w.PutIf(store.Converters, id, raw, revision)
		} else {
			c.Revision, err = w.Put(store.Converters, id, raw)
		}
		if err != nil {
			return err
		}
		if ids, err = without(w, category, providerType); err != nil {
			return err
		}
		return identity.Append(w, t.typeConverterEvent(category, providerType, in.Module))
	})
	if err != nil {
		return c, err
	}
	t.reconcile(ids)
	return c, nil
}

// RemoveTypeConverter takes a type's converter away. fault.NotFound: it has
// none.
func (t *Tenant) RemoveTypeConverter(ctx context.Context, category, providerType string, revision uint64) error {
	if err := t.may(ctx, identity.Categories, identity.Write); err != nil {
		return err
	}
	var ids []string
	err := t.space.Update(ctx, func(w store.Writer) error {
		have, err := typeConverter(w, category, providerType)
		if err != nil {
			return err
		}
		if revision > 0 && revision != have.Revision {
			return fault.New(fault.StaleRevision, "the type's converter has the revision %d by now", have.Revision)
		}
		if ids, err = without(w, category, providerType); err != nil {
			return err
		}
		if err := w.Delete(store.Converters, supervisor.TypeConverterID(category, providerType)); err != nil {
			return err
		}
		return identity.Append(w, t.typeConverterEvent(category, providerType, ""))
	})
	if err != nil {
		return err
	}
	t.reconcile(ids)
	return nil
}

func (t *Tenant) typeConverterEvent(category, providerType, module string) identity.Event {
	e := identity.Event{Who: t.who, Action: identity.ConverterSet, On: category + "/" + providerType, Module: module, Outcome: identity.Done}
	if module == "" {
		e.Detail = "taken away"
	}
	return e
}

// without are the connectors of a type that have no converter of their own.
func without(r store.Reader, category, providerType string) (ids []string, err error) {
	for e, err := range store.All(r, store.Connectors, "") {
		if err != nil {
			return nil, err
		}
		var c spec.Connector
		if err := json.Unmarshal(e.Value, &c); err != nil {
			return nil, fault.Wrap(fault.Integrity, err, "connector %s", e.ID)
		}
		if c.Enabled && c.Converter == nil && c.Category == category && c.ProviderType == providerType {
			ids = append(ids, c.ID)
		}
	}
	return ids, nil
}

// stillThere checks again, inside the transaction that names them, that the
// modules are there.
func stillThere(r store.Reader, c *spec.Converter) error {
	for _, digest := range converterModules(c) {
		if _, err := r.Get(store.Modules, digest); fault.Is(err, fault.NotFound) {
			return fault.New(fault.ConfigInvalid, "the module %s was deleted just now", digest)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func converterModules(c *spec.Converter) []string {
	all := []string{c.Module}
	for _, stage := range c.Then {
		all = append(all, stage.Module)
	}
	return all
}

// plainConverter checks a converter that is not a connector's own, by pointers
// from at on, and answers it with whole digests. It may have no secrets, since
// there is no connector under which they could be sealed, unless open says that
// nothing is stored.
func (t *Tenant) plainConverter(ctx context.Context, at string, in spec.Converter, open bool) (spec.Converter, error) {
	f := &findings{}
	if len(in.Then) > maxStages {
		f.wrong(at+"/then", "has at most %d converters", maxStages)
		return in, f.of("converter")
	}
	in.Then = slices.Clone(in.Then)
	limits := limitCheck{ceiling: t.runtime.Ceiling(), wrong: f.wrong, above: f.wrong}
	check := func(at string, module *string, config *json.RawMessage, l *spec.Limits) error {
		limits.check(at+"/limits", l)
		*config = orNoConfig(*config)
		m, err := t.module(ctx, at+"/module", module, abi.KindConverter, f)
		if err != nil || m == nil || !f.fits(at+"/config", *config) {
			return err
		}
		return t.space.View(ctx, func(r store.Reader) error { return t.plainConfig(r, at+"/config", m.Digest, *config, open, f) })
	}
	if err := check(at, &in.Module, &in.Config, &in.Limits); err != nil {
		return in, err
	}
	for i := range in.Then {
		stage := &in.Then[i]
		if err := check(at+strings.TrimPrefix(stageAt(i), "/converter"), &stage.Module, &stage.Config, &stage.Limits); err != nil {
			return in, err
		}
	}
	return in, f.of("converter")
}

// plainConfig checks a config by its module's schema.
func (t *Tenant) plainConfig(r store.Reader, at, module string, config json.RawMessage, open bool, f *findings) error {
	schema, err := t.runtime.Book().Schema(r, module)
	if err != nil || schema == nil {
		return err
	}
	if schema.HasSecrets() && !open {
		f.wrong(at, "has secrets, which only a connector's own converter can keep")
		return nil
	}
	if len(config) == 0 {
		config = json.RawMessage("{}")
	}
	bad, err := t.unfit(config, schema, at)
	f.bad = append(f.bad, bad...)
	return err
}

// fittingConverter checks the configs and the limits of a device's converter,
// whose modules are there.
func (t *Tenant) fittingConverter(r store.Reader, c *spec.Converter) error {
	f := &findings{}
	limits := limitCheck{ceiling: t.runtime.Ceiling(), wrong: f.wrong, above: f.wrong}
	if len(c.Then) > maxStages {
		f.wrong("/converter/then", "has at most %d converters", maxStages)
		return f.of("device")
	}
	for i, stage := range append([]spec.Stage{{Module: c.Module, Config: c.Config, Limits: c.Limits}}, c.Then...) {
		at := "/converter"
		if i > 0 {
			at = stageAt(i - 1)
		}
		limits.check(at+"/limits", &stage.Limits)
		if !f.fits(at+"/config", stage.Config) {
			continue
		}
		if err := t.plainConfig(r, at+"/config", stage.Module, orNoConfig(stage.Config), false, f); err != nil {
			return err
		}
	}
	return f.of("device")
}
