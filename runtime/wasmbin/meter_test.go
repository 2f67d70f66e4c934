package wasmbin_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// goModule is a module that Go's compiler built; `make wasm` builds it.
func goModule(tb testing.TB) []byte {
	tb.Helper()
	src, err := os.ReadFile(filepath.FromSlash("../../connectors-wasm/dist/textframe.wasm"))
	if err != nil {
		tb.Skip("no textframe.wasm: run make wasm")
	}
	return src
}

func meter(tb testing.TB, src []byte) []byte {
	tb.Helper()
	out, err := wasmbin.Meter(src)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestMeterKeepsItsSize(t *testing.T) {
	src := goModule(t)
	out := meter(t, src)
	t.Logf("%d bytes became %d: %+.1f %%", len(src), len(out), 100*(float64(len(out))/float64(len(src))-1))
	if len(out) > len(src)*105/100 {
		t.Errorf("%d bytes became %d", len(src), len(out))
	}
	if !bytes.Equal(out, meter(t, src)) {
		t.Error("a second time gives other bytes")
	}
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = r.Close(t.Context()) }()
	if _, err := r.CompileModule(t.Context(), out); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkMeter(b *testing.B) {
	src := goModule(b)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		meter(b, src)
	}
}
