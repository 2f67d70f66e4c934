package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// configure writes the configurations that the caller gave. What is wrong with
// them joins the findings.
func (d *draft) configure(w store.Writer) error {
	if err := d.configureGuest(w); err != nil {
		return err
	}
	return d.configureConverter(w)
}

// configureGuest writes that of the connector itself. A new connector of which
// nothing was said gets the rows of its schema, to be filled in: what it lacks
// is told by its test.
func (d *draft) configureGuest(w store.Writer) error {
	var schema *param.Schema
	var err error
	if d.found.module != nil {
		schema, err = d.pages.Schema(w, d.found.module.Digest)
	}
	if err != nil {
		return err
	}
	rows := d.in.Params
	blank := d.was.ID == "" && rows == nil && len(d.in.Config) == 0
	if blank {
		rows = schema.Prefill()
	}
	for _, write := range []func() error{
		func() error { return d.pages.Write(w, &d.is, rows, schema) },
		func() error { return d.pages.WriteConfig(w, &d.is, d.in.Config, schema) },
	} {
		err := write()
		if fault.Is(err, fault.ConfigInvalid) {
			d.found = d.found.with(faultsIn(err, ""))
			return nil
		}
		if err != nil {
			return err
		}
	}
	if err := d.missing(w); err != nil {
		return err
	}
	bad, err := d.misfits(w, d.pages, &d.is, schema)
	switch {
	case err != nil:
		return err
	case !blank && !d.untouched():
		d.found = d.found.with(bad)
	case len(bad) > 0:
		d.notes = append(d.notes, "config: "+summary(bad)+": until that is mended it cannot be tested or activated")
	}
	return nil
}

// missing notes the secrets that the configuration names and that are not there.
func (d *draft) missing(r store.Reader) error {
	names := spec.SecretNames(d.in.Config)
	for i := range d.in.Params {
		names = append(names, spec.SecretNames([]byte(d.in.Params[i].Value))...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		_, err := r.Get(store.Secrets, secret.Named(name))
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err != nil {
			d.notes = append(d.notes, fmt.Sprintf("config: no secret is called %q: `snaprail secret set %s` makes it", name, name))
		}
	}
	return nil
}

// untouched reports whether a change leaves the configuration of a connector that
// stands as it was: what that lacks keeps nobody from changing the rest, such as
// its grants.
func (d *draft) untouched() bool {
	return d.was.ID != "" && !d.was.Enabled && (d.in.Enabled == nil || !*d.in.Enabled) && d.was.Module == d.is.Module &&
		bytes.Equal(d.was.Config, d.is.Config) && reflect.DeepEqual(d.was.Params, d.is.Params)
}

// configureConverter gives the connector its converter, with a config that is
// whole.
func (d *draft) configureConverter(w store.Writer) error {
	wanted := d.in.Converter
	if wanted != nil && d.found.converter == nil {
		return nil // it was found to be wrong
	}
	var schema *param.Schema
	if wanted != nil {
		var err error
		if schema, err = d.pages.Schema(w, wanted.Module); err != nil {
			return err
		}
	}
	err := d.pages.WriteConverter(w, &d.is, wanted, schema)
	if fault.Is(err, fault.ConfigInvalid) {
		d.found = d.found.with(faultsIn(err, ""))
		return nil
	}
	if err != nil || wanted == nil {
		return err
	}
	config, err := d.pages.ConverterConfig(w, &d.is, true)
	if fault.Is(err, fault.ConfigInvalid) {
		d.found = d.found.with(faultsIn(err, converterConfigAt))
		return nil
	}
	if err != nil {
		return err
	}
	bad, err := d.unfit(config, schema, converterConfigAt)
	d.found = d.found.with(bad)
	if err != nil {
		return err
	}
	return d.unfitStages(w)
}

// misfits are what the schema does not allow of a connector's configuration as
// its guest would get it, by pointers from /config on. Of the value of a secret
// they say nothing.
func (t *Tenant) misfits(r store.Reader, book *param.Book, c *spec.Connector, schema *param.Schema) ([]fault.Field, error) {
	config, err := book.ConfigBy(r, c, schema, true)
	if fault.Is(err, fault.ConfigInvalid) {
		return faultsIn(err, configAt), nil
	}
	if err != nil {
		return nil, err
	}
	return t.unfit(config, schema, configAt)
}

// unfit is what a schema does not allow of an opened config.
func (t *Tenant) unfit(config json.RawMessage, schema *param.Schema, at string) ([]fault.Field, error) {
	compiled, err := t.shelf.Schema(schema.JSON())
	if err != nil {
		return nil, err
	}
	bad, err := compiled.Check(config, at)
	for i := range bad {
		if schema.Secret(keyAt(bad[i].Pointer, at)) {
			bad[i].Detail = "is a secret, and not what the schema wants"
		}
	}
	return bad, err
}

// Where the configurations stand in a connector.
const (
	configAt          = "/config"
	converterConfigAt = "/converter/config"
)

// keyAt is the key of a row that a pointer under a place leads to.
func keyAt(pointer, at string) string {
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(pointer, at), "/"), "/")
	for i := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(parts[i])
	}
	return strings.Join(parts, ".")
}

// faultsIn are the fields of a fault under a place, which was already said of
// those that have it.
func faultsIn(err error, at string) []fault.Field {
	f := fault.Of(err)
	if len(f.Fields) == 0 {
		return []fault.Field{{Pointer: at, Detail: f.Text}}
	}
	fields := make([]fault.Field, len(f.Fields))
	for i, field := range f.Fields {
		if !strings.HasPrefix(field.Pointer, at+"/") {
			field.Pointer = at + field.Pointer
		}
		fields[i] = field
	}
	return fields
}

// reconfigure changes nothing of a connector but its configuration, in one
// transaction. What the schema does not allow changes nothing.
func (t *Tenant) reconfigure(
	ctx context.Context, idOrName string, revision uint64, write func(store.Writer, *param.Book, *spec.Connector, *param.Schema) error,
) (ConnectorView, error) {
	book, err := t.book(ctx)
	if err != nil {
		return ConnectorView{}, err
	}
	return t.change(ctx, idOrName, revision, func(w store.Writer, c *spec.Connector) error {
		was := *c
		schema, err := book.Schema(w, c.Module)
		if err != nil {
			return err
		}
		if err := write(w, book, c, schema); err != nil {
			return err
		}
		bad, err := t.misfits(w, book, c, schema)
		if err == nil {
			err = invalid(bad)
		}
		if err != nil {
			return err
		}
		return identity.Append(w, t.changes(identity.ConnectorUpdate, &was, c)...)
	})
}

// Config is a connector's configuration as it is put together. Secret values
// are masked; to reveal them needs a right of its own and is noted.
func (t *Tenant) Config(ctx context.Context, idOrName string, reveal bool) (config []byte, err error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return nil, err
	}
	if reveal {
		if err := t.may(ctx, identity.Secrets, identity.Write); err != nil {
			return nil, err
		}
	}
	book, err := t.book(ctx)
	if err != nil {
		return nil, err
	}
	show := func(r store.Reader) (spec.Connector, error) {
		c, err := find(r, idOrName)
		if err == nil {
			config, err = book.Config(r, &c, reveal)
		}
		if fault.Is(err, fault.ConfigInvalid) {
			err = invalid(faultsIn(err, configAt))
		}
		return c, err
	}
	if reveal {
		err = t.space.Update(ctx, func(w store.Writer) error {
			c, err := show(w)
			if err != nil {
				return err
			}
			e := t.event(identity.ConfigReveal, &c)
			e.Time = time.Now().UTC()
			return identity.Append(w, e)
		})
	} else {
		err = t.space.View(ctx, func(r store.Reader) error { _, err := show(r); return err })
	}
	if err != nil {
		return nil, err
	}
	if len(config) == 0 {
		config = []byte("{}")
	}
	return config, nil
}
