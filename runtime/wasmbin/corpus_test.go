package wasmbin_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// TestReadTakesRealModules accepts what toolchains make: the plugins that ship
// with Extism's go-sdk (C, TinyGo, Rust, Go, Haskell, one initialised ahead of
// time), and the guests and connectors here, as far as they are built.
func TestReadTakesRealModules(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/extism/go-sdk").Output()
	if err != nil {
		t.Fatal(err)
	}
	plugins, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "wasm", "*.wasm"))
	if err != nil || len(plugins) < 25 {
		t.Fatalf("%d plugins, %v", len(plugins), err)
	}
	for _, dir := range []string{"../../testdata/guests/dist", "../../connectors-wasm/dist"} {
		more, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
		if err != nil {
			t.Fatal(err)
		}
		plugins = append(plugins, more...)
	}
	for _, path := range plugins {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wasmbin.Read(src); err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
}
