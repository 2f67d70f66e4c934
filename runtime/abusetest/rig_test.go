package abusetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/snaprail/snaprail/hostfns/clock"
	"github.com/snaprail/snaprail/hostfns/kv"
	hostlog "github.com/snaprail/snaprail/hostfns/log"
	"github.com/snaprail/snaprail/hostfns/serial"
	"github.com/snaprail/snaprail/runtime/abusetest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store/memory"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// node is a whole node without its API, on real parts: the engine with the
// process that compiles, outboxes on disk, the groups, a pseudo-terminal. Two
// tenants share it.
type node struct {
	t               *testing.T
	engine          *engine.Engine
	victim, hostile *control.Tenant
}

func worker(t *testing.T) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, "compile-worker"}
}

func newNode(t *testing.T) *node {
	t.Helper()
	ctx := context.Background()
	n, dir, st := &node{t: t}, t.TempDir(), memory.New()
	groups := capability.NewRegistry(serial.New(serial.Config{}), hostlog.New(), clock.New(), kv.New())
	var err error
	if n.engine, err = engine.New(ctx, engine.Config{CacheDir: cacheDir, Worker: worker(t), Groups: groups.Groups()}); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	cat, err := catalog.New(catalog.Config{Dir: filepath.Join(dir, "modules"), Store: st, Engine: n.engine, Groups: groups, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	super := supervisor.New(ctx, supervisor.Config{
		Dir: filepath.Join(dir, "outbox"), Store: st, Catalog: cat, Engine: n.engine, Groups: groups, Log: log,
		Ceiling: spec.Ceiling{Grantable: []spec.Grant{{Group: "serial", Rights: []spec.Right{spec.Read, spec.Write}}}},
	})
	service := control.New(control.Config{Store: st, Catalog: cat, Supervisor: super, Engine: n.engine, Groups: groups})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		for _, err := range []error{super.Stop(ctx), n.engine.Close(ctx), st.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	for id, tenant := range map[string]**control.Tenant{"victim": &n.victim, "hostile": &n.hostile} {
		if err := super.AddTenant(ctx, id); err != nil {
			t.Fatal(err)
		}
		of, err := service.Tenant(id)
		if err != nil {
			t.Fatal(err)
		}
		*tenant = of.By(identity.OfServer(id))
	}
	if err := super.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return n
}

// wasm is a guest that `make wasm` has built.
func wasm(t *testing.T, name string) []byte {
	t.Helper()
	for _, dir := range []string{"../../testdata/guests/dist", "../../connectors-wasm/dist"} {
		if src, err := os.ReadFile(filepath.Join(dir, name+".wasm")); err == nil {
			return src
		}
	}
	t.Fatalf("%s.wasm is not built: run `make wasm`", name)
	return nil
}

func (n *node) upload(to *control.Tenant, src []byte) string {
	n.t.Helper()
	m, _, err := to.AddModule(n.t.Context(), bytes.NewReader(src), nil, "")
	if err != nil {
		n.t.Fatal(err)
	}
	return m.Digest
}

func (n *node) connect(as *control.Tenant, in control.ConnectorInput) control.ConnectorView {
	n.t.Helper()
	v, err := as.CreateConnector(n.t.Context(), in)
	if err == nil {
		v, err = as.Activate(n.t.Context(), v.ID)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return v
}

// compile compiles a guest for direct calls.
func (n *node) compile(g abusetest.Guest) *engine.Module {
	n.t.Helper()
	m, err := n.engine.Compile(n.t.Context(), g.Module)
	if err != nil {
		n.t.Fatalf("%s: %v", g.Name, err)
	}
	n.t.Cleanup(func() { _ = m.Close(context.Background()) })
	return m
}

func config(t *testing.T, v any) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// pause waits for a while, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// bystander is the tenant beside the hostile one: 500 frames a second through a
// serial line, a connector, a converter and the fsync of the outbox.
type bystander struct {
	*abusetest.Bystander
	node  *node
	id    string
	input control.ConnectorInput
	stop  func()
}

// rate is the time between two records.
const rate = 2 * time.Millisecond

func (n *node) bystander() *bystander {
	n.t.Helper()
	near, far, err := pty.Open()
	if err != nil {
		n.t.Fatal(err)
	}
	b := &bystander{node: n, input: control.ConnectorInput{
		Name: "line", Module: n.upload(n.victim, wasm(n.t, "serialline")),
		Config: config(n.t, map[string]any{"devices": []any{map[string]any{"name": "station", "port": far.Name()}}}),
		Grants: []spec.Grant{{Group: "serial", Resources: []string{far.Name()}, Rights: []spec.Right{spec.Read, spec.Write}}},
		Converter: &spec.Converter{
			Module: n.upload(n.victim, wasm(n.t, "textframe")),
			Config: config(n.t, map[string]any{"fields": []any{map[string]any{"name": "n", "from": 0, "to": 8, "type": "uint"}}}),
		},
	}}
	b.id = n.connect(n.victim, b.input).ID
	stream, err := n.victim.Stream(n.t.Context(), control.StreamOptions{Connector: b.id})
	if err != nil {
		n.t.Fatal(err)
	}
	b.Bystander = abusetest.NewBystander(rate, func(i int) error {
		_, err := fmt.Fprintf(near, "%08d\n", i)
		return err
	})
	sending, end := context.WithCancel(context.Background())
	reading, leave := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := b.Run(sending); err != nil {
			n.t.Error(err)
		}
	})
	group.Go(func() { b.read(reading, stream) })
	b.stop = sync.OnceFunc(func() {
		end()
		b.arrived()
		leave()
		group.Wait()
		_ = stream.Close()
	})
	n.t.Cleanup(func() {
		b.stop()
		_, _ = near.Close(), far.Close()
	})
	b.node.until("the first records", func() bool { _, seen := b.Counts(); return seen > 500 })
	return b
}

// read notes every record, as soon as it is durable.
func (b *bystander) read(ctx context.Context, stream *control.Stream) {
	for {
		r, err := stream.Next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil || len(r.Points) != 1 {
			b.node.t.Errorf("record %+v, %v", r, err)
			return
		}
		b.Saw(int(r.Points[0].Value.Uint()))
	}
}

// arrived waits until all that was sent is there.
func (b *bystander) arrived() {
	b.node.until("all records", func() bool { sent, seen := b.Counts(); return seen == sent || b.Err() != nil })
}

// unharmed looks at what the bystander's tenant would have noticed: a record
// that is missing or came twice, a restart, a gap.
func (b *bystander) unharmed() {
	b.node.t.Helper()
	b.stop()
	sent, seen := b.Counts()
	s := b.status()
	if b.Err() != nil || sent != seen || s.State != lifecycle.Running || s.Restarts != 0 || s.Counters.Gaps != 0 || s.Counters.Quarantined != 0 {
		b.node.t.Errorf("%d of %d records arrived, %v; %+v", seen, sent, b.Err(), s)
	}
	b.node.t.Logf("%d records, all arrived in order", seen)
}

func (b *bystander) status() lifecycle.Status {
	b.node.t.Helper()
	v, err := b.node.victim.Connector(context.Background(), b.id)
	if err != nil {
		b.node.t.Fatal(err)
	}
	return v.Runtime
}

// between are the latencies of a window, when all of it has arrived.
func (b *bystander) between(from, to time.Time) (l abusetest.Latencies) {
	b.node.until("the window's records", func() (complete bool) {
		l, complete = b.Between(from, to)
		return complete || b.Err() != nil
	})
	return l
}

// until waits for something that must come.
func (n *node) until(what string, ok func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); pause(context.Background(), 5*time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Errorf("still waiting for %s", what)
			return
		}
	}
}
