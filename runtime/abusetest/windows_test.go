package abusetest_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/abusetest"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// attack is what goes on in the attack windows. It returns soon after ctx ends.
type attack struct {
	number, name string
	pairs        int // of windows, in a full run
	longest      time.Duration
	run          func(ctx context.Context, n *node)
}

// TestAbuseBystander: while hostile guests are at work, in windows that
// alternate with quiet ones, the records of another tenant in the same process
// arrive, all of them, and not much later than otherwise.
//
// The guests of cases 1 to 8 and 15 are called directly in the node's engine,
// on the account of the hostile tenant, with deadlines of 250 ms, and anew as
// soon as they are dead: this is worse than a connector may do, whose restarts
// wait longer each time. Those of case 11 are connectors, under the supervisor.
// The hostile tenant has no share set.
func TestAbuseBystander(t *testing.T) {
	n := newNode(t)
	b := n.bystander()
	for _, a := range n.attacks() {
		t.Run(a.number, func(t *testing.T) {
			for try := 1; ; try++ {
				w := b.windows(t, a)
				quietMax, attackMax := w.Max()
				unsteady := w.Unsteady(a.longest)
				t.Logf("%s, run %d:\n%s", a.name, try, w)
				if full && unsteady && try < 4 {
					t.Logf("repeated: the quiet windows differ more than twofold, or have a latency of %s", abusetest.Millis(quietMax))
					continue
				}
				quiet, p99 := w.P99()
				note := ""
				if try > 1 {
					note = fmt.Sprintf("; run %d", try)
				}
				if unsteady {
					note += ", quiet windows unsteady"
				}
				judge(t, a.number, "bystander: "+a.name, "median of p99 at most "+abusetest.Millis(w.Most()),
					fmt.Sprintf("%s, quiet %s%s", abusetest.Millis(p99), abusetest.Millis(quiet), note), p99 <= w.Most())
				judge(t, a.number, "bystander: "+a.name, "max at most "+abusetest.Millis(a.longest),
					fmt.Sprintf("%s, quiet %s%s", abusetest.Millis(attackMax), abusetest.Millis(quietMax), note), attackMax <= a.longest)
				if limit := 2*w.Most() + 2*time.Second; p99 > limit {
					t.Errorf("the median of the p99 is %s, far beyond %s", p99, w.Most())
				}
				return
			}
		})
	}
	b.unharmed()
}

// windows lets quiet and attack windows alternate.
func (b *bystander) windows(t *testing.T, a attack) *abusetest.Windows {
	t.Helper()
	pairs, length := 1, 500*time.Millisecond
	if full {
		pairs, length = a.pairs, 5*time.Second
	}
	w := &abusetest.Windows{}
	window := func() abusetest.Latencies {
		from := time.Now()
		pause(t.Context(), length)
		return b.between(from, from.Add(length))
	}
	for range pairs {
		b.arrived()
		pause(t.Context(), length/10)
		quiet := window()
		ctx, end := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { a.run(ctx, b.node) })
		attacked := window()
		end()
		group.Wait()
		w.Add(quiet, attacked)
	}
	return w
}

func (n *node) attacks() []attack {
	n.t.Helper()
	spinners := abusetest.Spinners()
	const limit = 256 << 20
	floods := n.floods()
	return []attack{
		{"01-03", "4 guests: loop, call tree, 64 MiB memory.fill and memory.copy", 6, 100 * time.Millisecond, n.calls(spinners[:4]...)},
		{"03", "4 guests: table.fill of 65,000 entries", 3, 100 * time.Millisecond, n.calls(slices.Repeat(spinners[4:], 4)...)},
		{"04", "4 spinning guests, and a GC every 5 ms", 3, 50 * time.Millisecond, collecting(n.calls(spinners[0], spinners[1], spinners[0], spinners[1]))},
		{"06", "4 guests: memory.grow to 256 MiB, page by page, or filled", 3, 50 * time.Millisecond, n.calls(
			abusetest.Grower(limit), abusetest.Hoarder(limit), abusetest.Grower(limit), abusetest.Hoarder(limit))},
		{"07", "4 guests: table.grow to the limit", 3, 100 * time.Millisecond, n.calls(slices.Repeat([]abusetest.Guest{abusetest.TableGrower()}, 4)...)},
		{"08", "2 uploads at a time that are laborious to compile", 3, 100 * time.Millisecond, laborious},
		{"08", "2 uploads at a time of a bomb of 15 MB, which is refused", 3, 100 * time.Millisecond, refused},
		{"11", "2 connectors that flood log and kv", 3, 100 * time.Millisecond, floods},
		{"15", "4 guests that trap in every call", 3, 100 * time.Millisecond, n.calls(slices.Repeat([]abusetest.Guest{abusetest.Trapper()}, 4)...)},
	}
}

// together runs a function n times at once.
func together(n int, do func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { do(i) })
	}
	group.Wait()
}

// calls keeps one instance of each guest in a call, until ctx ends.
func (n *node) calls(guests ...abusetest.Guest) func(ctx context.Context, n *node) {
	n.t.Helper()
	modules := make([]*engine.Module, len(guests))
	for i, g := range guests {
		modules[i] = n.compile(g)
	}
	return func(ctx context.Context, n *node) {
		together(len(guests), func(i int) {
			for ctx.Err() == nil {
				if _, err := n.call(ctx, modules[i], guests[i], 250*time.Millisecond); !endsAGuest(err) {
					n.t.Errorf("%s: %v", guests[i].Name, err)
					return
				}
			}
		})
	}
}

// call makes an instance and calls it once, and tells how long the call took.
func (n *node) call(ctx context.Context, m *engine.Module, g abusetest.Guest, deadline time.Duration) (took time.Duration, err error) {
	i, err := n.engine.Instantiate(ctx, m, engine.InstanceConfig{Account: "hostile", MemoryBytes: g.Memory, CallTimeout: deadline})
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	_, err = i.Call(ctx, abusetest.Entry, nil)
	took = time.Since(begin)
	if err == nil {
		err = i.Close(context.WithoutCancel(ctx)) // a guest that did not die
	}
	return took, err
}

// endsAGuest reports whether a hostile guest's end is one that it may come to.
func endsAGuest(err error) bool {
	return slices.ContainsFunc([]fault.Kind{
		fault.GuestDeadline, fault.GuestTrap, fault.GuestMemory, fault.GuestTable, fault.GuestStack, fault.Canceled,
	}, func(k fault.Kind) bool { return fault.Is(err, k) })
}

// collecting forces a garbage collection every 5 ms meanwhile.
func collecting(run func(context.Context, *node)) func(context.Context, *node) {
	return func(ctx context.Context, n *node) {
		var group sync.WaitGroup
		group.Go(func() {
			for ctx.Err() == nil {
				runtime.GC()
				pause(ctx, 5*time.Millisecond)
			}
		})
		run(ctx, n)
		group.Wait()
	}
}

// laborious uploads modules that nobody has seen before, of as many functions
// as the check lets pass, until ctx ends.
func laborious(ctx context.Context, n *node) {
	functions := 1
	for ; functions < 128; functions++ {
		if _, err := wasmbin.Read(abusetest.Laborious(functions+1, 0).Module); err != nil {
			break
		}
	}
	var variant atomic.Int64
	together(2, func(int) {
		for ctx.Err() == nil {
			g := abusetest.Laborious(functions, int(variant.Add(1)))
			m, err := n.engine.Compile(ctx, g.Module)
			if err == nil {
				err = m.Close(context.WithoutCancel(ctx))
			}
			if err != nil && !fault.Is(err, fault.Canceled) && !fault.Is(err, fault.CompileLimit) {
				n.t.Errorf("%s: %v", g.Name, err)
				return
			}
		}
	})
}

// refused uploads a bomb again and again.
func refused(ctx context.Context, n *node) {
	bomb := abusetest.Laborious(2_000, 0).Module
	together(2, func(int) {
		for ctx.Err() == nil {
			if _, err := n.engine.Compile(ctx, bomb); !fault.Is(err, fault.WasmBody) && !fault.Is(err, fault.Canceled) {
				n.t.Error(err)
				return
			}
		}
	})
}

// floods are connectors of the hostile tenant that call the host as often as
// they can.
func (n *node) floods() func(ctx context.Context, n *node) {
	n.t.Helper()
	echo := n.upload(n.hostile, wasm(n.t, "echo"))
	var ids []string
	for _, action := range []string{"log_flood 50000", "kv_flood 50000"} {
		v, err := n.hostile.CreateConnector(n.t.Context(), control.ConnectorInput{
			Name: action[:3], Module: echo, Limits: spec.Limits{CallTimeout: spec.Duration(time.Minute)},
			Config: config(n.t, map[string]any{"device": action[:3], "every_ms": 1, "on": map[string]string{"tick": action}}),
		})
		if err != nil {
			n.t.Fatal(err)
		}
		ids = append(ids, v.ID)
	}
	return func(ctx context.Context, n *node) {
		last := context.WithoutCancel(ctx)
		for _, id := range ids {
			if _, err := n.hostile.Activate(last, id); err != nil {
				n.t.Error(err)
			}
		}
		<-ctx.Done()
		for _, id := range ids {
			if _, err := n.hostile.Deactivate(last, id); err != nil {
				n.t.Error(err)
			}
			for !n.stopped(last, id) {
				pause(last, 5*time.Millisecond)
			}
		}
	}
}

func (n *node) stopped(ctx context.Context, id string) bool {
	v, err := n.hostile.Connector(ctx, id)
	return err != nil || v.Runtime.State == lifecycle.Stopped
}
