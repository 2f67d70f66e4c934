package abi_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

var update = flag.Bool("update", false, "write the vectors' hex anew from their content")

// vector is a case of ../vectors; its README.md says what the fields mean.
type vector struct {
	Name             string          `json:"name"`
	Message          string          `json:"message"`
	Note             string          `json:"note,omitempty"`
	Content          json.RawMessage `json:"content,omitempty"`
	DecodeOnly       bool            `json:"decode_only,omitempty"`
	RefusedFromGuest bool            `json:"refused_from_guest,omitempty"`
	Error            string          `json:"error,omitempty"`
	Hash             string          `json:"hash,omitempty"`
	Hex              string          `json:"hex"`

	src []byte
}

type vectorFile struct {
	Cases []*vector `json:"cases"`
}

// vectorFiles reads all vectors, by path.
func vectorFiles(t testing.TB) map[string]vectorFile {
	t.Helper()
	files := make(map[string]vectorFile)
	for _, path := range must(filepath.Glob("../vectors/*.json")) {
		dec := json.NewDecoder(bytes.NewReader(must(os.ReadFile(path))))
		dec.DisallowUnknownFields()
		var file vectorFile
		if err := dec.Decode(&file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, c := range file.Cases {
			c.src = must(hex.DecodeString(strings.ReplaceAll(c.Hex, " ", "")))
		}
		files[path] = file
	}
	if len(files) == 0 {
		t.Fatal("no vectors")
	}
	return files
}

// readVectors gives the vectors of one message.
func readVectors(t testing.TB, message string) (cases []*vector) {
	t.Helper()
	for _, file := range vectorFiles(t) {
		for _, c := range file.Cases {
			if c.Message == message {
				cases = append(cases, c)
			}
		}
	}
	return cases
}

func TestVectors(t *testing.T) {
	o := newOracle(t)
	covered := make(map[string]bool)
	for path, file := range vectorFiles(t) {
		for _, c := range file.Cases {
			covered[c.Message] = true
			name := strings.TrimSuffix(filepath.Base(path), ".json") + "/" + c.Message + "/" + c.Name
			t.Run(name, func(t *testing.T) { c.run(t, o) })
		}
		if *update && !t.Failed() {
			writeVectors(t, path, file)
		}
	}
	for name := range messages() {
		if !covered[name] {
			t.Errorf("no vector for %s", name)
		}
	}
}

func (c *vector) run(t *testing.T, o *oracle) {
	t.Helper()
	fresh, ok := messages()[c.Message]
	if !ok || (c.Error == "") == (c.Content == nil) {
		t.Fatal("needs a known message, and either content or error")
	}
	if c.Error != "" {
		c.checkRefused(t, fresh())
		o.judge(t, c.Message, fresh(), c.src)
		return
	}
	var content map[string]any
	if err := json.Unmarshal(c.Content, &content); err != nil {
		t.Fatal(err)
	}
	if !c.DecodeOnly {
		c.checkWritten(t, fresh(), content)
	}
	m := fresh()
	if err := m.Decode(c.src); err != nil {
		t.Fatal(err)
	}
	if got := o.plainOf(t, c.Message, m); !reflect.DeepEqual(got, content) {
		t.Errorf("\n got %v\nwant %v", got, content)
	}
	c.checkGuest(t)
	c.checkHash(t, m)
	o.judge(t, c.Message, fresh(), c.src)
}

// checkWritten writes the content, which gives the vector's bytes, or its new
// bytes with -update.
func (c *vector) checkWritten(t *testing.T, m message, content map[string]any) {
	t.Helper()
	if err := fill(m, content); err != nil {
		t.Fatal(err)
	}
	got := m.Append(nil)
	if *update {
		c.src, c.Hex = got, hex.EncodeToString(got)
	}
	if !bytes.Equal(got, c.src) {
		t.Errorf("wrote %x\n  want %x", got, c.src)
	}
}

// checkRefused expects the vector's error.
func (c *vector) checkRefused(t *testing.T, m message) {
	t.Helper()
	kinds := map[string]error{"malformed": abi.ErrMalformed, "too_large": abi.ErrTooLarge}
	want, ok := kinds[c.Error]
	if !ok {
		t.Fatalf("no such error: %s", c.Error)
	}
	if err := m.Decode(c.src); !errors.Is(err, want) {
		t.Errorf("read: %v, want %v", err, want)
	}
}

// checkGuest runs the host's check of what a guest writes.
func (c *vector) checkGuest(t *testing.T) {
	t.Helper()
	if c.Message != "Batch" {
		return
	}
	if _, err := abi.CheckBatch(c.src); errors.Is(err, abi.ErrKind) != c.RefusedFromGuest {
		t.Errorf("check: %v, refused: %v", err, c.RefusedFromGuest)
	}
}

// checkHash holds a device's hash to the vector's.
func (c *vector) checkHash(t *testing.T, m message) {
	t.Helper()
	device, ok := m.(*abi.Device)
	if !ok {
		return
	}
	if *update {
		c.Hash = device.Sum()
	}
	if got := device.Sum(); c.Hash != "" && got != c.Hash {
		t.Errorf("hash is %s, want %s", got, c.Hash)
	}
}

func writeVectors(t *testing.T, path string, file vectorFile) {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	if err := enc.Encode(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
