package control

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// AddModule admits a module. manifest is a side-car that takes the place of
// the module's own; nil: none. created is false when the tenant has the module
// already.
func (t *Tenant) AddModule(ctx context.Context, body io.Reader, manifest []byte) (m spec.Module, created bool, err error) {
	return t.shelf.Add(ctx, body, manifest)
}

// Modules is a page of the tenant's modules, by digest.
func (t *Tenant) Modules(ctx context.Context, p Page) (list []spec.Module, next string, err error) {
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	list, err = t.shelf.List(ctx, p.After, limit)
	if len(list) == limit {
		next = list[limit-1].Digest
	}
	return list, next, err
}

// Module is one module with what it can and cannot do. The digest may be cut
// to its first digits.
func (t *Tenant) Module(ctx context.Context, digest string) (v ModuleView, err error) {
	if v.Module, err = t.shelf.Get(ctx, digest); err != nil {
		return v, err
	}
	v.Can, v.Cannot = Describe(v.Module, t.cfg.Groups)
	err = t.space.View(ctx, func(r store.Reader) error {
		v.UsedBy, err = users(r, v.Digest)
		return err
	})
	return v, err
}

// DeleteModule removes a module that no connector uses.
func (t *Tenant) DeleteModule(ctx context.Context, digest string) error {
	m, err := t.shelf.Get(ctx, digest)
	if err != nil {
		return err
	}
	return t.shelf.Delete(ctx, m.Digest, func(r store.Reader) error {
		by, err := users(r, m.Digest)
		if err != nil || len(by) == 0 {
			return err
		}
		return fault.New(fault.ModuleInUse, "module %s is used by %s", m.Digest, strings.Join(by, ", "))
	})
}

// users lists the connectors that name the module.
func users(r store.Reader, digest string) (ids []string, err error) {
	for e, err := range store.All(r, store.Connectors, "") {
		if err != nil {
			return nil, err
		}
		var c spec.Connector
		if err := json.Unmarshal(e.Value, &c); err != nil {
			return nil, fault.Wrap(fault.Integrity, err, "connector %s", e.ID)
		}
		if c.Module == digest || (c.Converter != nil && c.Converter.Module == digest) {
			ids = append(ids, c.ID)
		}
	}
	return ids, nil
}

// limit is the page's bound with its default.
func (p Page) limit() (int, error) {
	const usual, most = 100, 500
	switch {
	case p.Limit == 0:
		return usual, nil
	case p.Limit < 0 || p.Limit > most:
		return 0, fault.New(fault.Invalid, "limit is 1 to %d", most)
	}
	return p.Limit, nil
}
