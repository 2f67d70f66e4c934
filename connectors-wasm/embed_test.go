package connectorswasm

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestModulesAreThoseThatWereBuilt holds that the binary carries each module as
// make wasm left it, and no others.
func TestModulesAreThoseThatWereBuilt(t *testing.T) {
	if names := Names(); !slices.Equal(names, shipped(t)) {
		t.Errorf("the binary carries %v, and there are %v: run `make wasm`", names, shipped(t))
	}
	for _, name := range shipped(t) {
		built, err := os.ReadFile(filepath.Join("dist", name+".wasm"))
		if err != nil {
			t.Errorf("%v: run `make wasm`", err)
			continue
		}
		if got, err := Module(name); err != nil || !bytes.Equal(got, built) {
			t.Errorf("%s: %d bytes in the binary, %d built, %v: run `make wasm`", name, len(got), len(built), err)
		}
	}
	if _, err := Module("nothing"); err == nil {
		t.Error("a module that does not ship is answered")
	}
}

// BenchmarkModule is what an installation pays for the packing.
func BenchmarkModule(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Module("serialline"); err != nil {
			b.Fatal(err)
		}
	}
}
