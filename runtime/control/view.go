package control

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// sight is what the view of a connector needs of the store, read in the same
// transaction as the connector.
type sight struct {
	masked configs
	module *spec.Module // nil: it is gone
}

func look(r store.Reader, book *param.Book, c *spec.Connector) (s sight, err error) {
	if s.masked, err = masked(r, book, c); err != nil {
		return s, err
	}
	s.module, err = book.Module(r, c.Module) // one that is gone says so itself when it is to run
	return s, err
}

// configs are the flat configs of a connector as they may be shown.
type configs struct {
	own       json.RawMessage
	converter json.RawMessage
	stages    []json.RawMessage // of the converters behind that
}

// masked are a connector's flat configs as they may be shown, whether it has
// rows or not.
func masked(r store.Reader, book *param.Book, c *spec.Connector) (m configs, err error) {
	if len(c.Config) > 0 {
		flat := *c
		flat.Params = nil
		if m.own, err = book.Config(r, &flat, false); err != nil {
			return m, err
		}
	}
	if c.Converter == nil {
		return m, nil
	}
	if m.converter, err = book.ConverterConfig(r, c, false); err != nil {
		return m, err
	}
	for i := range c.Converter.Then {
		config, err := book.StageConfig(r, c, i, false)
		if err != nil {
			return m, err
		}
		m.stages = append(m.stages, config)
	}
	return m, nil
}

// on puts them into what is shown of the connector.
func (m configs) on(c *spec.Connector) {
	c.Config = m.own
	if c.Converter != nil {
		shown := *c.Converter
		shown.Config, shown.Then = m.converter, slices.Clone(shown.Then)
		for i := range m.stages {
			shown.Then[i].Config = m.stages[i]
		}
		c.Converter = &shown
	}
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
	return t.view(ctx, c, s)
}

// view is a connector with what it does now, and with what a person should know
// of it.
func (t *Tenant) view(ctx context.Context, c spec.Connector, s sight) (ConnectorView, error) {
	v := ConnectorView{Connector: c, Tenant: t.id, Runtime: t.runtime.Status(&c)}
	if v.Runtime.LastRefused != nil { // else every change of a connector would read marks for nothing
		marks, err := t.marks(ctx, c.ID)
		if err != nil {
			return ConnectorView{}, err
		}
		t.seenTo(&v.Runtime, &marks)
	}
	v.Runtime.Try = addressed(v.Runtime.Try, &c)
	s.masked.on(&v.Connector)
	if s.module == nil {
		return v, nil
	}
	v.Warnings = append(warnings(s.module.Manifest, v.Grants, t.cfg.Groups), oauthWarnings(v.OAuth, time.Now())...)
	return v, nil
}

// addressed is a hint for one connector, in whose commands its name stands.
func addressed(hint string, c *spec.Connector) string {
	name := c.Name
	if strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r)
	}) {
		name = c.ID
	}
	for _, command := range []string{"grants add", "connectors update"} {
		hint = strings.ReplaceAll(hint, "`snaprail "+command+" CONNECTOR ", "`snaprail "+command+" "+name+" ")
	}
	return hint
}
