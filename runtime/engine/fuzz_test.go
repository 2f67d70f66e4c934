package engine_test

import (
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// FuzzReaderGuardsCompiler: what the reader lets through neither hurts the
// compiler nor looks different to it. What the reader refuses is not tried,
// because the compiler takes memory by declared counts.
func FuzzReaderGuardsCompiler(f *testing.F) {
	f.Add(tiny())
	small := tinyModule()
	small.Functions = small.Functions[:3]
	f.Add(small.Bytes())
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x02\x0f\x01\x03env\x06memory\x02\x00\x01"))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x00\x14\x04name\x01\x04\x01\x00\x01f\x02\x06\x01\x00\x01\x00\x01l"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		info, err := wasmbin.Read(wasm)
		if err != nil || len(wasm) > 4<<10 {
			return
		}
		ctx := t.Context()
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
		defer func() { _ = r.Close(ctx) }()
		code, err := r.CompileModule(ctx, wasm)
		if err != nil {
			return
		}
		functions := 0
		for _, i := range info.Imports {
			if i.Kind == wasmbin.Function {
				functions++
			}
		}
		if functions != len(code.ImportedFunctions()) {
			t.Fatalf("imports %v, and the compiler sees %d", info.Imports, len(code.ImportedFunctions()))
		}
		for name := range code.ExportedFunctions() {
			if e, ok := info.Export(name); !ok || e.Kind != wasmbin.Function {
				t.Fatalf("the compiler sees an export %q that the reader does not", name)
			}
		}
	})
}
