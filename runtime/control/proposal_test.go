package control_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// vowels is a plugin with an Extism PDK whose function answers its input.
func vowels() []byte {
	return w.Module{
		Imports: []w.Import{
			{Module: "extism:host/env", Name: "input_offset", Results: "I"},
			{Module: "extism:host/env", Name: "input_length", Results: "I"},
			{Module: "extism:host/env", Name: "output_set", Params: "II"},
		},
		Pages: 1,
		Functions: []w.Function{{
			Export: "count_vowels", Results: "i",
			Body: w.Join(w.Call(0), w.Call(1), w.Call(2), w.I32(0)),
		}},
	}.Bytes()
}

// extismManifest holds the plugin, and these fields.
func extismManifest(fields string) []byte {
	return fmt.Appendf(nil, `{"wasm": [{"data": %q}]%s}`, base64.StdEncoding.EncodeToString(vowels()), fields)
}

// vowelsManifest is the plugin's manifest: a converter.
const vowelsManifest = `, "snaprail": {"category": "converter", "provider_type": "vowels", "display_name": "Vowels", "version": "1.0.0",
	"abi": {"major": 1}, "kind": "converter", "extism": {"convert": "count_vowels"}}`

func TestExtismManifestIsAModuleAndAProposal(t *testing.T) {
	r := newRigUnder(t, spec.Ceiling{Connector: spec.Limits{MemoryBytes: 16 << 20}})
	src := extismManifest(vowelsManifest + `, "memory": {"max_pages": 1000}, "timeout_ms": 700,
		"config": {"vowels": "aeiou", "unit": "1"}, "allowed_hosts": ["example.com"], "allowed_paths": {"/": "/"}`)
	m, created, err := r.AddExtismModule(t.Context(), src, nil)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	if _, created, err = r.AddExtismModule(t.Context(), src, nil); err != nil || created {
		t.Errorf("the second time: %v, %v", created, err)
	}
	_, _, err = r.AddExtismModule(t.Context(), extismManifest(vowelsManifest), nil)
	wantFault(t, err, fault.Exists)
	view, err := r.Module(t.Context(), m.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if p := view.Proposal; p == nil || p.Limits.MemoryBytes != 2000*64<<10 || len(p.Grants) != 1 || len(p.Notes) != 2 {
		t.Errorf("proposal %+v", view.Proposal)
	}
	v := r.create(control.ConnectorInput{
		Name: "c", Module: r.tiny(abi.KindConnector, "con", ""),
		Converter: &spec.Converter{Module: m.Digest, Config: json.RawMessage(`{"unit": "2"}`)},
	})
	c := v.Converter
	if string(c.Config) != `{"unit":"2","vowels":"aeiou"}` || c.Limits.MemoryBytes != 16<<20 ||
		c.Limits.CallTimeout != spec.Duration(700*time.Millisecond) || len(v.Grants) != 0 || v.Limits.MemoryBytes != 0 {
		t.Errorf("converter %s %+v, grants %v, limits %+v", c.Config, c.Limits, v.Grants, v.Limits)
	}
}

func TestExtismManifestSaysWhatTheModuleIs(t *testing.T) {
	r := newRig(t)
	_, _, err := r.AddExtismModule(t.Context(), extismManifest(""), nil)
	if f := wanted(t, err, fault.ManifestMissing); !strings.Contains(f.Advice(), `"snaprail"`) {
		t.Errorf("hint %q", f.Advice())
	}
	_, _, err = r.AddExtismModule(t.Context(), extismManifest(strings.Replace(vowelsManifest, "count_vowels", "count", 1)), nil)
	wantFault(t, err, fault.EntryPointMissing)
	plain := w.Module{Pages: 1, Functions: []w.Function{{Export: "count_vowels", Results: "i", Body: w.I32(0)}}}.Bytes()
	_, _, err = r.AddExtismModule(t.Context(), fmt.Appendf(nil, `{"wasm": [{"data": %q}]%s}`,
		base64.StdEncoding.EncodeToString(plain), vowelsManifest), nil)
	if f := wanted(t, err, fault.ManifestInvalid); !strings.Contains(f.Text, "not made with an Extism PDK") {
		t.Errorf("%q", f.Text)
	}
}
