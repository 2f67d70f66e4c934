// Package catalog is where modules come in: it admits them, keeps their bytes
// by digest, and hands them out again. What a tenant has uploaded is a record
// in its own space; equal bytes of several tenants are one file.
//
// A module is kept only when it has passed every check of Admit, and nothing
// is left behind of one that has not. The supervisor loads from here, control
// adds and removes; it imports the store and the engine.
package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// DefaultMaxModule bounds an uploaded module, in bytes.
const DefaultMaxModule = 64 << 20

// Config is what a catalog is made of.
type Config struct {
	Dir       string // of the blobs; made with mode 0700
	Store     store.Store
	Engine    *engine.Engine
	Groups    capability.Registry
	MaxModule int64 // bytes; 0: DefaultMaxModule
	Log       *slog.Logger
}

// Catalog keeps the modules of all tenants. It is safe for use by several
// goroutines.
type Catalog struct {
	cfg Config
	// patience is how long a module may take to start and describe itself.
	patience time.Duration
	// blobs orders the changes of references with the removal of files.
	blobs sync.Mutex
	// schemas are compiled config schemas.
	schemas schemas
	// admissions bounds how many modules are checked at once, each of which is
	// in memory then.
	admissions chan struct{}
	uploads    uploads
	costs      costs
}

// The bounds of what comes in at once.
const (
	admissionsAtOnce = 4
	admissionsOfOne  = admissionsAtOnce / 2 // tenant: others need not wait for it
	uploadsAtOnce    = 4                    // of one tenant
)

// New opens the catalog in its folder and sweeps what an interrupted upload
// left there.
func New(cfg Config) (*Catalog, error) {
	if cfg.MaxModule <= 0 {
		cfg.MaxModule = DefaultMaxModule
	}
	c := &Catalog{cfg: cfg, patience: describeTimeout, admissions: make(chan struct{}, admissionsAtOnce)}
	c.costs = costs{saved: admissionSaved, paid: make(map[string]time.Time)}
	if err := os.RemoveAll(c.incoming()); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "module folder")
	}
	if err := os.MkdirAll(c.incoming(), 0o700); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "module folder")
	}
	return c, nil
}

func (c *Catalog) incoming() string { return filepath.Join(c.cfg.Dir, "incoming") }

func (c *Catalog) path(digest string) string {
	return filepath.Join(c.cfg.Dir, "sha256", digest[:2], digest+".wasm")
}

// load reads a blob and checks it against its digest.
func (c *Catalog) load(digest string) ([]byte, error) {
	src, err := os.ReadFile(c.path(digest))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.Integrity, "the file of module %s is missing", digest).
			WithHint("upload the module again")
	}
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "module %s", digest)
	}
	if sum := sha256.Sum256(src); hex.EncodeToString(sum[:]) != digest {
		return nil, fault.New(fault.Integrity, "the file of module %s is damaged", digest).
			WithHint("delete the module and upload it again, or restore the data directory from a backup")
	}
	return src, nil
}

// Shelf is one tenant's modules.
type Shelf struct {
	catalog *Catalog
	tenant  string
	space   store.Space
	// room refuses a module that the tenant may not have as well; nil: it may
	// have all.
	room func(store.Reader, *spec.Module) error
}

// Within is the same shelf, with a bound that each new module is held to in the
// transaction that keeps it.
func (s *Shelf) Within(room func(store.Reader, *spec.Module) error) *Shelf {
	held := *s
	held.room = room
	return &held
}

// Tenant narrows the catalog to one tenant (I3).
func (c *Catalog) Tenant(id string) (*Shelf, error) {
	space, err := c.cfg.Store.Tenant(id)
	if err != nil {
		return nil, err
	}
	return &Shelf{catalog: c, tenant: id, space: space}, nil
}

// Load reads the bytes of one of the tenant's modules, with its record.
func (s *Shelf) Load(ctx context.Context, digest string) ([]byte, spec.Module, error) {
	m, err := s.Get(ctx, digest)
	if err != nil {
		return nil, m, err
	}
	src, err := s.catalog.load(m.Digest)
	return src, m, err
}

// Add admits a module: it reads body to its end, checks everything and keeps
// it. manifest is a side-car that takes the place of the module's own; nil:
// none. created is false when the tenant has this very module already. A tenant
// that uploads too many at once gets fault.Exhausted, and one whose uploads have
// cost too much processor time, whatever became of them, fault.RateLimited.
func (s *Shelf) Add(ctx context.Context, body io.Reader, manifest []byte) (m spec.Module, created bool, err error) {
	return s.AddProposed(ctx, body, manifest, nil)
}

// AddProposed is Add for a module that comes with a proposal, which is kept
// with it; nil: none.
func (s *Shelf) AddProposed(ctx context.Context, body io.Reader, manifest []byte, p *spec.Proposal) (m spec.Module, created bool, err error) {
	if err := s.catalog.costs.allow(s.tenant, time.Now()); err != nil {
		return m, false, err // nothing is read
	}
	turns, err := s.catalog.uploads.begin(s.tenant)
	if err != nil {
		return m, false, err
	}
	defer s.catalog.uploads.end(s.tenant)
	in, err := s.catalog.receive(body)
	if err != nil {
		return m, false, err
	}
	defer in.discard()
	if m, err = s.admitInTurn(ctx, turns, in, manifest); err != nil {
		s.catalog.unload(context.WithoutCancel(ctx), in.digest)
		return m, false, err
	}
	m.Proposal = p
	s.catalog.blobs.Lock()
	defer s.catalog.blobs.Unlock()
	if created, err = s.keep(ctx, in, &m); err != nil {
		s.undo(context.WithoutCancel(ctx), in.digest)
		return m, false, err
	}
	return m, created, nil
}

// admitInTurn admits a module when there is room: among the tenant's own, and
// then among all.
func (s *Shelf) admitInTurn(ctx context.Context, turns chan struct{}, in *incoming, manifest []byte) (spec.Module, error) {
	for _, places := range []chan struct{}{turns, s.catalog.admissions} {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		case <-ctx.Done():
			return spec.Module{}, fault.Of(ctx.Err())
		}
	}
	if err := s.catalog.costs.allow(s.tenant, time.Now()); err != nil {
		return spec.Module{}, err // those before it have cost too much
	}
	return s.admit(ctx, in, manifest)
}

// keep makes an admitted module the tenant's: its file, the reference that
// keeps the file, and the record, in this order.
func (s *Shelf) keep(ctx context.Context, in *incoming, m *spec.Module) (created bool, err error) {
	if err := in.keep(s.catalog.path(in.digest)); err != nil {
		return false, err
	}
	if err := s.refer(ctx, in.digest); err != nil {
		return false, err
	}
	return s.record(ctx, m)
}

// undo takes the file and the reference of a module back that the tenant has
// no record of.
func (s *Shelf) undo(ctx context.Context, digest string) {
	err := s.space.View(ctx, func(r store.Reader) error {
		_, err := r.Get(store.Modules, digest)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		err = s.forget(ctx, digest)
	}
	if err != nil {
		s.catalog.cfg.Log.Warn("what a refused upload left could not be removed", "module", digest, "error", err)
	}
}

// refer notes that the tenant keeps the blob.
func (s *Shelf) refer(ctx context.Context, digest string) error {
	return s.catalog.cfg.Store.System().Update(ctx, func(w store.Writer) error {
		_, err := w.Put(store.ModuleRefs, digest+"/"+s.tenant, []byte{})
		return err
	})
}

// record writes the tenant's record, unless it is there.
func (s *Shelf) record(ctx context.Context, m *spec.Module) (created bool, err error) {
	err = s.space.Update(ctx, func(w store.Writer) error {
		created = false
		have, err := w.Get(store.Modules, m.Digest)
		if err == nil {
			return s.same(have.Value, m)
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
		raw, err := json.Marshal(m)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "module record")
		}
		if err := checkCategory(w, &m.Manifest, m.Exports); err != nil {
			return err // it may have changed since the module was admitted
		}
		if err := index(w, m); err != nil {
			return err
		}
		if s.room != nil {
			if err := s.room(w, m); err != nil {
				return err
			}
		}
		created = true
		_, err = w.PutIf(store.Modules, m.Digest, raw, 0)
		return err
	})
	return created, err
}

// same makes m the module that is there, unless the manifests differ.
func (s *Shelf) same(raw []byte, m *spec.Module) error {
	var have spec.Module
	if err := json.Unmarshal(raw, &have); err != nil {
		return fault.Wrap(fault.Integrity, err, "module record")
	}
	a, errA := json.Marshal(have.Manifest)
	b, errB := json.Marshal(m.Manifest)
	if err := errors.Join(errA, errB); err != nil {
		return fault.Wrap(fault.Internal, err, "manifest")
	}
	if string(a) != string(b) {
		return fault.New(fault.Exists, "module %s is here already, with another manifest", m.Digest).
			WithHint("pack the new manifest into the module, which gives it a digest of its own")
	}
	if differ(have.Proposal, m.Proposal) {
		return fault.New(fault.Exists, "module %s is here already, with another proposal of config, limits and grants", m.Digest).
			WithHint("delete the module first, or upload it without a proposal")
	}
	*m = have
	return nil
}

// differ reports whether a module comes with another proposal than the one
// that is kept. None is no other.
func differ(have, now *spec.Proposal) bool {
	if now == nil {
		return false
	}
	a, errA := json.Marshal(have)
	b, errB := json.Marshal(now)
	return errors.Join(errA, errB) != nil || string(a) != string(b)
}

// Get is the module with this digest, or with the only digest that starts so.
func (s *Shelf) Get(ctx context.Context, digest string) (m spec.Module, err error) {
	const shortest = 8
	err = s.space.View(ctx, func(r store.Reader) error {
		if len(digest) < shortest {
			return fault.New(fault.NotFound, "no module %q", digest).
				WithHint("name a module by at least %d digits of its digest", shortest)
		}
		found, err := r.List(store.Modules, digest, "", 2)
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return fault.New(fault.NotFound, "no module %q", digest).WithHint("`snaprail modules list` shows what was uploaded")
		case len(found) > 1:
			return fault.New(fault.Invalid, "several modules start with %q", digest).WithHint("give more digits of the digest")
		}
		return decode(found[0].Value, &m)
	})
	return m, err
}

// List is a page of the tenant's modules, by digest.
func (s *Shelf) List(ctx context.Context, after string, limit int) (list []spec.Module, err error) {
	err = s.space.View(ctx, func(r store.Reader) error {
		entries, err := r.List(store.Modules, "", after, limit)
		if err != nil {
			return err
		}
		list = make([]spec.Module, len(entries))
		for i := range entries {
			if err := decode(entries[i].Value, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// Delete removes the tenant's record, and the file with the last record of all
// tenants. unless may refuse, inside the same transaction.
func (s *Shelf) Delete(ctx context.Context, digest string, unless func(store.Reader) error) error {
	s.catalog.blobs.Lock()
	defer s.catalog.blobs.Unlock()
	err := s.space.Update(ctx, func(w store.Writer) error {
		if err := unless(w); err != nil {
			return err
		}
		if err := unindex(w, digest); err != nil {
			return err
		}
		return w.Delete(store.Modules, digest)
	})
	if err != nil {
		return err
	}
	return s.forget(ctx, digest)
}

// forget removes the tenant's reference to the blob, and the file with the
// last reference of all tenants.
func (s *Shelf) forget(ctx context.Context, digest string) error {
	last := false
	err := s.catalog.cfg.Store.System().Update(ctx, func(w store.Writer) error {
		if err := w.Delete(store.ModuleRefs, digest+"/"+s.tenant); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		others, err := w.List(store.ModuleRefs, digest+"/", "", 1)
		last = len(others) == 0
		return err
	})
	if err != nil || !last {
		return err
	}
	s.catalog.cfg.Engine.Forget(digest)
	if err := os.Remove(s.catalog.path(digest)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.Wrap(fault.Internal, err, "module file")
	}
	return nil
}

func decode(raw []byte, m *spec.Module) error {
	if err := json.Unmarshal(raw, m); err != nil {
		return fault.Wrap(fault.Integrity, err, "module record")
	}
	return nil
}

// describeTimeout bounds each call that admission makes: to start the module,
// and to ask what it is.
const describeTimeout = 2 * time.Second

// denyAll is the host of a module under admission: it reaches nothing.
type denyAll struct{}

func (denyAll) HostCall(_ context.Context, group, function string, _, _ []byte) ([]byte, error) {
	return nil, fault.New(fault.Denied, "%s.%s: nothing may be called during admission", group, function)
}

func (denyAll) Output(int, []byte) {}

func (denyAll) Denied(string, string) {}

var _ engine.Host = denyAll{}

// description is what the export describe answers: claims that exports alone
// cannot show, because an SDK exports every entry point.
type description struct {
	EntryPoints []string `json:"entry_points"`
	abi.Manifest
}
