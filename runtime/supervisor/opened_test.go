package supervisor_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// withKeys is a change of the rig that lets its tenants have secrets.
func withKeys(r *rig) {
	keys, err := secret.Open(r.t.Context(), r.store.System(), secret.KEK{1})
	if err != nil {
		r.t.Fatal(err)
	}
	r.secrets = keys
}

// TestOpenGetsTheAssembledConfig: what a guest is opened with are its rows, put
// together by their dots, in the types of its schema, and opened.
func TestOpenGetsTheAssembledConfig(t *testing.T) {
	r := newRig(t, withKeys)
	l := newLine(t)
	in := r.echoOn(l, nil)
	in.Config = nil
	in.Params = []spec.Param{
		{Key: "port", Value: l.port},
		{Key: "device", Value: "of the rows", Type: spec.ParamSecret},
		{Key: "cursor", Value: "true"},
		{Key: "on.hello", Value: "log a row is here"},
	}
	v, s := r.connect(in), r.stream("")
	l.send(t, "first\n")
	if rec := s.next(); rec.Device != "of the rows" || string(rec.Payload) != "first\n" {
		t.Errorf("%s of %s", rec.Payload, rec.Device)
	}
	l.send(t, "hello\n")
	r.logged(v.ID, "a row is here")
}

// TestConverterIsOpenedWithItsSecret, of which its records tell, and nothing
// that the host says of it.
func TestConverterIsOpenedWithItsSecret(t *testing.T) {
	r := newRig(t, withKeys)
	l := newLine(t)
	in := r.echoOn(l, nil)
	in.Converter = &spec.Converter{Module: r.hiding(), Config: config(t, map[string]any{"prefix": "geheim> "})}
	v, s := r.connect(in), r.stream("")
	l.send(t, "first\n")
	s.wants("geheim> first\n")
	if bytes.Contains(config(t, v), []byte("geheim")) || bytes.Contains(config(t, v), []byte("$secret")) {
		t.Errorf("shown: %s", config(t, v))
	}

	in.Converter = v.Converter // masked, as it was read
	in.Name = "renamed"
	r.update(v.ID, in)
	l.send(t, "second\n")
	s.wants("geheim> second\n")

	in.Converter = &spec.Converter{Module: in.Converter.Module, Config: config(t, map[string]any{"prefix": "anders> "})}
	r.update(v.ID, in)
	l.send(t, "third\n")
	s.wants("anders> third\n")
}

// hiding uploads the converter poison, whose prefix is a secret here.
func (r *rig) hiding() string {
	r.t.Helper()
	src, err := os.ReadFile("../../testdata/guests/dist/poison.wasm")
	if err != nil {
		r.t.Fatalf("%v: run `make wasm`", err)
	}
	manifest, err := os.ReadFile("../../testdata/guests/poison/manifest.json")
	if err != nil {
		r.t.Fatal(err)
	}
	hidden := strings.Replace(string(manifest), `"type": "string"`, `"type": "string", "x-secret": true`, 1)
	if src, err = wasmbin.WithSection(src, abi.ManifestSection, []byte(hidden)); err != nil {
		r.t.Fatal(err)
	}
	uploading.Lock()
	defer uploading.Unlock()
	m, _, err := r.tenant.AddModule(r.t.Context(), bytes.NewReader(src), nil, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return m.Digest
}
