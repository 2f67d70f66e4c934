package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestUploadIsCompiledOutside: an upload to the real program is compiled by a
// process of the same program, and a second start needs none. Only such a
// process notes which code belongs to the module.
func TestUploadIsCompiledOutside(t *testing.T) {
	n := newNode(t)
	began := time.Now()
	digest := n.push("textframe")
	t.Logf("from upload to runnable: %v", time.Since(began))
	sums, err := filepath.Glob(filepath.Join(n.dir, "cache", "metered-*", digest+".wasm.sum"))
	if err != nil || len(sums) != 1 {
		t.Fatalf("there is %q, %v", sums, err)
	}
	sum, err := os.ReadFile(sums[0])
	if err != nil {
		t.Fatal(err)
	}
	_, entry, _ := strings.Cut(strings.TrimSpace(string(sum)), "# ")
	code, err := filepath.Glob(filepath.Join(n.dir, "cache", "v*", "wazero-*", entry))
	if err != nil || len(entry) != 64 || len(code) != 1 {
		t.Fatalf("the code is %q, found as %q, %v", entry, code, err)
	}
	if left, err := os.ReadDir(filepath.Join(n.dir, "cache", "work")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	was, err := os.Stat(code[0])
	if err != nil {
		t.Fatal(err)
	}
	n.kill()
	n.start()
	began = time.Now()
	n.push("textframe")
	t.Logf("the same after a restart: %v", time.Since(began))
	if now, err := os.Stat(code[0]); err != nil || !now.ModTime().Equal(was.ModTime()) {
		t.Errorf("compiled again: %v", err)
	}
}
