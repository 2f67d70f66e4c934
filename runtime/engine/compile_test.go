package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
)

// workers are what this test binary does instead of testing, by its first
// argument: the process that compiles, and such that misbehave.
func workers() map[string]func(args []string) int {
	return map[string]func([]string) int{
		"compile-worker": func(args []string) int {
			return engine.CompileWorker(context.Background(), args, os.Stdin, os.Stderr)
		},
	}
}

// worker is the command of a worker.
func worker(t testing.TB, name string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, name}
}

// newOutside is an engine that compiles in processes of its own.
func newOutside(t testing.TB, cfg engine.Config) *engine.Engine {
	t.Helper()
	if cfg.Worker == nil {
		cfg.Worker = worker(t, "compile-worker")
	}
	if cfg.Groups == nil {
		cfg.Groups = []capability.Group{group("test"), group("opt")}
	}
	e, err := engine.New(t.Context(), cfg)
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

func TestWorkerCompiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	e := newOutside(t, engine.Config{CacheDir: dir})
	echoes(t, e)
}
