package wasmbin_test

import (
	"testing"

	"github.com/snaprail/snaprail/runtime/wasmbin"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// TestTypesOfImportsAndExports: whoever links a module sees the types of what
// crosses its border.
func TestTypesOfImportsAndExports(t *testing.T) {
	info, err := wasmbin.Read(w.Module{
		Imports:   []w.Import{{Module: "a", Name: "b", Params: "iIfF", Results: "I"}},
		Functions: []w.Function{{Export: "f", Params: "Fi", Results: "f", Body: []byte{0x43, 0, 0, 0, 0}}, {Export: "g"}},
	}.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if i := info.Imports[0]; i.Params != "iIfF" || i.Results != "I" {
		t.Errorf("import: %+v", i)
	}
	if f, _ := info.Export("f"); f.Params != "Fi" || f.Results != "f" {
		t.Errorf("export: %+v", f)
	}
	if g, _ := info.Export("g"); g.Params != "" || g.Results != "" {
		t.Errorf("export: %+v", g)
	}
}
