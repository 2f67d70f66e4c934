package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// The numbers of the functions that the probe imports.
const (
	kAlloc = iota
	kInput
	kLength
	kOutput
	kLogInfo
	kLogTrace
	kVarSet
	kHTTP
	kStore64
	kDo
	kOpt
	kError
)

// probe is a guest with an Extism PDK, by hand.
func probe() []byte {
	env := func(name, params, results string) w.Import {
		return w.Import{Module: "extism:host/env", Name: name, Params: params, Results: results}
	}
	user := func(name, params string) w.Import {
		return w.Import{Module: "extism:host/user", Name: name, Params: params, Results: "I"}
	}
	entry := func(name string, body ...[]byte) w.Function {
		return w.Function{Export: name, Results: "i", Locals: "I", Body: w.Join(append(body, w.I32(0))...)}
	}
	// The block in local 0 is the output.
	answer := w.Join(w.Set(0), w.Get(0), w.Get(0), w.Call(kLength), w.Call(kOutput))
	input := w.Call(kInput)
	return w.Module{
		Imports: []w.Import{
			env("alloc", "I", "I"), env("input_offset", "", "I"), env("length", "I", "I"), env("output_set", "II", ""),
			env("log_info", "I", ""), env("log_trace", "I", ""), env("var_set", "II", ""), env("http_request", "II", "I"),
			env("store_u64", "II", ""), user("test_do", "I"), user("opt_do", "I"), user("core_error", ""),
		},
		Pages: 1,
		Functions: []w.Function{
			entry("echo", input, answer),
			entry("do", input, w.Call(kDo), answer),
			entry("why", input, w.Call(kDo), w.Drop(), w.Call(kError), answer),
			entry("opt", input, w.Call(kOpt), w.Drop(), w.Call(kError), answer),
			entry("log", input, w.Call(kLogInfo), input, w.Call(kLogTrace)),
			entry("var", input, input, w.Call(kVarSet)),
			entry("http", input, w.I64(0), w.Call(kHTTP), w.Drop()),
			entry("wild", w.I64(-1), w.I64(-1), w.Call(kStore64), w.I64(-1), w.Call(kDo), w.Drop(), w.I64(1<<40), w.Call(kLogInfo)),
			{Export: "code", Results: "i", Body: w.I32(-7)},
			{Export: "nothing", Body: nil},
			{Export: "param", Params: "i", Results: "i", Body: w.Get(0)},
			entry("spin", w.Forever(input, w.Call(kLength), w.Drop())),
			entry("hoard", w.Forever(w.I64(1<<16), w.Call(kAlloc), w.Drop())),
			entry("greed", w.I64(1<<31), w.Call(kAlloc), w.Op(0x50), w.If(w.Unreachable())), // i64.eqz
		},
	}.Bytes()
}

// probeGuest is an instance of the probe.
func probeGuest(t *testing.T, h engine.Host, change func(*engine.InstanceConfig)) *engine.Instance {
	t.Helper()
	e := newEngine(t)
	cfg := engine.InstanceConfig{Link: allLinked(), Host: h, MemoryBytes: 4 << 20}
	if change != nil {
		change(&cfg)
	}
	return instantiate(t, e, compile(t, e, probe()), cfg)
}

func TestExtismGuestCallsOurGroups(t *testing.T) {
	h := &host{}
	i := probeGuest(t, h, nil)
	for _, in := range []string{"hello", "", strings.Repeat("long ", 5000)} {
		out, err := i.Call(t.Context(), "do", []byte(in))
		if err != nil || string(out) != in {
			t.Errorf("%d bytes came back as %d, %v", len(in), len(out), err)
		}
	}
	if !slices.Equal(h.calls, []string{"test.do", "test.do", "test.do"}) {
		t.Errorf("calls %q", h.calls)
	}
	h.serve = func(context.Context, []byte, []byte) ([]byte, error) {
		return nil, fault.New(fault.Exhausted, "taken")
	}
	readError(t, i, "why", abi.FaultExhausted, "taken")
	readError(t, i, "opt", abi.FaultDenied, "opt is not granted")
	h.serve = nil
	if out, err := i.Call(t.Context(), "why", []byte("x")); err != nil || len(out) > 0 {
		t.Errorf("a call that succeeds leaves the error %q, %v", out, err)
	}
	if u := i.Usage(); u.HostCalls != 5 || u.Denied != 1 {
		t.Errorf("%d host calls, %d denied", u.HostCalls, u.Denied)
	}
}

// readError calls an entry point that answers the encoded error of its host
// call.
func readError(t *testing.T, i *engine.Instance, entry string, kind abi.FaultKind, words string) {
	t.Helper()
	out, err := i.Call(t.Context(), entry, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	var said abi.Error
	if err := said.Decode(out); err != nil {
		t.Fatal(err)
	}
	if said.Kind != kind || !strings.Contains(said.Text, words) {
		t.Errorf("%s: %+v", entry, said)
	}
}

func TestExtismImportsAreChecked(t *testing.T) {
	e := newEngine(t)
	for _, tt := range []struct {
		name, params string
		kind         fault.Kind
		words        string
	}{
		{"test_do", "I", fault.ImportUndeclared, "does not name the capability test"},
		{"core_emit", "I", 0, ""},
		{"core_take", "I", fault.ImportUnknown, "<group>_<function>"},
		{"test_undo", "I", fault.ImportUnknown, "test_do"},
		{"core_error", "I", fault.ImportUnknown, "its type must be () -> i64"},
		{"core_receive", "i", fault.ImportUnknown, "its type must be (i64) -> i64"},
	} {
		m := w.Module{Pages: 1, Imports: []w.Import{{Module: "extism:host/user", Name: tt.name, Params: tt.params, Results: "I"}}}
		i, err := e.Instantiate(t.Context(), compile(t, e, m.Bytes()), engine.InstanceConfig{})
		if tt.words != "" {
			wantFault(t, err, tt.kind, tt.words)
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		_ = i.Close(t.Context())
	}
}

func TestExtismEntryPoints(t *testing.T) {
	i := probeGuest(t, nil, nil)
	if i.Has("param") || !i.Has("echo") || !i.Has("nothing") {
		t.Error("what is an entry point is not what takes nothing and answers a code or nothing")
	}
	if out, err := i.Call(t.Context(), "nothing", []byte("x")); err != nil || len(out) > 0 {
		t.Errorf("%q, %v", out, err)
	}
	_, err := i.Call(t.Context(), "code", nil)
	wantFault(t, err, fault.Guest, "code answered -7 and gave no reason")
	_, err = i.Call(t.Context(), "param", nil)
	wantFault(t, err, fault.Unsupported)
	_, err = i.Call(t.Context(), "echo", make([]byte, engine.MaxCrossing+1))
	wantFault(t, err, fault.TooLarge)
	if i.State() != engine.Idle {
		t.Errorf("it is %v", i.State())
	}
}

func TestExtismOutputIsBounded(t *testing.T) {
	i := probeGuest(t, nil, func(c *engine.InstanceConfig) { c.MaxOutput = 100 })
	_, err := i.Call(t.Context(), "echo", make([]byte, 101))
	wantFault(t, err, fault.GuestOutput, "101 bytes, and 100")
	if out, err := i.Call(t.Context(), "echo", make([]byte, 100)); err != nil || len(out) != 100 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

// The log of a guest goes to a Host that takes it, a line at a time, else to
// what it writes.
func TestExtismLog(t *testing.T) {
	const text = "one\ntwo"
	book := &logbook{}
	i := probeGuest(t, book, nil)
	if _, err := i.Call(t.Context(), "log", []byte(text)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(book.lines, []string{"1 one", "1 two"}) {
		t.Errorf("lines %q", book.lines)
	}
	h := &host{}
	i = probeGuest(t, h, nil)
	if _, err := i.Call(t.Context(), "log", []byte(text+strings.Repeat("x", 1<<20))); err != nil {
		t.Fatal(err)
	}
	if got := h.output(); len(got) != 2 || got[0] != "2 one" || len(got[1]) > 9<<10 {
		t.Errorf("%d lines, the first %.20q", len(got), got[0])
	}
}

func TestExtismGuestIsHeldToItsLimits(t *testing.T) {
	for _, tt := range []struct {
		entry string
		kind  fault.Kind
	}{
		{"spin", fault.GuestDeadline},
		{"hoard", fault.GuestDeadline}, // alloc answers 0, again and again
		{"greed", fault.GuestMemory},
		{"http", fault.GuestTrap},
	} {
		e := newEngine(t)
		i := instantiate(t, e, compile(t, e, probe()), engine.InstanceConfig{
			Link: allLinked(), MemoryBytes: 4 << 20, CallTimeout: 100 * time.Millisecond,
		})
		_, err := i.Call(t.Context(), tt.entry, []byte(`{"url": "https://example.com"}`))
		wantFault(t, err, tt.kind)
		if u := i.Usage(); u.MemoryPeak > 4<<20 || i.State() != engine.Dead {
			t.Errorf("%s: %d bytes at most, and it is %v", tt.entry, u.MemoryPeak, i.State())
		}
		if got := e.Stats().MemoryBytes; got != 0 {
			t.Errorf("%s: %d bytes are left", tt.entry, got)
		}
	}
}

func TestExtismKernelIsPartOfTheMemory(t *testing.T) {
	i := probeGuest(t, nil, nil)
	before := i.Memory()
	if _, err := i.Call(t.Context(), "echo", make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if now := i.Memory(); now < before+1<<20 {
		t.Errorf("%d bytes before an input of 1 MiB, %d after", before, now)
	}
}

func TestExtismGuestReachesNothingOutside(t *testing.T) {
	h := &host{}
	i := probeGuest(t, h, nil)
	if _, err := i.Call(t.Context(), "wild", []byte("x")); err != nil {
		t.Error(err)
	}
	if out, err := i.Call(t.Context(), "echo", []byte("still here")); err != nil || string(out) != "still here" {
		t.Errorf("%q, %v", out, err)
	}
}
