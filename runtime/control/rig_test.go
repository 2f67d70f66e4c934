package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/clock"
	"github.com/snaprail/snaprail/hostfns/connectors"
	"github.com/snaprail/snaprail/hostfns/deploy"
	"github.com/snaprail/snaprail/hostfns/http"
	"github.com/snaprail/snaprail/hostfns/kafka"
	"github.com/snaprail/snaprail/hostfns/kv"
	hostlog "github.com/snaprail/snaprail/hostfns/log"
	"github.com/snaprail/snaprail/hostfns/serial"
	"github.com/snaprail/snaprail/runtime/adapter"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
	"github.com/snaprail/snaprail/runtime/supervisor"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("SNAPRAIL_TEST_SYNCS"); dir != "" {
		if err := sample(dir); err != nil {
			panic(err)
		}
		return
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

// rig is a whole node without its API.
type rig struct {
	*control.Tenant
	t       *testing.T
	store   store.Store
	service *control.Service
	super   *supervisor.Supervisor
	audit   *identity.Audit // nil: none is kept
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigUnder(t, spec.Ceiling{})
}

// anything is a list of grants that covers whatever the groups of these tests have.
func anything() []spec.Grant {
	all := []spec.Right{spec.Read, spec.Write}
	return []spec.Grant{{Group: "serial", Rights: all}, {Group: "http", Rights: all}, {Group: "file", Rights: all}, {Group: "nothing", Rights: all}, {Group: "deploy", Rights: all}, {Group: "kafka", Rights: all}}
}

// ceiling changes what plant may have while it runs.
func (r *rig) ceiling(c spec.Ceiling) {
	r.t.Helper()
	_, err := supervisor.SetCeiling(r.t.Context(), r.store, "plant", func(have *spec.Ceiling) { *have = c })
	if err == nil {
		err = r.super.ApplyCeiling("plant")
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// newRigUnder is a node whose tenants have this ceiling.
func newRigUnder(t *testing.T, ceiling spec.Ceiling) *rig {
	t.Helper()
	r := &rig{t: t, store: memory.New()}
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	groups := capability.NewRegistry(serial.New(serial.Config{}), hostlog.New(), clock.New(), kv.New(), connectors.New(),
		deploy.New(), http.New(egress.New(egress.Config{})), kafka.New(kafka.Config{Egress: egress.New(egress.Config{})}))
	e, err := engine.New(t.Context(), engine.Config{CacheDir: cacheDir, Groups: groups.Groups(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.New(catalog.Config{Dir: filepath.Join(dir, "modules"), Store: r.store, Engine: e, Groups: groups, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := secret.Open(t.Context(), r.store.System(), secret.KEK{1})
	if err != nil {
		t.Fatal(err)
	}
	super := supervisor.New(context.WithoutCancel(t.Context()), supervisor.Config{
		Dir: filepath.Join(dir, "outbox"), Store: r.store, Catalog: cat, Engine: e, Groups: groups, Secrets: keys, Ceiling: ceiling, Log: log,
	})
	r.super = super
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := errors.Join(super.Stop(ctx), e.Close(ctx), r.store.Close()); err != nil {
			t.Error(err)
		}
	})
	r.service = control.New(control.Config{
		Store: r.store, Catalog: cat, Supervisor: super, Engine: e, Groups: groups, Secrets: keys,
		Adapters: adapter.New(adapter.Config{Dir: filepath.Join(dir, "files"), Log: log}),
	})
	if err := super.AddTenant(t.Context(), "plant"); err != nil {
		t.Fatal(err)
	}
	if err := super.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.ceiling(spec.Ceiling{Grantable: anything()})
	r.Tenant = r.tenant("plant")
	return r
}

func (r *rig) tenant(id string) *control.Tenant {
	r.t.Helper()
	if err := r.super.AddTenant(r.t.Context(), id); err != nil {
		r.t.Fatal(err)
	}
	t, err := r.service.Tenant(id)
	if err != nil {
		r.t.Fatal(err)
	}
	return t.By(identity.OfServer(id))
}

// tiny uploads a hand-made module of this kind and name that accepts configs
// by the schema.
func (r *rig) tiny(kind abi.ModuleKind, name, schema string) string {
	r.t.Helper()
	return r.opening(kind, name, schema, w.I64(0))
}

// failing uploads a hand-made connector whose open answers the error; nil: it
// traps.
func (r *rig) failing(name string, err *abi.Error) string {
	r.t.Helper()
	if err == nil {
		return r.opening(abi.KindConnector, name, "", w.Unreachable())
	}
	raw := err.Append(nil)
	return r.opening(abi.KindConnector, name, "", w.Packed(w.I32(dataAt), w.I32(int32(len(raw))|-1<<31)), w.Data{Offset: dataAt, Bytes: raw})
}

// dataAt is where a hand-made module has its data.
const dataAt = 0x400

func (r *rig) opening(kind abi.ModuleKind, name, schema string, open []byte, data ...w.Data) string {
	r.t.Helper()
	return r.upload(r.wasm(kind, name, schema, open, data...))
}

// wasm is a hand-made module whose open does this.
func (r *rig) wasm(kind abi.ModuleKind, name, schema string, open []byte, data ...w.Data) []byte {
	r.t.Helper()
	entry := func(name string, body []byte) w.Function {
		return w.Function{Export: name, Params: "ii", Results: "I", Body: body}
	}
	m := abi.Manifest{
		Category: "telemetry", ProviderType: name, DisplayName: name, Version: "1.0.0",
		ABI: abi.Version{Major: abi.Major, Minor: abi.Minor}, Kind: kind,
	}
	if kind == abi.KindConnector {
		m.Mode = abi.ModeEvent
	}
	if schema != "" {
		m.ConfigSchema = json.RawMessage(schema)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		r.t.Fatal(err)
	}
	return w.Module{
		Pages: 2,
		Functions: []w.Function{
			{Export: abi.ExportAlloc, Params: "i", Results: "i", Body: w.I32(0x10000)},
			entry(abi.EntryOpen, open), entry(abi.EntryOnEvents, w.I64(0)), entry(abi.EntryConvert, w.I64(0)),
		},
		Data:   data,
		Custom: []w.Custom{{Name: abi.ManifestSection, Body: raw}},
	}.Bytes()
}

func (r *rig) upload(src []byte) string {
	r.t.Helper()
	m, _, err := r.AddModule(r.t.Context(), bytes.NewReader(src), nil, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return m.Digest
}

// create makes a connector that must be right.
func (r *rig) create(in control.ConnectorInput) control.ConnectorView {
	r.t.Helper()
	v, err := r.CreateConnector(r.t.Context(), in)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// read reads a connector that must be there.
func (r *rig) read(idOrName string) control.ConnectorView {
	r.t.Helper()
	v, err := r.Connector(r.t.Context(), idOrName)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// wantFault checks the kind of an error, and that it says what to do next.
func wantFault(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	_ = wanted(t, err, kind)
}

// wanted is an error of which more is to be seen than wantFault does.
func wanted(t *testing.T, err error, kind fault.Kind) *fault.Fault {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	f := fault.Of(err)
	if f.Advice() == "" {
		t.Errorf("%v: no hint", err)
	}
	return f
}

// pointers are the places of a fault's fields, in order.
func pointers(fields []fault.Field) []string {
	var all []string
	for _, f := range fields {
		all = append(all, f.Pointer)
	}
	slices.Sort(all)
	return all
}
