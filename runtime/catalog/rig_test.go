package catalog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/clock"
	"github.com/snaprail/snaprail/hostfns/connectors"
	"github.com/snaprail/snaprail/hostfns/file"
	"github.com/snaprail/snaprail/hostfns/hooks"
	"github.com/snaprail/snaprail/hostfns/http"
	"github.com/snaprail/snaprail/hostfns/kafka"
	"github.com/snaprail/snaprail/hostfns/kv"
	hostlog "github.com/snaprail/snaprail/hostfns/log"
	"github.com/snaprail/snaprail/hostfns/mqtt"
	"github.com/snaprail/snaprail/hostfns/opcua"
	"github.com/snaprail/snaprail/hostfns/serial"
	"github.com/snaprail/snaprail/hostfns/tcp"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "compile-worker" {
		os.Exit(engine.CompileWorker(context.Background(), os.Args[2:], os.Stdin, os.Stderr))
	}
	dir, err := os.MkdirTemp("", "snaprail-cache-")
	if err != nil {
		panic(err)
	}
	cacheDir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// cacheDir holds compiled guests, so that a test does not pay for them again.
var cacheDir string

// rig is a catalog on a real engine with the real groups.
type rig struct {
	*catalog.Catalog
	t     *testing.T
	dir   string
	store store.Store
	cfg   catalog.Config
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigOn(t, memory.New(), 0)
}

func newRigOn(t *testing.T, s store.Store, maxModule int64) *rig {
	t.Helper()
	out := egress.New(egress.Config{})
	groups := capability.NewRegistry(serial.New(serial.Config{}), hostlog.New(), clock.New(), connectors.New(), kv.New(), file.New(), hooks.New(hooks.Config{}), http.New(out), kafka.New(kafka.Config{Egress: out}), mqtt.New(mqtt.Config{Egress: out}), tcp.New(tcp.Config{Egress: out}), opcua.New(opcua.Config{Egress: out}))
	log := slog.New(slog.DiscardHandler)
	e, err := engine.New(t.Context(), engine.Config{CacheDir: cacheDir, Groups: groups.Groups(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: filepath.Join(t.TempDir(), "modules"), store: s}
	r.cfg = catalog.Config{Dir: r.dir, Store: s, Engine: e, Groups: groups, MaxModule: maxModule, Log: log}
	r.open()
	t.Cleanup(func() {
		if err := e.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		_ = s.Close()
	})
	return r
}

// open opens the catalog, once more after a restart.
func (r *rig) open() {
	r.t.Helper()
	c, err := catalog.New(r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	c.SetPatience(catalog.DescribeTimeout)
	r.Catalog = c
}

func (r *rig) shelf(tenant string) *catalog.Shelf {
	r.t.Helper()
	s, err := r.Tenant(tenant)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) add(tenant string, src, sidecar []byte) (spec.Module, bool) {
	r.t.Helper()
	m, created, err := r.shelf(tenant).Add(r.t.Context(), bytes.NewReader(src), sidecar)
	if err != nil {
		r.t.Fatal(err)
	}
	return m, created
}

// refused uploads what must be refused, and sees that nothing is left of it.
func (r *rig) refused(body io.Reader, sidecar []byte, kind fault.Kind) *fault.Fault {
	r.t.Helper()
	began := time.Now()
	_, created, err := r.shelf("plant").Add(r.t.Context(), body, sidecar)
	if !fault.Is(err, kind) || created {
		r.t.Fatalf("got %v (created %v), want %v", err, created, kind)
	}
	if took := time.Since(began); took > catalog.DescribeTimeout+5*time.Second {
		r.t.Errorf("the refusal took %s", took)
	}
	if left := r.left(); len(left) > 0 {
		r.t.Errorf("left behind: %q", left)
	}
	f := fault.Of(err)
	if f.Advice() == "" || f.Text == "" {
		r.t.Errorf("no text or no hint: %+v", f)
	}
	return f
}

// left is every file, every record and every reference that there is.
func (r *rig) left() (all []string) {
	r.t.Helper()
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	list := func(space store.Space, bucket store.Bucket) {
		err := space.View(r.t.Context(), func(rd store.Reader) error {
			for e, err := range store.All(rd, bucket, "") {
				if err != nil {
					return err
				}
				all = append(all, string(bucket)+"/"+e.ID)
			}
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	for _, tenant := range []string{"plant", "other"} {
		space, err := r.store.Tenant(tenant)
		if err != nil {
			r.t.Fatal(err)
		}
		list(space, store.Modules)
	}
	list(r.store.System(), store.ModuleRefs)
	return all
}

// built is a module that `make wasm` has built.
func built(t testing.TB, name string) []byte {
	t.Helper()
	for _, dir := range []string{"../../testdata/guests/dist", "../../connectors-wasm/dist"} {
		if src, err := os.ReadFile(filepath.Join(dir, name+".wasm")); err == nil {
			return src
		}
	}
	t.Fatalf("%s.wasm is not built: run `make wasm`", name)
	return nil
}

// manifest is JSON of a manifest that is right, after the changes.
func manifest(t testing.TB, changes ...func(*abi.Manifest)) []byte {
	t.Helper()
	m := abi.Manifest{
		Category: "telemetry", ProviderType: "tiny", DisplayName: "Tiny", Version: "1.0.0",
		ABI: abi.Version{Major: abi.Major, Minor: abi.Minor}, Kind: abi.KindConnector, Mode: abi.ModeEvent,
	}
	for _, change := range changes {
		change(&m)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// tiny is a hand-made connector in event mode, after the changes.
func tiny(changes ...func(*w.Module)) []byte {
	entry := func(name string) w.Function {
		return w.Function{Export: name, Params: "ii", Results: "I", Body: w.I64(0)}
	}
	m := w.Module{
		Pages: 2,
		Functions: []w.Function{
			{Export: abi.ExportAlloc, Params: "i", Results: "i", Body: w.I32(0x10000)},
			entry(abi.EntryOpen), entry(abi.EntryOnEvents),
		},
	}
	for _, change := range changes {
		change(&m)
	}
	return m.Bytes()
}

// packed puts a manifest into the module.
func packed(raw []byte) func(*w.Module) {
	return func(m *w.Module) { m.Custom = append(m.Custom, w.Custom{Name: abi.ManifestSection, Body: raw}) }
}

// without leaves an export out.
func without(name string) func(*w.Module) {
	return func(m *w.Module) {
		for i := range m.Functions {
			if m.Functions[i].Export == name {
				m.Functions[i].Export = ""
			}
		}
	}
}

// with adds a function.
func with(f w.Function) func(*w.Module) {
	return func(m *w.Module) { m.Functions = append(m.Functions, f) }
}

// imports adds imports of host functions.
func imports(pairs ...string) func(*w.Module) {
	return func(m *w.Module) {
		for i := 0; i < len(pairs); i += 2 {
			m.Imports = append(m.Imports, w.Import{Module: pairs[i], Name: pairs[i+1], Params: "iiii", Results: "I"})
		}
	}
}

// describes adds an export describe that answers the text.
func describes(text string) func(*w.Module) {
	return func(m *w.Module) {
		const at = 0x400
		m.Data = append(m.Data, w.Data{Offset: at, Bytes: []byte(text)})
		m.Functions = append(m.Functions, w.Function{
			Export: abi.EntryDescribe, Params: "ii", Results: "I", Body: w.Packed(w.I32(at), w.I32(int32(len(text)))),
		})
	}
}

// starts adds a start function, in which runtimes set themselves up.
func starts(body ...[]byte) func(*w.Module) {
	return with(w.Function{Export: "_initialize", Body: w.Join(body...)})
}

// Load reads a module of the tenant that most tests use.
func (r *rig) Load(digest string) ([]byte, error) {
	src, _, err := r.shelf("plant").Load(r.t.Context(), digest)
	return src, err
}
