package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// A reply comes back whole whether or not it fits, whoever owns its memory.
func TestReplyOfAHostFunction(t *testing.T) {
	own := bytes.Repeat([]byte("own memory "), 10)
	for _, c := range []struct {
		name  string
		entry string
		serve func(ctx context.Context, in, out []byte) ([]byte, error)
		want  string
	}{
		{"in place", "call", nil, "abc"},
		{"in place, at capacity", "call", func(_ context.Context, _, out []byte) ([]byte, error) {
			return append(out, own[:64]...), nil
		}, string(own[:64])},
		{"of the host's", "call", func(context.Context, []byte, []byte) ([]byte, error) { return own[:20], nil }, string(own[:20])},
		{"a later part of out", "call", func(_ context.Context, _, out []byte) ([]byte, error) {
			return append(out, "skipped tail"...)[8:], nil
		}, "tail"},
		{"the request itself", "call", func(_ context.Context, in, _ []byte) ([]byte, error) { return in, nil }, "abc"},
		{"nothing", "call", func(context.Context, []byte, []byte) ([]byte, error) { return nil, nil }, ""},
		{"taken", "call_take", func(_ context.Context, _, out []byte) ([]byte, error) { return append(out, own...), nil }, string(own)},
		{"too long for one crossing", "call_wide", func(_ context.Context, _, out []byte) ([]byte, error) {
			return append(out, own...), nil
		}, string(own)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, i := start(t, &host{serve: c.serve})
			for range 2 {
				out, err := i.Call(t.Context(), c.entry, []byte("abc"))
				if err != nil || string(out) != c.want {
					t.Fatalf("got %q, %v; want %q", out, err, c.want)
				}
			}
		})
	}
}

func TestErrorOfAHostFunction(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, c := range []struct {
		name, entry string
		err         error
		words       []string
	}{
		{"in place", "call_wide", fault.New(fault.PortNotFound, "no port").WithHint("plug it in"), []string{"port_not_found: no port"}},
		{"taken", "call_take", fault.New(fault.PortNotFound, "no port"), []string{"port_not_found: no port"}},
		{"not a fault", "call_wide", errors.New("plain"), []string{"internal: unexpected failure: plain"}},
		{"too long", "call_wide", errors.New(long), []string{"..."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, i := start(t, &host{serve: func(context.Context, []byte, []byte) ([]byte, error) { return nil, c.err }})
			_, err := i.Call(t.Context(), c.entry, nil)
			wantFault(t, err, fault.Guest, c.words...)
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes crossed", len(err.Error()))
			}
		})
	}
}

func TestPendingReplyIsDroppedByTheNextCall(t *testing.T) {
	_, i := start(t, &host{serve: func(_ context.Context, _, out []byte) ([]byte, error) {
		return append(out, "kept"...), nil
	}})
	_, err := i.Call(t.Context(), "call_late", nil) // do, opt, take: takes opt's
	wantFault(t, err, fault.Guest, "denied")
	for _, entry := range []string{"take", "call_stale"} { // the second: do, do that fits, take
		_, err = i.Call(t.Context(), entry, nil)
		wantFault(t, err, fault.Guest, "no reply is waiting")
	}
}

func TestReplyIsBounded(t *testing.T) {
	big := make([]byte, engine.MaxCrossing+1)
	_, i := start(t, &host{serve: func(context.Context, []byte, []byte) ([]byte, error) { return big, nil }})
	_, err := i.Call(t.Context(), "call_take", nil)
	wantFault(t, err, fault.Guest, "too_large")
}

// TestAbuse12BadPointers calls host functions with every kind of range.
func TestAbuse12BadPointers(t *testing.T) {
	const end = pages * 65536
	e, i := start(t, &host{serve: func(_ context.Context, in, out []byte) ([]byte, error) {
		return append(out, in[:min(len(in), 100)]...), nil
	}})
	values := []uint32{0, 1, 8, 0x4000, end - 1, end, end + 1, 1 << 31, 1<<32 - 1}
	n := len(values)
	bad := uint64(0)
	for _, entry := range []string{"raw", "raw_take"} {
		for k := range n * n * n * n {
			args := []uint32{values[k%n], values[k/n%n], values[k/n/n%n], values[k/n/n/n]}
			var in []byte
			for _, a := range args {
				in = binary.LittleEndian.AppendUint32(in, a)
			}
			out, err := i.Call(t.Context(), entry, in)
			if err != nil {
				t.Fatalf("%s%v: %v", entry, args, err)
			}
			if uint64(args[0])+uint64(args[1]) <= end && uint64(args[2])+uint64(args[3]) <= end {
				continue
			}
			bad++
			if binary.LittleEndian.Uint64(out)&abi.HostErrorBit == 0 {
				t.Fatalf("%s%v went through", entry, args)
			}
		}
	}
	if s := e.Stats(); s.BadPointers != bad || bad == 0 {
		t.Errorf("%d bad ranges were counted, want %d", s.BadPointers, bad)
	}
}

func TestWaitingHostCallEndsWithTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		i := instantiate(t, e, compile(t, e, tiny()), engine.InstanceConfig{
			Link: allLinked(), CallTimeout: 50 * time.Millisecond,
			Host: &host{serve: func(ctx context.Context, _, _ []byte) ([]byte, error) {
				if d, ok := ctx.Deadline(); !ok || time.Until(d) != 50*time.Millisecond {
					t.Errorf("the host sees the deadline %v", d)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}},
		})
		begin := time.Now()
		_, err := i.Call(t.Context(), "call_stale", nil)
		wantFault(t, err, fault.GuestDeadline)
		if s := e.Stats(); s.HostCalls != 1 {
			t.Errorf("after its deadline the guest went on to %d host calls", s.HostCalls)
		}
		if took := time.Since(begin); took != 50*time.Millisecond {
			t.Errorf("ended after %v", took)
		}
	})
}

// A caller's context ends with its call: that it is cancelled later does not
// concern the next one.
func TestCallOutlivesTheContextOfTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, cancel := context.WithCancel(t.Context())
		calls := 0
		e := newEngine(t)
		i := instantiate(t, e, compile(t, e, tiny()), engine.InstanceConfig{
			Link: allLinked(),
			Host: &host{serve: func(ctx context.Context, _, out []byte) ([]byte, error) {
				if calls++; calls == 1 {
					_ = ctx.Done() // follows the first caller
				} else {
					cancel()
					synctest.Wait()
				}
				return out, nil
			}},
		})
		if _, err := i.Call(first, "call", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := i.Call(t.Context(), "call", nil); err != nil {
			t.Errorf("the second call ended with the first one's context: %v", err)
		}
	})
}

type traceKey struct{}

func TestHostSeesTheCallersValues(t *testing.T) {
	var got any
	_, i := start(t, &host{serve: func(ctx context.Context, _, out []byte) ([]byte, error) {
		got = ctx.Value(traceKey{})
		return out, nil
	}})
	if _, err := i.Call(context.WithValue(t.Context(), traceKey{}, "trace"), "call", nil); err != nil {
		t.Fatal(err)
	}
	if got != "trace" {
		t.Errorf("the host sees %v", got)
	}
}

func TestPanicOfTheHostEndsOneGuest(t *testing.T) {
	e, i := start(t, &host{serve: func(context.Context, []byte, []byte) ([]byte, error) { panic("oops") }})
	_, err := i.Call(t.Context(), "call", nil)
	wantFault(t, err, fault.Internal, "test.do panicked: oops", "hostcall_test.go")
	if i.State() != engine.Dead || e.Stats().HostFailures != 1 {
		t.Errorf("the guest is %v", i.State())
	}
}

func TestGuestWithoutAHost(t *testing.T) {
	e := newEngine(t)
	i := instantiate(t, e, compile(t, e, tiny()), engine.InstanceConfig{Link: allLinked()})
	_, err := i.Call(t.Context(), "call_wide", nil)
	wantFault(t, err, fault.Unsupported, "test.do is not available here")
}

// Neither calls nor host calls allocate, whether they wait for a context or
// not, and whether a tenant pays for them or not.
func TestCallsDoNotAllocate(t *testing.T) {
	e := newEngine(t)
	e.SetBudget("acme", engine.Budget{MemoryBytes: 1 << 30, CPU: 1000})
	m := compile(t, e, tiny())
	for _, account := range []string{"", "acme"} {
		for _, entry := range []string{"empty", "echo", "call", "call_take", "calls", "opt_silent", "loop"} {
			for name, host := range map[string]engine.Host{"quiet": quiet{}, "waiting": waiting{}} {
				i := instantiate(t, e, m, engine.InstanceConfig{
					Link: allLinked(), Host: host, Account: account, CallTimeout: time.Minute,
					Timeouts: map[string]time.Duration{entry: time.Hour},
				})
				ctx, in := t.Context(), make([]byte, 200)
				allocs := testing.AllocsPerRun(200, func() {
					binary.LittleEndian.PutUint32(in, 50) // host calls of "calls", rounds of "loop"
					if _, err := i.Call(ctx, entry, in); err != nil {
						t.Fatal(err)
					}
				})
				if allocs > 0 && !engine.RaceEnabled {
					t.Errorf("%s with a %s host for %q allocates %.1f times a call", entry, name, account, allocs)
				}
			}
		}
	}
}

// waiting is a Host that allocates nothing and looks at its context.
type waiting struct{ quiet }

func (w waiting) HostCall(ctx context.Context, group, function string, in, out []byte) ([]byte, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	default:
		return w.quiet.HostCall(ctx, group, function, in, out)
	}
}

// quiet is a Host that allocates nothing.
type quiet struct{}

func (quiet) HostCall(_ context.Context, _, _ string, in, out []byte) ([]byte, error) {
	if len(in) > cap(out) {
		return in, nil
	}
	return append(out, in...), nil
}
func (quiet) Output(int, []byte)    {}
func (quiet) Denied(string, string) {}

// rude is a host that panics whatever it is told.
type rude struct{}

func (rude) HostCall(context.Context, string, string, []byte, []byte) ([]byte, error) { panic("oops") }

func (rude) Output(int, []byte) { panic("oops") }

func (rude) Denied(string, string) { panic("oops") }

// TestPanicOfTheHostThatIsToldSomething ends this guest alone as well, be it in
// a call or when what is left of the output is handed on after it.
func TestPanicOfTheHostThatIsToldSomething(t *testing.T) {
	said := func(text string) []byte {
		m := tinyModule()
		m.Imports = append(m.Imports, w.Import{Module: "wasi_snapshot_preview1", Name: "fd_write", Params: "iiii", Results: "i"})
		m.Data = append(m.Data, w.Data{Offset: 0x300, Bytes: []byte("\x00\x05\x00\x00" + string(rune(len(text))) + "\x00\x00\x00")},
			w.Data{Offset: 0x500, Bytes: []byte(text)})
		m.Functions = append(m.Functions, w.Function{Export: "say", Params: "ii", Results: "I", Body: w.Join(
			w.I32(1), w.I32(0x300), w.I32(1), w.I32(0x400), w.Call(fnImports), w.Drop(), w.I64(0))})
		return m.Bytes()
	}
	e := newEngine(t)
	on := func(wasm []byte) *engine.Instance {
		return instantiate(t, e, compile(t, e, wasm), engine.InstanceConfig{Link: allLinked(), Host: rude{}})
	}
	_, err := on(tiny()).Call(t.Context(), "opt", nil)
	wantFault(t, err, fault.Internal, "host.Denied panicked: oops")
	_, err = on(said("a line\n")).Call(t.Context(), "say", nil)
	wantFault(t, err, fault.Internal, "host.Output panicked: oops")

	i := on(said("no line"))
	for _, entry := range []string{"say", "empty"} {
		if _, err := i.Call(t.Context(), entry, nil); err != nil {
			t.Fatal(err)
		}
	}
	wantFault(t, i.Close(t.Context()), fault.Internal, "host.Output panicked: oops")
	i = on(said("no line"))
	if _, err := i.Call(t.Context(), "say", nil); err != nil {
		t.Fatal(err)
	}
	_, err = i.Call(t.Context(), "trap", nil)
	wantFault(t, err, fault.GuestTrap)
	if s := e.Stats(); s.HostFailures != 4 || s.Traps != 1 || s.Idle+s.Running != 0 || i.State() != engine.Dead {
		t.Errorf("stats: %+v", s)
	}
}
