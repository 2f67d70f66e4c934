package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

func importing(imports ...w.Import) []byte { return w.Module{Imports: imports}.Bytes() }

func hostFunc(module, name string) w.Import {
	return w.Import{Module: module, Name: name, Params: "iiii", Results: "I"}
}

func TestImportsAreCheckedBeforeLinking(t *testing.T) {
	e := newEngine(t)
	for _, c := range []struct {
		name  string
		wasm  []byte
		link  engine.Link
		kind  fault.Kind // Internal: none
		words []string
	}{
		{name: "core needs no grant", wasm: importing(hostFunc("snaprail:core", "emit"), hostFunc("snaprail:core", "receive"))},
		{name: "linked", wasm: importing(hostFunc("snaprail:test", "do")), link: allLinked()},
		{name: "denied", wasm: importing(hostFunc("snaprail:opt", "do")), link: allLinked()},
		{
			name: "undeclared", wasm: importing(hostFunc("snaprail:test", "do")),
			kind: fault.ImportUndeclared, words: []string{"snaprail:test.do", "does not name the capability test"},
		},
		{
			name: "no such access", wasm: importing(hostFunc("snaprail:test", "do")), link: engine.Link{"test": 7},
			kind: fault.ImportUndeclared, words: []string{"snaprail:test.do"},
		},
		{
			name: "unknown group", wasm: importing(hostFunc("snaprail:teleport", "go")), link: engine.Link{"teleport": engine.Linked},
			kind: fault.ImportUnknown, words: []string{"snaprail:teleport.go", "there are core, opt, test"},
		},
		{
			name: "unknown function", wasm: importing(hostFunc("snaprail:test", "undo")), link: allLinked(),
			kind: fault.ImportUnknown, words: []string{"snaprail:test.undo", "the group has do"},
		},
		{
			name: "wrong type", wasm: importing(w.Import{Module: "snaprail:test", Name: "do", Params: "ii", Results: "i"}), link: allLinked(),
			kind: fault.ImportUnknown, words: []string{"(i32, i32, i32, i32) -> i64"},
		},
		{
			name: "unknown module", wasm: importing(hostFunc("env", "abort")), link: allLinked(),
			kind: fault.ImportUnknown, words: []string{"env.abort"},
		},
		{
			name: "unknown WASI name", wasm: importing(w.Import{Module: "wasi_snapshot_preview1", Name: "fd_frobnicate", Params: "i", Results: "i"}),
			kind: fault.ImportUnknown, words: []string{"fd_frobnicate", "no function of WASI"},
		},
		{
			name: "wrong WASI type", wasm: importing(w.Import{Module: "wasi_snapshot_preview1", Name: "fd_close", Params: "I", Results: "i"}),
			kind: fault.ImportUnknown, words: []string{"fd_close", "type"},
		},
		{name: "a WASI file function", wasm: importing(w.Import{Module: "wasi_snapshot_preview1", Name: "path_open", Params: "iiiiiIIii", Results: "i"})},
		{
			name: "all at once",
			wasm: importing(hostFunc("snaprail:test", "do"), hostFunc("env", "a"), hostFunc("snaprail:core", "b"), hostFunc("snaprail:opt", "do")),
			link: engine.Link{"opt": engine.Linked},
			kind: fault.ImportUnknown, words: []string{"env.a", "snaprail:core.b", "snaprail:test.do"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := compile(t, e, c.wasm)
			i, err := e.Instantiate(t.Context(), m, engine.InstanceConfig{Link: c.link})
			if c.kind != fault.Internal {
				wantFault(t, err, c.kind, c.words...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := i.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestListOfRefusedImportsIsBounded(t *testing.T) {
	e := newEngine(t)
	many := make([]w.Import, 1000)
	for n := range many {
		many[n] = hostFunc(strings.Repeat("m", 4000), strings.Repeat("n", 4000))
	}
	_, err := e.Instantiate(t.Context(), compile(t, e, importing(many...)), engine.InstanceConfig{})
	wantFault(t, err, fault.ImportUnknown, "and 950 more")
	if n := len(err.Error()); n > 20_000 {
		t.Errorf("the text has %d bytes", n)
	}
}

func TestOnlyFunctionsCanBeImported(t *testing.T) {
	e := newEngine(t)
	memory := []byte("\x00asm\x01\x00\x00\x00\x02\x0f\x01\x03env\x06memory\x02\x00\x01")
	_, err := e.Instantiate(t.Context(), compile(t, e, memory), engine.InstanceConfig{})
	wantFault(t, err, fault.ImportUnknown, "env.memory", "a memory")
}

func TestDeniedCallsAreAnsweredAndCounted(t *testing.T) {
	h := &host{}
	e, i := start(t, h)
	for range 3 {
		_, err := i.Call(t.Context(), "opt", []byte("please"))
		wantFault(t, err, fault.Guest, "denied", "opt is not granted")
	}
	if len(h.calls) != 0 {
		t.Errorf("the host was reached: %q", h.calls)
	}
	if s := e.Stats(); s.Denied != 3 || s.HostCalls != 0 {
		t.Errorf("stats: %+v", s)
	}
	i = instantiate(t, e, compile(t, e, tiny()), engine.InstanceConfig{
		Link: engine.Link{"test": engine.Linked, "opt": engine.Linked}, Host: h,
	})
	if out, err := i.Call(t.Context(), "opt", []byte("please")); err != nil || string(out) != "please" {
		t.Errorf("once granted it answers %q, %v", out, err)
	}
}

func TestModuleSaysWhatItNeedsAndOffers(t *testing.T) {
	m := compile(t, newEngine(t), tiny())
	if got := m.Imports(); len(got) != 3 || got[1].Module != "snaprail:test" || got[1].Function != "do" {
		t.Errorf("imports: %v", got)
	}
	if got := m.Exports(); got[0] != abi.ExportAlloc || got[1] != "empty" || got[len(got)-1] != "not_an_entry" {
		t.Errorf("exports: %v", got)
	}
	if len(m.Digest()) != 64 {
		t.Errorf("digest: %q", m.Digest())
	}
}

func TestGroupsNeedDifferentNames(t *testing.T) {
	for _, groups := range [][]capability.Group{{group("a"), group("a")}, {group(abi.CoreGroup)}} {
		_, err := engine.New(t.Context(), engine.Config{Groups: groups})
		wantFault(t, err, fault.Internal, "two groups")
	}
}

func TestCompileRefusesWhatIsNoModule(t *testing.T) {
	e := newEngine(t)
	for _, c := range []struct {
		wasm string
		kind fault.Kind
	}{
		{"", fault.NotWasm},
		{"MZ", fault.NotWasm},
		{"\x00asm\x0d\x00\x01\x00", fault.WasmComponent},
		{"\x00asm\x01\x00\x00\x00\x01", fault.WasmMalformed},
		// A body that leaves nothing where an i32 is due.
		{string(w.Module{Functions: []w.Function{{Results: "i"}}}.Bytes()), fault.WasmInvalid},
	} {
		_, err := e.Compile(t.Context(), []byte(c.wasm))
		wantFault(t, err, c.kind)
	}
	if s := e.Stats(); s.Modules != 0 {
		t.Errorf("%d modules are kept", s.Modules)
	}
}

func TestModulesAreSharedAndGivenBack(t *testing.T) {
	e := newEngine(t)
	a, b := compile(t, e, tiny()), compile(t, e, tiny())
	if s := e.Stats(); s.Modules != 1 {
		t.Errorf("%d modules of one digest", s.Modules)
	}
	i := instantiate(t, e, a, engine.InstanceConfig{Link: allLinked(), Host: &host{}})
	for _, m := range []*engine.Module{a, a, b} {
		if err := m.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := i.Call(t.Context(), "echo", []byte("still here")); err != nil || string(out) != "still here" {
		t.Errorf("the instance died with its module: %q, %v", out, err)
	}
	_, err := e.Instantiate(t.Context(), b, engine.InstanceConfig{Link: allLinked()})
	wantFault(t, err, fault.Internal, "closed")
	if err := i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := e.Stats(); s.Modules != 0 || s.Idle != 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestClosedEngineRefuses(t *testing.T) {
	e, i := start(t, &host{})
	m := compile(t, e, tiny())
	for range 2 {
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if i.State() != engine.Dead {
		t.Error("an instance outlived its engine")
	}
	_, err := e.Compile(t.Context(), tiny())
	wantFault(t, err, fault.ShuttingDown)
	_, err = e.Instantiate(t.Context(), m, engine.InstanceConfig{Link: allLinked()})
	wantFault(t, err, fault.ShuttingDown)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = e.Compile(ctx, tiny())
	wantFault(t, err, fault.Canceled)
}

// TestOfferIsWhatModulesAreLinkedTo: what the offer has can be linked, and
// nothing else.
func TestOfferIsWhatModulesAreLinkedTo(t *testing.T) {
	o := engine.NewOffer([]capability.Group{group("test")})
	for name, want := range map[[2]string]bool{
		{"snaprail:test", "do"}:                     true,
		{"snaprail:test", "undo"}:                   false,
		{"snaprail:other", "do"}:                    false,
		{"test", "do"}:                              false,
		{"snaprail:core", "take"}:                   true,
		{"wasi_snapshot_preview1", "fd_write"}:      true,
		{"wasi_snapshot_preview1", "fd_frobnicate"}: false,
		{"snaprail:meter", "yield"}:                 false,
	} {
		if got := o.Has(name[0], name[1]); got != want {
			t.Errorf("%v: %v", name, got)
		}
	}
}
