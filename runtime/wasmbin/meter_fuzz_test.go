package wasmbin_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// What Read accepts can be metered, wazero accepts what comes out, and a run of
// it does what the plain module does.
func FuzzMeter(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(generate(seed))
	}
	for _, c := range hostiles() {
		if len(c.wasm) < 4096 {
			f.Add(c.wasm)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		metered, err := wasmbin.Meter(src) // never panics, accepted or not
		info, refused := wasmbin.Read(src)
		if refused != nil {
			return
		}
		if err != nil {
			t.Fatalf("a module that was accepted cannot be metered: %v", err)
		}
		config := wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(64)
		h := newHost(t, config)
		if _, err := h.CompileModule(t.Context(), metered); err != nil {
			if _, plain := h.CompileModule(t.Context(), src); plain == nil {
				t.Fatalf("the metered module does not compile: %v", err)
			}
			return // a memory beyond the limit
		}
		if len(info.Imports) > 0 {
			return
		}
		runBoth(t, config, src, metered)
	})
}

// runBoth compares all functions without parameters, in turn. The metered side
// runs first, since it ends.
func runBoth(t *testing.T, config wazero.RuntimeConfig, src, metered []byte) {
	t.Helper()
	m, p := newHost(t, config), newHost(t, config)
	m.budget = 10 * testSlice
	mine, err := m.instance(t.Context(), metered, "")
	if errors.Is(err, errSpent) || m.overflowed() {
		return
	}
	theirs, plainErr := p.InstantiateWithConfig(t.Context(), src, wazero.NewModuleConfig().WithStartFunctions())
	if (err == nil) != (plainErr == nil) {
		t.Fatalf("instantiating: metered %v, plain %v", err, plainErr)
	}
	if err != nil {
		return
	}
	for name, def := range theirs.ExportedFunctionDefinitions() {
		if len(def.ParamTypes()) > 0 {
			continue
		}
		got, err := m.call(t.Context(), mine, name)
		if errors.Is(err, errSpent) || m.overflowed() {
			return
		}
		want, plainErr := theirs.ExportedFunction(name).Call(t.Context())
		if trapOf(err) != trapOf(plainErr) || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s: metered %v %q, plain %v %q", name, got, trapOf(err), want, trapOf(plainErr))
		}
	}
}
