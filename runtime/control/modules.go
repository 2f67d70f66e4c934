package control

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// AddModule admits a module. manifest is a side-car that takes the place of
// the module's own; nil: none. created is false when the tenant has the module
// already. digest is what the caller knows the module by, a sha256 in hex: any
// other module is refused with fault.BodyInvalid, and nothing is kept of it; "":
// any will do.
func (t *Tenant) AddModule(ctx context.Context, body io.Reader, manifest []byte, digest string) (m spec.Module, created bool, err error) {
	if err := t.may(ctx, identity.Modules, identity.Write); err != nil {
		return m, false, err
	}
	if digest != "" && !isDigest(digest) {
		return m, false, fault.New(fault.Invalid, "%.80q is no sha256 in hex", digest).
			WithHint("Send the 64 digits that sha256sum prints.")
	}
	return t.addModule(ctx, newArrival(body, digest), manifest, nil)
}

// AddExtismModule admits the module that an Extism manifest holds, and keeps
// what the manifest asks for as a proposal. The module's own manifest is the
// one given here, else the one in the field "snaprail", else the module's.
func (t *Tenant) AddExtismModule(ctx context.Context, src, manifest []byte) (m spec.Module, created bool, err error) {
	if err := t.may(ctx, identity.Modules, identity.Write); err != nil {
		return m, false, err
	}
	u, err := engine.ReadExtismManifest(src)
	if err != nil {
		return m, false, err
	}
	if manifest == nil {
		manifest = u.Manifest
	}
	m, created, err = t.addModule(ctx, newArrival(bytes.NewReader(u.Wasm), ""), manifest, &u.Proposal)
	if fault.Is(err, fault.ManifestMissing) {
		return m, false, fault.Of(err).WithHint(`Add the field "snaprail" to the Extism manifest: what the module is for, such as {"kind": "converter", ..., "extism": {"convert": "<function>"}}.`)
	}
	return m, created, err
}

func (t *Tenant) addModule(ctx context.Context, in *arrival, manifest []byte, p *spec.Proposal) (m spec.Module, created bool, err error) {
	if m, created, err = t.shelf.Within(t.roomForModule).AddProposed(ctx, in, manifest, p); err != nil {
		t.refusedModule(in, err)
		return m, false, err
	}
	if !created {
		return m, false, nil
	}
	what := m.Manifest.Category + "/" + m.Manifest.ProviderType + " " + m.Manifest.Version
	t.record(ctx, identity.Event{Action: identity.ModuleUpload, Module: m.Digest, Detail: what})
	return m, true, nil
}

// refusedModule notes a refused upload. One that was given up, or that the
// server failed at, is none.
func (t *Tenant) refusedModule(in *arrival, err error) {
	f := fault.Of(err)
	if status := f.Kind.Info().Status; f.Kind == fault.Canceled || status >= http.StatusInternalServerError {
		return
	}
	t.cfg.Audit.Note(t.id, identity.Event{
		Who: t.who, Action: identity.ModuleUpload, Module: in.digest,
		Outcome: identity.Refused, Code: f.Kind.String(), Detail: f.Text,
	})
}

// Modules is a page of the tenant's modules, by digest.
func (t *Tenant) Modules(ctx context.Context, p Page) (list []spec.Module, next string, err error) {
	if err := t.may(ctx, identity.Modules, identity.Read); err != nil {
		return nil, "", err
	}
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
	if err := t.may(ctx, identity.Modules, identity.Read); err != nil {
		return v, err
	}
	src, m, err := t.shelf.Load(ctx, digest)
	if err != nil {
		return v, err
	}
	info, err := wasmbin.Read(src)
	if err != nil {
		return v, err
	}
	v.Module, v.Anatomy, v.Needs = m, Dissect(info), Needs(m, t.cfg.Groups)
	v.Can, v.Cannot = Describe(m, t.cfg.Groups)
	err = t.space.View(ctx, func(r store.Reader) error {
		v.UsedBy, err = users(r, v.Digest)
		return err
	})
	return v, err
}

// Difference says what changes when one of the tenant's modules takes the place
// of another. Digests may be cut to their first digits.
func (t *Tenant) Difference(ctx context.Context, from, to string) (Difference, error) {
	if err := t.may(ctx, identity.Modules, identity.Read); err != nil {
		return Difference{}, err
	}
	now, err := t.shelf.Get(ctx, to)
	if err != nil {
		return Difference{}, err
	}
	if from == "" {
		return Difference{}, fault.New(fault.Invalid, "from is missing: the module that is there")
	}
	old, err := t.shelf.Get(ctx, from)
	if err != nil {
		return Difference{}, err
	}
	return Compare(old, now, t.cfg.Groups), nil
}

// DeleteModule removes a module that no connector uses.
func (t *Tenant) DeleteModule(ctx context.Context, digest string) error {
	if err := t.may(ctx, identity.Modules, identity.Write); err != nil {
		return err
	}
	m, err := t.shelf.Get(ctx, digest)
	if err != nil {
		return err
	}
	err = t.shelf.Delete(ctx, m.Digest, func(r store.Reader) error {
		by, err := users(r, m.Digest)
		if err != nil || len(by) == 0 {
			return err
		}
		return fault.New(fault.ModuleInUse, "module %s is used by %s", m.Digest, strings.Join(by, ", "))
	})
	if err != nil {
		return err
	}
	t.record(ctx, identity.Event{Action: identity.ModuleDelete, Module: m.Digest})
	return nil
}

// users lists what names the module: connectors, devices with a converter of
// their own, and types with one.
func users(r store.Reader, digest string) (ids []string, err error) {
	for e, err := range store.All(r, store.Connectors, "") {
		if err != nil {
			return nil, err
		}
		var c spec.Connector
		if err := json.Unmarshal(e.Value, &c); err != nil {
			return nil, fault.Wrap(fault.Integrity, err, "connector %s", e.ID)
		}
		if c.Module == digest || names(c.Converter, digest) {
			ids = append(ids, c.ID)
		}
	}
	for e, err := range store.All(r, store.Devices, "") {
		if err != nil {
			return nil, err
		}
		var d spec.Device
		if err := json.Unmarshal(e.Value, &d); err != nil {
			return nil, fault.Wrap(fault.Integrity, err, "device %q", e.ID)
		}
		if names(d.Converter, digest) {
			ids = append(ids, "the device "+d.ID+" of "+d.Connector)
		}
	}
	for e, err := range store.All(r, store.Converters, "") {
		if err != nil {
			return nil, err
		}
		var c spec.Converter
		if err := json.Unmarshal(e.Value, &c); err != nil {
			return nil, fault.Wrap(fault.Integrity, err, "converter of %q", e.ID)
		}
		if names(&c, digest) {
			ids = append(ids, "the type "+strings.ReplaceAll(e.ID, "\x00", "/"))
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
