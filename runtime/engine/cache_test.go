package engine_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestDiskCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	wasm := goModule(t)
	timed := func() time.Duration {
		e, err := engine.New(t.Context(), engine.Config{CacheDir: dir, Groups: goGroups()})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		m, err := e.Compile(t.Context(), wasm)
		took := time.Since(begin)
		if err != nil {
			t.Fatal(err)
		}
		i, err := e.Instantiate(t.Context(), m, engine.InstanceConfig{Link: goLink(), CallTimeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		open(t, i, "{}")
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return took
	}
	cold := timed()
	warm := timed()
	t.Logf("compile: %v, from the cache: %v", cold, warm)
	if warm > cold/3 {
		t.Errorf("the cache saves too little: %v, then %v", cold, warm)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the cache has the mode %v, %v", info.Mode(), err)
	}
}

func TestDamagedCacheIsMended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	compile := func() {
		e := newEngineIn(t, dir)
		i := instantiate(t, e, compile(t, e, tiny()), engine.InstanceConfig{Link: allLinked()})
		if out, err := i.Call(t.Context(), "echo", []byte("x")); err != nil || string(out) != "x" {
			t.Errorf("echo answered %q, %v", out, err)
		}
	}
	compile()
	whole, err := os.ReadFile(cacheFiles(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-10] ^= 1 // the end of the code; behind it are 9 bytes
	for name, data := range map[string][]byte{
		"empty": nil, "a few bytes": whole[:3], "half": whole[:len(whole)/2], "all but one": whole[:len(whole)-1], "flipped": flipped,
	} {
		if err := os.WriteFile(cacheFiles(t, dir)[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
		compile()
		if now, err := os.ReadFile(cacheFiles(t, dir)[0]); err != nil || !bytes.Equal(now, whole) {
			t.Errorf("%s: the entry was not written again: %d bytes, %v", name, len(now), err)
		}
	}
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	e := newEngineIn(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	compile(t, e, tiny())
}

func cacheFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "v*", "wazero-*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in the cache: %v", err)
	}
	return files
}

func TestCacheOfOthersIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := engine.New(t.Context(), engine.Config{CacheDir: dir})
	wantFault(t, err, fault.Denied, "others may write")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = engine.New(t.Context(), engine.Config{CacheDir: file})
	wantFault(t, err, fault.Internal, "cache")
}
