package supervisor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"github.com/snaprail/snaprail/hostfns/clock"
	"github.com/snaprail/snaprail/hostfns/file"
	"github.com/snaprail/snaprail/hostfns/kv"
	hostlog "github.com/snaprail/snaprail/hostfns/log"
	"github.com/snaprail/snaprail/hostfns/serial"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

func TestMain(m *testing.M) {
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

// rig is a whole node without its API, on real parts: a store, an outbox on
// disk, the engine, the groups, pseudo-terminals.
type rig struct {
	t       *testing.T
	dir     string
	store   store.Store
	engine  *engine.Engine
	super   *supervisor.Supervisor
	tenant  *control.Tenant
	service *control.Service
	restart supervisor.Restart
	streams []*control.Stream
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		t: t, dir: t.TempDir(), store: memory.New(),
		restart: supervisor.Restart{Min: 10 * time.Millisecond, Max: 50 * time.Millisecond},
	}
	r.start()
	t.Cleanup(func() { r.stop(); _ = r.store.Close() })
	return r
}

// start starts the node on what the store and the disk hold.
func (r *rig) start() {
	r.t.Helper()
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(writer{r.t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	groups := capability.NewRegistry(serial.New(serial.Config{}), hostlog.New(), clock.New(), kv.New(), file.New())
	var err error
	if r.engine, err = engine.New(ctx, engine.Config{CacheDir: cacheDir, Groups: groups.Groups(), Log: log}); err != nil {
		r.t.Fatal(err)
	}
	cat, err := catalog.New(catalog.Config{Dir: filepath.Join(r.dir, "modules"), Store: r.store, Engine: r.engine, Groups: groups, Log: log})
	if err != nil {
		r.t.Fatal(err)
	}
	r.super = supervisor.New(ctx, supervisor.Config{
		Dir: filepath.Join(r.dir, "outbox"), Store: r.store, Catalog: cat, Engine: r.engine, Groups: groups,
		Restart: r.restart, Log: log,
	})
	r.service = control.New(control.Config{Store: r.store, Catalog: cat, Supervisor: r.super, Engine: r.engine, Groups: groups})
	if err := r.super.AddTenant(ctx, "plant"); err != nil {
		r.t.Fatal(err)
	}
	if err := r.super.Start(ctx); err != nil {
		r.t.Fatal(err)
	}
	if r.tenant, err = r.service.Tenant("plant"); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, s := range r.streams {
		_ = s.Close()
	}
	r.streams = nil
	if err := r.super.Stop(ctx); err != nil {
		r.t.Error(err)
	}
	if err := r.engine.Close(ctx); err != nil {
		r.t.Error(err)
	}
}

// writer shows the node's log in the test's.
type writer struct{ t *testing.T }

func (w writer) Write(p []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimRight(p, "\n"))
	return len(p), nil
}

// module uploads a guest that `make wasm` has built.
func (r *rig) module(name string) string {
	r.t.Helper()
	for _, dir := range []string{"../../testdata/guests/dist", "../../connectors-wasm/dist"} {
		src, err := os.ReadFile(filepath.Join(dir, name+".wasm"))
		if err != nil {
			continue
		}
		m, _, err := r.tenant.AddModule(r.t.Context(), bytes.NewReader(src), nil)
		if err != nil {
			r.t.Fatalf("%s: %v", name, err)
		}
		return m.Digest
	}
	r.t.Fatalf("%s.wasm is not built: run `make wasm`", name)
	return ""
}

// connect creates and activates a connector.
func (r *rig) connect(in control.ConnectorInput) control.ConnectorView {
	r.t.Helper()
	v, err := r.tenant.CreateConnector(r.t.Context(), in)
	if err != nil {
		r.t.Fatal(err)
	}
	if v, err = r.tenant.Activate(r.t.Context(), v.ID); err != nil {
		r.t.Fatal(err)
	}
	return v
}

// until waits for the connector's status to be as wanted.
func (r *rig) until(id string, what string, ok func(lifecycle.Status) bool) lifecycle.Status {
	r.t.Helper()
	var last lifecycle.Status
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		v, err := r.tenant.Connector(r.t.Context(), id)
		if err != nil {
			r.t.Fatal(err)
		}
		if last = v.Runtime; ok(last) {
			return last
		}
		r.tick()
	}
	r.t.Fatalf("the connector did not become %s: %+v", what, last)
	return last
}

func (r *rig) state(id string, want lifecycle.State) lifecycle.Status {
	r.t.Helper()
	return r.until(id, string(want), func(s lifecycle.Status) bool { return s.State == want })
}

// tick is a short wait that ends with the test.
func (r *rig) tick() {
	t := time.NewTimer(2 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.t.Context().Done():
	}
}

// stream opens the tenant's records.
func (r *rig) stream(after string) *records {
	r.t.Helper()
	s, err := r.tenant.Stream(r.t.Context(), control.StreamOptions{After: after})
	if err != nil {
		r.t.Fatal(err)
	}
	r.streams = append(r.streams, s)
	return &records{r.t, s}
}

type records struct {
	t *testing.T
	s *control.Stream
}

// next is the next record, which must come soon.
func (s *records) next() control.Record {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	rec, err := s.s.Next(ctx)
	if err != nil {
		s.t.Fatalf("no record: %v", err)
	}
	return rec
}

// line is a serial line: the near end is the device's.
type line struct {
	near, far *os.File
	port      string
}

func newLine(t *testing.T) *line {
	t.Helper()
	near, far, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	l := &line{near, far, far.Name()}
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return l
}

func (l *line) send(t *testing.T, s string) {
	t.Helper()
	if _, err := l.near.WriteString(s); err != nil {
		t.Fatal(err)
	}
}

// grants of a serial port.
func port(path string) []spec.Grant {
	return []spec.Grant{{Group: "serial", Resources: []string{path}, Rights: []spec.Right{spec.Read, spec.Write}}}
}

// config is JSON of anything.
func config(t *testing.T, v any) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
