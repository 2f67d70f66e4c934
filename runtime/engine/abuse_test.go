package engine_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

func run(body ...[]byte) w.Function {
	return w.Function{Export: "run", Params: "ii", Results: "I", Body: w.Join(w.Join(body...), w.I64(0))}
}

// tree is a call tree of 2^depth leaves, without a loop.
func tree(depth int) w.Module {
	m := w.Module{Functions: []w.Function{run(w.Call(1))}}
	for n := range depth {
		m.Functions = append(m.Functions, w.Function{Body: w.Join(w.Call(uint32(n+2)), w.Call(uint32(n+2)))})
	}
	m.Functions = append(m.Functions, w.Function{})
	return m
}

// storm is n times the same instruction on 64 MiB of memory.
func storm(n int, from int32, instruction ...byte) w.Module {
	one := w.Join(w.I32(0), w.I32(from), w.I32(64<<20-1), instruction)
	return w.Module{Pages: 1024, Functions: []w.Function{run(slices.Repeat([][]byte{one}, n)...)}}
}

// TestAbuse01to03Deadlines: guests that do not want to stop are stopped, with
// and without loops.
func TestAbuse01to03Deadlines(t *testing.T) {
	const deadline = 100 * time.Millisecond
	e := newEngine(t)
	for name, module := range map[string]w.Module{
		"01 loop": {Functions: []w.Function{run(w.Forever())}},
		"01 loop that calls": {Functions: []w.Function{
			run(w.Forever(w.Call(1))), {Body: w.Join(w.I32(1), w.Drop())},
		}},
		"02 call tree":      tree(34),
		"03 memory.fill":    storm(2000, 1, 0xfc, 11, 0),
		"03 memory.copy up": storm(2000, 1, 0xfc, 10, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			m := compile(t, e, module.Bytes())
			var worst []time.Duration
			for range 5 { // the machine may be busy with something else
				i := instantiate(t, e, m, engine.InstanceConfig{MemoryBytes: 64 << 20, CallTimeout: deadline})
				begin := time.Now()
				_, err := i.Call(t.Context(), "run", nil)
				over := time.Since(begin) - deadline
				wantFault(t, err, fault.GuestDeadline, "run did not return within 100ms")
				if i.State() != engine.Dead {
					t.Error("the guest lives on")
				}
				worst = append(worst, over)
				u := i.Usage()
				if u.Fuel < engine.Slice || u.CPU < deadline/4 || u.CPU > deadline+over+10*time.Millisecond { // with its start
					t.Errorf("usage: %+v", u)
				}
			}
			slices.Sort(worst)
			t.Logf("beyond the deadline: %v", worst)
			if worst[0] > 50*time.Millisecond {
				t.Errorf("at best %v beyond the deadline", worst[0])
			}
		})
	}
}

// TestAbuse01Kill: a caller who gives up, and Close, end a guest at once.
func TestAbuse01Kill(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, tree(60).Bytes())
	for name, kill := range map[string]func(*engine.Instance, context.CancelFunc) error{
		"cancel": func(_ *engine.Instance, cancel context.CancelFunc) error { cancel(); return nil },
		"close":  func(i *engine.Instance, _ context.CancelFunc) error { return i.Close(context.Background()) },
	} {
		best := time.Hour
		for range 5 {
			i := instantiate(t, e, m, engine.InstanceConfig{CallTimeout: time.Hour})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				_, err := i.Call(ctx, "run", nil)
				done <- err
			}()
			for i.Usage().Fuel < 2*engine.Slice {
				runtime.Gosched()
			}
			begin := time.Now()
			if err := kill(i, cancel); err != nil {
				t.Error(err)
			}
			wantFault(t, <-done, fault.Canceled)
			best = min(best, time.Since(begin))
			cancel()
		}
		t.Logf("%s ends a guest in %v at best", name, best)
		if best > 50*time.Millisecond {
			t.Errorf("%s ends a guest in %v at best", name, best)
		}
	}
}

// TestAbuse05Recursion: the stack has a limit of its own, and reaching it is
// quick and cheap.
func TestAbuse05Recursion(t *testing.T) {
	e := newEngine(t)
	deep := w.Join(slices.Repeat([][]byte{w.I64(1)}, 500)...)
	flat := w.Join(slices.Repeat([][]byte{w.Op(0x7c)}, 499)...)
	for name, module := range map[string]w.Module{
		"plain":  {Functions: []w.Function{run(w.Call(1)), {Body: w.Call(1)}}},
		"mutual": {Functions: []w.Function{run(w.Call(1)), {Body: w.Call(2)}, {Body: w.Call(1)}}},
		"many locals": {Functions: []w.Function{
			run(w.Call(1)), {Locals: strings.Repeat("I", 1000), Body: w.Call(1)},
		}},
		"many operands": {Functions: []w.Function{
			run(w.Call(1), w.Drop()), {Results: "I", Body: w.Join(deep, w.Call(1), flat, w.Op(0x7c))},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := compile(t, e, module.Bytes())
			best, least := time.Hour, uint64(1<<63)
			for range 10 {
				i := instantiate(t, e, m, engine.InstanceConfig{CallTimeout: time.Minute})
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				begin := time.Now()
				_, err := i.Call(t.Context(), "run", nil)
				best = min(best, time.Since(begin))
				runtime.ReadMemStats(&after)
				least = min(least, after.TotalAlloc-before.TotalAlloc)
				wantFault(t, err, fault.GuestStack, "run nested its calls deeper than 32768 words")
				if i.State() != engine.Dead {
					t.Error("the guest lives on")
				}
			}
			t.Logf("trap after %v and %d KiB of allocations", best, least>>10)
			if best > time.Millisecond && !engine.RaceEnabled {
				t.Errorf("the trap took %v", best)
			}
			if least > 4<<20 {
				t.Errorf("the trap took %d KiB", least>>10)
			}
		})
	}
	if s := e.Stats(); s.OutOfStack != 40 || s.Traps != 0 {
		t.Errorf("stats: %+v", s)
	}
	m := compile(t, e, w.Module{Functions: []w.Function{run(w.Call(1)), {Body: w.Call(2)}, {}}}.Bytes())
	for words, ok := range map[uint32]bool{10: false, 100: true} {
		i := instantiate(t, e, m, engine.InstanceConfig{StackWords: words})
		for range 3 { // a call that returned has given its stack back
			if _, err := i.Call(t.Context(), "run", nil); ok && err != nil || !ok && err == nil {
				t.Errorf("with %d words: %v", words, err)
			}
		}
	}
}

// TestAbuse17Sleep: a guest that sleeps is woken by its deadline and by Close.
func TestAbuse17Sleep(t *testing.T) {
	const deadline = 100 * time.Millisecond
	e := newGoEngine(t, filepath.Join(scratch, "cache"))
	m := compile(t, e, goModule(t))
	cfg := engine.InstanceConfig{
		Link: goLink(), Host: &host{}, CallTimeout: time.Minute,
		Timeouts: map[string]time.Duration{abi.EntryOnEvents: deadline},
	}
	best := time.Hour
	for range 3 {
		i := instantiate(t, e, m, cfg)
		open(t, i, `{"on":{"now":"wasi_sleep 1h"}}`)
		begin := time.Now()
		_, err := i.Call(t.Context(), abi.EntryOnEvents, frames("now"))
		best = min(best, time.Since(begin)-deadline)
		wantFault(t, err, fault.GuestDeadline)
		if u := i.Usage(); u.CPU > time.Minute/2 {
			t.Errorf("sleep was counted as work: %+v", u)
		}
	}
	if best > 100*time.Millisecond {
		t.Errorf("at best %v beyond the deadline", best)
	}
	cfg.Timeouts = nil
	i := instantiate(t, e, m, cfg)
	open(t, i, `{"on":{"now":"wasi_sleep 1h"}}`)
	done := make(chan error)
	go func() {
		_, err := i.Call(t.Context(), abi.EntryOnEvents, frames("now"))
		done <- err
	}()
	for i.State() != engine.Running {
		runtime.Gosched()
	}
	if err := i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFault(t, <-done, fault.Canceled)
}

// TestGuestsRandomNumbersDiffer: what a guest takes for the system's random
// numbers is not the same in each instance, or in each run of the server.
func TestGuestsRandomNumbersDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for range 2 {
		e := newGoEngine(t, filepath.Join(scratch, "cache"))
		m := compile(t, e, goModule(t))
		for range 2 {
			h := &host{}
			i := instantiate(t, e, m, engine.InstanceConfig{Link: goLink(), Host: h, CallTimeout: time.Minute})
			open(t, i, `{"on":{"now":"random"}}`)
			for range 2 {
				if _, err := i.Call(t.Context(), abi.EntryOnEvents, frames("now")); err != nil {
					t.Fatal(err)
				}
			}
			for _, line := range h.output() {
				if len(line) != len("2 ")+32 {
					t.Errorf("the guest wrote %q", line)
				}
				seen[line] = true
			}
		}
	}
	if len(seen) != 8 {
		t.Errorf("8 draws of crypto/rand gave %d values", len(seen))
	}
}

// TestFuelIsExact: equal calls use equal fuel, to the unit, however they are
// cut into slices, and host calls have their price.
func TestFuelIsExact(t *testing.T) {
	_, i := start(t, quiet{})
	use := func(entry string, n byte) uint64 {
		before := i.Usage().Fuel
		if _, err := i.Call(t.Context(), entry, []byte{n, 0, 0, 0}); err != nil {
			t.Fatal(err)
		}
		return i.Usage().Fuel - before
	}
	use("loop", 1)
	one, ten, twenty := use("loop", 1), use("loop", 10), use("loop", 20)
	if again := use("loop", 20); again != twenty {
		t.Errorf("the same call used %d and %d", twenty, again)
	}
	if step := (ten - one) / 9; step*19 != twenty-one || step < 10_000 {
		t.Errorf("1, 10 and 20 rounds used %d, %d and %d", one, ten, twenty)
	}
	empty, calls := use("empty", 0), use("calls", 100)
	if calls < 100*1000 || empty > 100 {
		t.Errorf("100 host calls used %d, and nothing %d", calls, empty)
	}
	if got := fmt.Sprint(i.Usage().Calls, i.Usage().HostCalls); got != "7 100" {
		t.Errorf("calls and host calls: %s", got)
	}
}

// TestReplyBeyondTheLimit does not hurt the guest.
func TestReplyBeyondTheLimit(t *testing.T) {
	e := newEngine(t)
	i := instantiate(t, e, compile(t, e, tiny()), engine.InstanceConfig{Link: allLinked(), MaxOutput: 100})
	if _, err := i.Call(t.Context(), "echo", make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if u := i.Usage(); u.Output != 100 || u.OutputLimit != 100 {
		t.Errorf("usage: %+v", u)
	}
	_, err := i.Call(t.Context(), "echo", make([]byte, 101))
	wantFault(t, err, fault.GuestOutput, "echo answered 101 bytes, and 100 are allowed")
	if i.State() != engine.Idle {
		t.Errorf("the guest is %v", i.State())
	}
}

// TestDeniedCallsReachTheHost: it takes note of them.
func TestDeniedCallsReachTheHost(t *testing.T) {
	h := &host{}
	_, i := start(t, h)
	for range 3 {
		if _, err := i.Call(t.Context(), "opt_silent", nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(h.denied, " "); got != "opt.do opt.do opt.do" || i.Usage().Denied != 3 {
		t.Errorf("the host noted %q, the engine %d", got, i.Usage().Denied)
	}
}

// TestShareHoldsSpinningGuests: guests that never call out keep to their
// tenant's share as well, and what they used is measured.
func TestShareHoldsSpinningGuests(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, tiny())
	e.SetBudget("acme", engine.Budget{CPU: 0.2})
	done := make(chan error)
	begin := time.Now()
	for range 2 {
		i := instantiate(t, e, m, engine.InstanceConfig{
			Link: allLinked(), Host: quiet{}, Account: "acme", CallTimeout: 600 * time.Millisecond,
		})
		go func() {
			_, err := i.Call(t.Context(), "spin", nil)
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; !fault.Is(err, fault.GuestDeadline) {
			wantFault(t, err, fault.TenantCPU, "of which ")
		}
	}
	took, u := time.Since(begin), e.Usage("acme")
	// The share of the time that passed, and of the burst before it.
	most := (took + 110*time.Millisecond) / 5
	t.Logf("in %v they used %v and %d units, and were throttled for %v", took, u.CPU, u.Fuel, u.Throttled)
	if u.CPU > most+30*time.Millisecond || u.CPU < 20*time.Millisecond {
		t.Errorf("in %v they used %v, and may use %v", took, u.CPU, most)
	}
	if u.Throttled < 400*time.Millisecond {
		t.Errorf("they were throttled for %v", u.Throttled)
	}
}
