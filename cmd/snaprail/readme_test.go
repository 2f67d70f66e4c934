package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// The connector of the README is built as it stands there, packed with its
// manifest, created from its JSON, and weighs.
func TestReadmeConnectorWorks(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```(go|json)\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 3 || blocks[0][1] != "go" {
		t.Fatalf("the README has %d blocks, want main.go, manifest.json and scale.json", len(blocks))
	}
	if lines := strings.Count(strings.TrimSpace(blocks[0][2]), "\n") + 1; lines > 45 {
		t.Errorf("the first connector has %d lines", lines)
	}
	port := playing(t, 0)
	n := newNode(t)
	digest := n.pushBytes(packed(t, buildGuest(t, root, blocks[0][2]), blocks[1][2]))
	spec := strings.ReplaceAll(strings.ReplaceAll(blocks[2][2], "DIGEST", digest[:12]), "/dev/ttyUSB0", port.Port)
	c := n.activate(json.RawMessage(spec), nil)
	if _, err := port.near.WriteString("81.5\nnothing\n82\n"); err != nil {
		t.Fatal(err)
	}
	got := n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool { return r.Sequence == 1 })
	if len(got) != 2 || value(got[0], "weight") != "81.5" || value(got[1], "weight") != "82" || got[0].Device != "scale" {
		t.Errorf("records %s", got[0].Raw)
	}
}

// buildGuest builds a guest as `make wasm` would, from a folder that exists
// for the compiler alone.
func buildGuest(t *testing.T, root, source string) []byte {
	t.Helper()
	dir := t.TempDir()
	main, overlay, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "scale.wasm")
	raw, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(root, "connectors-wasm", "scale", "main.go"): main,
	}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{main: []byte(source), overlay: raw} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-buildvcs=false", "-overlay", overlay, "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./connectors-wasm/scale")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

func packed(t *testing.T, wasm []byte, manifest string) []byte {
	t.Helper()
	wasm, err := wasmbin.WithSection(wasm, "snaprail.manifest", []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}
