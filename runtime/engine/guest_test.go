package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// The layout of the tiny guest's memory.
const (
	inputAt  = 0x10000 // 1 MiB and more
	requestN = 0x2000  // length of the last request
	replyAt  = 0x4000  // what host functions write
	pages    = 40
)

// The numbers of the tiny guest's functions.
const (
	fnTake = iota
	fnDo
	fnOpt
	fnImports
)

// tinyModule is a hand-made guest. Its entry points answer their input (echo),
// nothing (empty), what snaprail:test do answers to it in one crossing of cap
// bytes (call) or in two (call_take), and misbehave in all ways (trap, spin,
// tree, grow, bad_reply, fail, ...).
func tinyModule() w.Module {
	entry := func(name string, body ...[]byte) w.Function {
		return w.Function{Export: name, Params: "ii", Results: "I", Locals: "I", Body: w.Join(body...)}
	}
	hostCall := func(fn uint32, capacity int32) []byte {
		return w.Join(w.Get(0), w.Get(1), w.I32(replyAt), w.I32(capacity), w.Call(fn), w.Set(2))
	}
	// The reply's length, with the top bit of the i64 moved to the top bit of
	// the length.
	length := w.Join(
		w.Get(2), w.Op(0xa7), // low 32 bits
		w.Get(2), w.I64(32), w.Op(0x88, 0xa7), w.I32(-1<<31), w.Op(0x71), // sign of the i64
		w.Op(0x72),
	)
	reply := w.Packed(w.I32(replyAt), length)
	return w.Module{
		Imports: []w.Import{
			{Module: "snaprail:core", Name: "take", Params: "iiii", Results: "I"},
			{Module: "snaprail:test", Name: "do", Params: "iiii", Results: "I"},
			{Module: "snaprail:opt", Name: "do", Params: "iiii", Results: "I"},
		},
		Pages: pages,
		Functions: []w.Function{
			{Export: "snaprail_alloc", Params: "i", Results: "i", Body: w.Join(
				w.I32(8), w.I32(8), w.Load32(0), w.I32(1), w.Op(0x6a), w.Store32(0), // counts at 8
				w.I32(inputAt))},
			entry("empty", w.I64(0)),
			entry("echo", w.Packed(w.Get(0), w.Get(1))),
			entry("call", hostCall(fnDo, 64), reply),
			entry("call_wide", hostCall(fnDo, 0x8000), reply),
			entry("call_take", hostCall(fnDo, 0), w.Get(0), w.Get(1), w.I32(replyAt), w.I32(0x8000), w.Call(fnTake),
				w.Set(2), reply),
			entry("call_late", hostCall(fnDo, 0), hostCall(fnOpt, 0), w.Get(0), w.Get(1), w.I32(replyAt), w.I32(0x8000),
				w.Call(fnTake), w.Set(2), reply),
			entry("call_stale", hostCall(fnDo, 0), hostCall(fnDo, 0x8000), hostCall(fnTake, 0x8000), reply),
			entry("take", hostCall(fnTake, 0x8000), reply),
			entry("opt", hostCall(fnOpt, 0x8000), reply),
			entry("opt_silent", hostCall(fnOpt, 0x8000), w.I64(0)),
			entry("calls", w.While(w.Get(0), w.Get(1), w.I32(replyAt), w.I32(64), w.Call(fnDo), w.Drop(),
				w.Get(0), w.Get(0), w.Load32(0), w.I32(1), w.Op(0x6b), w.Store32(0), w.Get(0), w.Load32(0)), w.I64(0)),
			entry("allocs", w.Packed(w.I32(8), w.I32(4))),
			entry("trap", w.Unreachable()),
			entry("spin", w.Forever(), w.Unreachable()),
			// loop goes round 10,000 times its input
			entry("loop", w.Get(0), w.Load32(0), w.Op(0xad), w.I64(10_000), w.Op(0x7e), w.Set(2),
				w.While(w.Get(2), w.I64(1), w.Op(0x7d), w.Set(2), w.Get(2), w.Op(0x50, 0x45)), w.I64(0)),
			entry("grow", w.I32(1), w.Grow(), w.I32(-1), w.Op(0x46), w.If(w.Unreachable()), w.I64(0)),
			entry("grow_all", w.While(w.I32(1), w.Grow(), w.I32(-1), w.Op(0x47)), w.I64(0)),
			entry("bad_reply", w.I64(-1<<32|8)),
			entry("huge_reply", w.I64(0x7fffffff)),
			entry("fail", w.Packed(w.Get(0), w.Join(w.Get(1), w.I32(-1<<31), w.Op(0x72)))),
			// raw: input is the four arguments of a host call
			entry("raw", w.Get(0), w.Load32(0), w.Get(0), w.Load32(4), w.Get(0), w.Load32(8), w.Get(0), w.Load32(12),
				w.Call(fnDo), w.Set(2), w.I32(replyAt), w.Get(2), w.Store64(0), w.Packed(w.I32(replyAt), w.I32(8))),
			entry("raw_take", w.Get(0), w.Load32(0), w.Get(0), w.Load32(4), w.Get(0), w.Load32(8), w.Get(0), w.Load32(12),
				w.Call(fnTake), w.Set(2), w.I32(replyAt), w.Get(2), w.Store64(0), w.Packed(w.I32(replyAt), w.I32(8))),
			{Export: "not_an_entry", Params: "i", Results: "i", Body: w.Get(0)},
		},
	}
}

func tiny() []byte { return tinyModule().Bytes() }

// group is a group with one function. The engine asks no more of it.
type group string

func (g group) Name() string { return string(g) }
func (g group) Functions() []capability.Function {
	return []capability.Function{{Name: "do"}}
}
func (g group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }
func (g group) Open(context.Context, capability.Scope, []byte) (capability.Session, error) {
	return nil, fault.New(fault.Unsupported, "not opened here")
}

// host answers each call with what serve does, and keeps the output.
type host struct {
	serve func(ctx context.Context, in, out []byte) ([]byte, error)

	mu    sync.Mutex
	calls []string
	lines []string
	// denied are the calls to groups that were not granted.
	denied []string
}

func (h *host) HostCall(ctx context.Context, group, function string, in, out []byte) ([]byte, error) {
	h.mu.Lock()
	h.calls = append(h.calls, group+"."+function)
	h.mu.Unlock()
	if h.serve == nil {
		return append(out, in...), nil
	}
	return h.serve(ctx, in, out)
}

func (h *host) Output(stream int, line []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf("%d %s", stream, line))
}

func (h *host) Denied(group, function string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.denied = append(h.denied, group+"."+function)
}

func (h *host) output() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lines)
}

func allLinked() engine.Link {
	return engine.Link{"test": engine.Linked, "opt": engine.Denied}
}

func newEngine(t testing.TB) *engine.Engine {
	t.Helper()
	return newEngineIn(t, "")
}

func newEngineIn(t testing.TB, cacheDir string) *engine.Engine {
	t.Helper()
	e, err := engine.New(t.Context(), engine.Config{CacheDir: cacheDir, Groups: []capability.Group{group("test"), group("opt")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// compile compiles a module that stays until the end of the test.
func compile(t testing.TB, e *engine.Engine, wasm []byte) *engine.Module {
	t.Helper()
	m, err := e.Compile(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(context.Background()) })
	return m
}

func instantiate(t testing.TB, e *engine.Engine, m *engine.Module, cfg engine.InstanceConfig) *engine.Instance {
	t.Helper()
	i, err := e.Instantiate(t.Context(), m, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return i
}

// start is an instance of the tiny guest.
func start(t testing.TB, h engine.Host) (*engine.Engine, *engine.Instance) {
	t.Helper()
	e := newEngine(t)
	return e, instantiate(t, e, compile(t, e, tiny()), engine.InstanceConfig{
		Link: allLinked(), Host: h, CallTimeout: 10 * time.Second,
	})
}

// wantFault checks the kind of an error, and that its text says these words.
func wantFault(t *testing.T, err error, kind fault.Kind, words ...string) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Fatalf("error is %v, want %v", err, kind)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}
