//go:build !wasip1

package snaprail_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConnectorInTheDocBuilds takes the connector out of the package comment,
// and builds it as an author does.
func TestConnectorInTheDocBuilds(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(text), "//\tpackage main\n")
	program, _, found := strings.Cut(program, "\n// Build it with")
	if !found {
		t.Fatal("the package comment has no program")
	}
	lines := []string{"package main"}
	for line := range strings.Lines(program) {
		lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(strings.TrimRight(line, "\n"), "//"), "\t"))
	}
	code := 0
	for _, line := range lines {
		if line != "" {
			code++
		}
	}
	if code > 40 {
		t.Errorf("the connector has grown to %d lines; it should show how short one is", code)
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-buildmode=c-shared", "-o", filepath.Join(t.TempDir(), "g.wasm"), file)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDocNamesTheGoThatItNeeds: who copies the package out of this module has no
// go.mod that says so.
func TestDocNamesTheGoThatItNeeds(t *testing.T) {
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindSubmatch(module)
	if version == nil || !strings.Contains(string(doc), "with Go "+string(version[1])+" or newer") {
		t.Errorf("go.mod says go %s, and doc.go another", version)
	}
}
