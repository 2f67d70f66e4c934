package supervisor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"github.com/snaprail/snaprail/hostfns/clock"
	"github.com/snaprail/snaprail/hostfns/connectors"
	"github.com/snaprail/snaprail/hostfns/devices"
	"github.com/snaprail/snaprail/hostfns/file"
	"github.com/snaprail/snaprail/hostfns/kv"
	hostlog "github.com/snaprail/snaprail/hostfns/log"
	"github.com/snaprail/snaprail/hostfns/serial"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/probe"
	"github.com/snaprail/snaprail/runtime/secret"
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

// patience is how long a test waits for what must come, on a machine that may be
// busy with much else: that it did not come is then told, and nothing is bounded by it.
const patience = time.Minute

// uploading lets one module in at a time: the first of each guest compiles it
// for all.
var uploading sync.Mutex

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
	secrets *secret.Keys // nil: there can be none
	restart supervisor.Restart
	outbox  outbox.Config
	ceiling spec.Ceiling
	probes  *probe.Probes // nil: there are none
	streams []*control.Stream
	watch   func(capability.Group) capability.Group // stands before each group; nil: nothing does
	more    []capability.Group                      // beside the usual ones
}

// newRig starts a node, after it was changed as wanted. Its test runs beside
// others: most of them wait for most of their time.
func newRig(t *testing.T, change ...func(*rig)) *rig {
	t.Helper()
	t.Parallel()
	r := &rig{
		t: t, dir: t.TempDir(), store: memory.New(),
		restart: supervisor.Restart{Min: 10 * time.Millisecond, Max: 50 * time.Millisecond},
	}
	for _, f := range change {
		f(r)
	}
	both := []spec.Right{spec.Read, spec.Write}
	r.ceiling.Grantable = []spec.Grant{{Group: "serial", Rights: both}, {Group: "file", Rights: both}, {Group: "connectors", Rights: both}}
	for _, g := range r.more {
		r.ceiling.Grantable = append(r.ceiling.Grantable, spec.Grant{Group: g.Name(), Rights: both})
	}
	r.start()
	t.Cleanup(func() {
		r.stop()
		_ = r.store.Close()
		lines.close(t)
	})
	return r
}

// start starts the node on what the store and the disk hold.
func (r *rig) start() {
	r.t.Helper()
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(writer{r.t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	all := []capability.Group{serial.New(serial.Config{}), hostlog.New(), clock.New(), kv.New(), file.New(), connectors.New(), devices.New()}
	for i := range all {
		if r.watch != nil {
			all[i] = r.watch(all[i])
		}
	}
	all = append(all, r.more...)
	groups := capability.NewRegistry(all...)
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
		Outbox: r.outbox, Restart: r.restart, Ceiling: r.ceiling, Secrets: r.secrets, Probes: r.probes, Log: log,
	})
	r.service = control.New(control.Config{Store: r.store, Catalog: cat, Supervisor: r.super, Engine: r.engine, Groups: groups, Secrets: r.secrets})
	if err := r.super.AddTenant(ctx, "plant"); err != nil {
		r.t.Fatal(err)
	}
	if err := r.super.Start(ctx); err != nil {
		r.t.Fatal(err)
	}
	r.tenant = r.as("plant")
}

func (r *rig) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
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

// as is a tenant's control plane in the hands of the server itself.
func (r *rig) as(tenant string) *control.Tenant {
	r.t.Helper()
	t, err := r.service.Tenant(tenant)
	if err != nil {
		r.t.Fatal(err)
	}
	return t.By(identity.OfServer(tenant))
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
		uploading.Lock()
		m, _, err := r.tenant.AddModule(r.t.Context(), bytes.NewReader(src), nil, "")
		uploading.Unlock()
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
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
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

// update changes a connector, which runs, and answers what came of it.
func (r *rig) update(id string, in control.ConnectorInput) lifecycle.Status {
	r.t.Helper()
	v, err := r.tenant.UpdateConnector(r.t.Context(), id, in, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	if came := func(s lifecycle.Status) bool { return s.State != lifecycle.Starting && s.State != lifecycle.Updating }; !came(v.Runtime) {
		return r.until(id, "anything", came) // the answer waits for some seconds, which a busy machine may need
	}
	return v.Runtime
}

// logged waits for a line of the connector's log.
func (r *rig) logged(id, text string) control.LogLine {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	logs, err := r.tenant.Logs(ctx, id, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	for {
		line, err := logs.Next(ctx)
		if err != nil {
			r.t.Fatalf("%q was not logged: %v", text, err)
		}
		if strings.Contains(line.Text, text) {
			return line
		}
	}
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
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	rec, err := s.s.Next(ctx)
	if err != nil {
		s.t.Fatalf("no record: %v", err)
	}
	return rec
}

// wants reads the next payloads.
func (s *records) wants(payloads ...string) {
	s.t.Helper()
	for _, want := range payloads {
		if got := string(s.payload()); got != want {
			s.t.Fatalf("payload %q, want %q", got, want)
		}
	}
}

// payload is the next record that has one and is no gap.
func (s *records) payload() []byte {
	s.t.Helper()
	for {
		if rec := s.next(); len(rec.Payload) > 0 && rec.Kind != "gap" {
			return rec.Payload
		}
	}
}

// line is a serial line: the near end is the device's.
type line struct {
	near, far *os.File
	port      string
}

func newLine(t *testing.T) *line {
	t.Helper()
	l := &line{}
	l.connect(t)
	l.port = l.far.Name()
	lines.add(t, l)
	return l
}

// lines are all that are open. They are closed behind the node of their test:
// the number of a closed one is given to another test's line, which a node that
// looks for its own would take.
var lines lineList

type lineList struct {
	mu sync.Mutex
	of map[*testing.T][]*line
}

func (a *lineList) add(t *testing.T, l *line) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of == nil {
		a.of = map[*testing.T][]*line{}
	}
	a.of[t] = append(a.of[t], l)
}

func (a *lineList) close(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.of[t] {
		l.close()
	}
	delete(a.of, t)
}

// newLinkedLine is a line with a port of a name that does not change, as in
// /dev/serial/by-id: it can be unplugged and plugged in again.
func newLinkedLine(t *testing.T) *line {
	t.Helper()
	l := &line{port: filepath.Join(t.TempDir(), "by-id")}
	l.plug(t)
	lines.add(t, l)
	return l
}

func (l *line) connect(t *testing.T) {
	t.Helper()
	var err error
	if l.near, l.far, err = pty.Open(); err != nil {
		t.Fatal(err)
	}
}

func (l *line) close() { _ = l.near.Close(); _ = l.far.Close() }

func (l *line) plug(t *testing.T) {
	t.Helper()
	l.connect(t)
	if err := os.Symlink(l.far.Name(), l.port); err != nil {
		t.Fatal(err)
	}
}

func (l *line) unplug(t *testing.T) {
	t.Helper()
	if err := os.Remove(l.port); err != nil {
		t.Fatal(err)
	}
	l.close()
}

func (l *line) send(t *testing.T, s string) {
	t.Helper()
	if _, err := l.near.WriteString(s); err != nil {
		t.Fatal(err)
	}
}

// grants of a serial port.
func port(paths ...string) []spec.Grant {
	return []spec.Grant{{Group: "serial", Resources: paths, Rights: []spec.Right{spec.Read, spec.Write}}}
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
