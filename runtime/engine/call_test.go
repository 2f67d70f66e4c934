package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

func TestCallCarriesBytes(t *testing.T) {
	_, i := start(t, &host{})
	for _, n := range []int{0, 1, 100, 4096, 4097, 100_000, abi.MaxBatch, engine.MaxCrossing, 5} {
		in := bytes.Repeat([]byte{byte(n), 7}, n)[:n]
		out, err := i.Call(t.Context(), "echo", in)
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if !bytes.Equal(out, in) {
			t.Errorf("%d bytes came back as %d others", n, len(out))
		}
	}
	out, err := i.Call(t.Context(), "empty", nil)
	if err != nil || len(out) != 0 {
		t.Errorf("empty answered %q, %v", out, err)
	}
}

func TestReplyIsTheHostsOwn(t *testing.T) {
	_, i := start(t, &host{})
	for range 2 {
		out, err := i.Call(t.Context(), "allocs", nil)
		if err != nil || out[0] != 0 {
			t.Fatalf("the guest counts %d, %v", out, err)
		}
		out[0] = 99
	}
}

func TestInputBufferIsAskedForOnlyWhenItIsTooSmall(t *testing.T) {
	_, i := start(t, &host{})
	for _, n := range []int{10, 4096, 1, 5000, 8000, 8192, abi.MaxBatch, 3, abi.MaxBatch} {
		if _, err := i.Call(t.Context(), "empty", make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := i.Call(t.Context(), "allocs", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := binary.LittleEndian.Uint32(out); got != 3 { // 4 KiB, 8 KiB, 1 MiB
		t.Errorf("snaprail_alloc was called %d times, want 3", got)
	}
}

func TestCallRefusesWhatCannotBe(t *testing.T) {
	_, i := start(t, &host{})
	_, err := i.Call(t.Context(), "missing", nil)
	wantFault(t, err, fault.Unsupported, "missing")
	_, err = i.Call(t.Context(), "not_an_entry", nil)
	wantFault(t, err, fault.Unsupported)
	_, err = i.Call(t.Context(), "echo", make([]byte, engine.MaxCrossing+1))
	wantFault(t, err, fault.TooLarge)
	_, err = i.Call(t.Context(), "huge_reply", nil)
	wantFault(t, err, fault.GuestOutput, "huge_reply", "2147483647 bytes")
	if i.Has("missing") || i.Has("not_an_entry") || i.Has("snaprail_alloc") || !i.Has("echo") {
		t.Error("Has is wrong about the entry points")
	}
	if s := i.State(); s != engine.Idle {
		t.Errorf("the guest is %v, and none of this should have hurt it", s)
	}
}

func TestGuestErrorIsReturnedAndHarmless(t *testing.T) {
	_, i := start(t, &host{})
	said := abi.Error{Kind: abi.FaultInternal, Code: "no_frame", Text: "nothing there", Hint: "wait", RetryAfterMS: 20}
	_, err := i.Call(t.Context(), "fail", said.Append(nil))
	wantFault(t, err, fault.Guest, "no_frame", "nothing there")
	if f := fault.Of(err); f.Hint != "wait" || f.RetryAfter != 20*time.Millisecond {
		t.Errorf("hint %q and retry %v were lost", f.Hint, f.RetryAfter)
	}
	unsupported := abi.Error{Kind: abi.FaultUnsupported, Text: "no such operation"}
	_, err = i.Call(t.Context(), "fail", unsupported.Append(nil))
	wantFault(t, err, fault.Unsupported)
	_, err = i.Call(t.Context(), "fail", []byte{0xff})
	wantFault(t, err, fault.Guest, "cannot be read")
	if i.State() != engine.Idle {
		t.Error("an error of the guest killed it")
	}
}

func TestDeadGuestIsNeverCalled(t *testing.T) {
	for entry, want := range map[string]struct {
		kind fault.Kind
		word string
	}{
		"trap":      {fault.GuestTrap, "unreachable"},
		"bad_reply": {fault.GuestTrap, "outside"},
		"spin":      {fault.GuestDeadline, "spin did not return within 100ms"},
	} {
		t.Run(entry, func(t *testing.T) {
			e := newEngine(t)
			i := instantiate(t, e, compile(t, e, tiny()), engine.InstanceConfig{
				Link: allLinked(), Host: &host{}, CallTimeout: 100 * time.Millisecond,
			})
			begin := time.Now()
			_, err := i.Call(t.Context(), entry, nil)
			wantFault(t, err, want.kind, want.word)
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			if i.State() != engine.Dead || i.Memory() != 0 {
				t.Errorf("the guest is %v with %d bytes", i.State(), i.Memory())
			}
			_, err = i.Call(t.Context(), "empty", nil)
			wantFault(t, err, fault.GuestTrap, "not alive")
			if s := e.Stats(); s.Idle+s.Running != 0 || s.MemoryBytes != 0 || s.Traps+s.Deadlines != 1 {
				t.Errorf("stats: %+v", s)
			}
		})
	}
}

func TestCallerCanGiveUp(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, tiny())
	cfg := engine.InstanceConfig{Link: allLinked(), Host: &host{}}

	i := instantiate(t, e, m, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(50*time.Millisecond, cancel)
	defer stop.Stop()
	_, err := i.Call(ctx, "spin", nil)
	wantFault(t, err, fault.Canceled)

	i = instantiate(t, e, m, cfg)
	_, err = i.Call(ctx, "empty", nil)
	wantFault(t, err, fault.Canceled)
	if i.State() != engine.Idle {
		t.Error("a call that did not begin killed the guest")
	}
	if _, err = i.Call(t.Context(), "empty", nil); err != nil {
		t.Errorf("after a caller that had given up: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = i.Call(ctx, "spin", nil)
	wantFault(t, err, fault.GuestDeadline)
}

// A caller that cancels between two calls, and one whose context ends right
// after a call, must not hurt the next call.
func TestLateCancelDoesNotReachTheNextCall(t *testing.T) {
	_, i := start(t, &host{})
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := i.Call(ctx, "empty", nil); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := i.Call(t.Context(), "empty", nil); err != nil {
			t.Fatal(err)
		}
	}
}

// The timer of the deadline runs on between calls; each call has its whole
// time all the same, and no more, whichever deadline comes sooner.
func TestDeadlineIsPerCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := compile(t, e, tiny())
		wait := func(ctx context.Context, _, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for _, c := range []struct{ callers, want time.Duration }{
			{0, 60 * time.Millisecond}, {20 * time.Millisecond, 20 * time.Millisecond}, {time.Hour, 60 * time.Millisecond},
		} {
			i := instantiate(t, e, m, engine.InstanceConfig{
				Link: allLinked(), Host: &host{serve: wait}, CallTimeout: 60 * time.Millisecond,
			})
			for range 10 {
				if _, err := i.Call(t.Context(), "empty", nil); err != nil {
					t.Fatalf("calls share a deadline: %v", err)
				}
				<-time.After(25 * time.Millisecond)
			}
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if c.callers > 0 {
				ctx, cancel = context.WithTimeout(ctx, c.callers)
			}
			begin := time.Now()
			_, err := i.Call(ctx, "call", nil)
			cancel()
			wantFault(t, err, fault.GuestDeadline, c.want.String())
			if took := time.Since(begin); took != c.want {
				t.Errorf("ended after %v, want %v", took, c.want)
			}
		}
	})
}

func TestCallWhileRunningIsRefused(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	h := &host{serve: func(_ context.Context, _, out []byte) ([]byte, error) {
		close(entered)
		<-leave
		return out, nil
	}}
	_, i := start(t, h)
	done := make(chan error)
	go func() {
		_, err := i.Call(t.Context(), "call", nil)
		done <- err
	}()
	<-entered
	if i.State() != engine.Running {
		t.Errorf("state is %v", i.State())
	}
	_, err := i.Call(t.Context(), "empty", nil)
	wantFault(t, err, fault.Internal, "while it was running")
	close(leave)
	if err := <-done; err != nil {
		t.Errorf("the running call failed: %v", err)
	}
}

func TestCloseWaitsForARunningCall(t *testing.T) {
	entered := make(chan struct{})
	h := &host{serve: func(ctx context.Context, _, _ []byte) ([]byte, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	e, i := start(t, h)
	done := make(chan error)
	go func() {
		_, err := i.Call(t.Context(), "call", nil)
		done <- err
	}()
	<-entered
	if err := i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if i.State() != engine.Dead || e.Stats().Running != 0 {
		t.Error("Close returned before the call")
	}
	wantFault(t, <-done, fault.Canceled)
	if err := i.Close(t.Context()); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

func TestMemoryLimit(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, tiny())
	cfg := engine.InstanceConfig{Link: allLinked(), Host: &host{}, MemoryBytes: (pages+2)*65536 + 100}
	i := instantiate(t, e, m, cfg)
	for n := range 2 {
		if _, err := i.Call(t.Context(), "grow", nil); err != nil {
			t.Fatalf("page %d: %v", n, err)
		}
	}
	if got := i.Memory(); got != (pages+2)*65536 || e.Stats().MemoryBytes != got {
		t.Errorf("memory is %d, and in all %d", got, e.Stats().MemoryBytes)
	}
	if _, err := i.Call(t.Context(), "grow_all", nil); err != nil {
		t.Errorf("a guest that bears a refusal: %v", err)
	}
	_, err := i.Call(t.Context(), "grow", nil)
	wantFault(t, err, fault.GuestMemory, "2688 KiB")
	if s := e.Stats(); s.OutOfMemory != 1 || s.MemoryBytes != 0 {
		t.Errorf("stats: %+v", s)
	}
	cfg.MemoryBytes = (pages - 1) * 65536
	_, err = e.Instantiate(t.Context(), m, cfg)
	wantFault(t, err, fault.GuestMemory, "starts with 2560 KiB")

	cfg.MemoryBytes = 0
	i = instantiate(t, e, m, cfg)
	if _, err := i.Call(t.Context(), "grow_all", nil); err != nil {
		t.Fatal(err)
	}
	if got := i.Memory(); got != engine.DefaultMemoryBytes {
		t.Errorf("without a limit memory grew to %d", got)
	}
}

func TestAllocMustAnswerABuffer(t *testing.T) {
	e := newEngine(t)
	for name, ptr := range map[string]int32{"null": 0, "at the end": 65536 - 100, "far outside": -5} {
		wasm := w.Module{Pages: 1, Functions: []w.Function{
			{Export: "snaprail_alloc", Params: "i", Results: "i", Body: w.I32(ptr)},
			{Export: "empty", Params: "ii", Results: "I", Body: w.I64(0)},
		}}.Bytes()
		i := instantiate(t, e, compile(t, e, wasm), engine.InstanceConfig{})
		_, err := i.Call(t.Context(), "empty", []byte("x"))
		wantFault(t, err, fault.GuestTrap, "snaprail_alloc(4096)")
		if i.State() != engine.Dead {
			t.Errorf("%s: the guest lives on", name)
		}
	}
	none := w.Module{Functions: []w.Function{{Export: "empty", Params: "ii", Results: "I", Body: w.I64(0)}}}.Bytes()
	i := instantiate(t, e, compile(t, e, none), engine.InstanceConfig{})
	_, err := i.Call(t.Context(), "empty", []byte("x"))
	wantFault(t, err, fault.Unsupported, "snaprail_alloc")
	if _, err := i.Call(t.Context(), "empty", nil); err != nil {
		t.Errorf("without an input it needs no buffer: %v", err)
	}
}

func TestStartFunctionsRunUnderTheDeadline(t *testing.T) {
	e := newEngine(t)
	section := uint32(0)
	for name, m := range map[string]w.Module{
		"_initialize": {Functions: []w.Function{{Export: "_initialize", Body: w.Forever()}}},
		"start section": {
			Functions: []w.Function{{Body: w.Forever()}}, Start: &section,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.Instantiate(t.Context(), compile(t, e, m.Bytes()), engine.InstanceConfig{
				CallTimeout: 50 * time.Millisecond,
			})
			wantFault(t, err, fault.GuestDeadline, "_initialize")
		})
	}
	m := compile(t, e, w.Module{Functions: []w.Function{{Export: "_start", Body: w.Unreachable()}}}.Bytes())
	instantiate(t, e, m, engine.InstanceConfig{}) // _start is not called
	m = compile(t, e, w.Module{Functions: []w.Function{{Export: "_initialize", Body: w.Unreachable()}}}.Bytes())
	_, err := e.Instantiate(t.Context(), m, engine.InstanceConfig{})
	wantFault(t, err, fault.GuestTrap, "_initialize", "unreachable")
	if s := e.Stats(); s.Idle != 1 || s.Running != 0 {
		t.Errorf("failed instances are still counted: %+v", s)
	}
}

// The start section comes before _initialize, as it does without us.
func TestStartSectionIsFirst(t *testing.T) {
	e := newEngine(t)
	section := uint32(0)
	m := compile(t, e, w.Module{
		Pages: 1, Start: &section,
		Functions: []w.Function{
			{Body: w.Join(w.I32(0), w.I32(0), w.Load32(0), w.I32(1), w.Op(0x6a), w.Store32(0))},
			{Export: "_initialize", Body: w.Join(w.I32(0), w.Load32(0), w.I32(1), w.Op(0x47), w.If(w.Unreachable()))},
		},
	}.Bytes())
	i := instantiate(t, e, m, engine.InstanceConfig{})
	if u := i.Usage(); u.Fuel == 0 || u.Calls != 0 {
		t.Errorf("usage after the start: %+v", u)
	}
}

// A start section runs before the instance is complete, and may call out.
func TestStartSectionMayCallTheHost(t *testing.T) {
	e := newEngine(t)
	section := uint32(1)
	m := w.Module{
		Imports: []w.Import{{Module: "snaprail:test", Name: "do", Params: "iiii", Results: "I"}},
		Pages:   1, Start: &section,
		Functions: []w.Function{{Body: w.Join(w.I32(0), w.I32(4), w.I32(8), w.I32(8), w.Call(0), w.Drop())}},
	}
	h := &host{}
	instantiate(t, e, compile(t, e, m.Bytes()), engine.InstanceConfig{Link: allLinked(), Host: h})
	if got := strings.Join(h.calls, " "); got != "test.do" {
		t.Errorf("the host saw %q", got)
	}
}
