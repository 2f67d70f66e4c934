package abi_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

func TestManifestsReadLikeProtobufJSON(t *testing.T) {
	o := newOracle(t)
	paths := must(filepath.Glob("testdata/manifest/*.json"))
	if len(paths) < 2 {
		t.Fatal("no manifests to read")
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			src := must(os.ReadFile(path))
			m, err := abi.ParseManifest(src)
			if err != nil {
				t.Fatal(err)
			}
			o.compareManifest(t, m, src)
		})
	}
}

// compareManifest lets the oracle read both src and what we write for m.
func (o *oracle) compareManifest(t *testing.T, m *abi.Manifest, src []byte) {
	t.Helper()
	got := o.manifest(t, must(json.Marshal(m)))
	if want := o.manifest(t, src); !reflect.DeepEqual(got, want) {
		t.Fatalf("\n got %v\nwant %v", got, want)
	}
}

// manifest is a manifest as the oracle reads it and writes it again.
func (o *oracle) manifest(t *testing.T, src []byte) (plain map[string]any) {
	t.Helper()
	pb := dynamicpb.NewMessage(o.message(t, "Manifest"))
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(src, pb); err != nil {
		t.Fatalf("the oracle refuses %s: %v", src, err)
	}
	out := must(protojson.MarshalOptions{UseProtoNames: true}.Marshal(pb))
	if err := json.Unmarshal(out, &plain); err != nil {
		t.Fatal(err)
	}
	if plain["config_schema"] == nil { // null is no schema
		delete(plain, "config_schema")
	}
	return plain
}

// edit is the full manifest with one field set, or taken out by nil.
func edit(t *testing.T, field string, value any) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(must(os.ReadFile("testdata/manifest/full.json")), &m); err != nil {
		t.Fatal(err)
	}
	if m[field] = value; value == nil {
		delete(m, field)
	}
	return must(json.Marshal(m))
}

func TestManifestSaysWhatIsWrong(t *testing.T) {
	type object = map[string]any
	type list = []any
	capability := func(group string, more ...any) object {
		c := object{"group": group, "reason": "Because."}
		for i := 0; i < len(more); i += 2 {
			c[more[i].(string)] = more[i+1]
		}
		return c
	}
	tests := []struct {
		field string
		value any
		want  string
	}{
		{"category", nil, "category: is required"},
		{"provider_type", nil, "provider_type: must be"},
		{"provider_type", "Serial-Line", "provider_type: must be"},
		{"display_name", nil, "display_name: is required"},
		{"version", nil, "version: must be"},
		{"version", "1.2", "version: must be"},
		{"version", "01.2.3", "version: must be"},
		{"version", "1.2.3-", "version: must be"},
		{"version", "1.2.3-01", "version: must be"},
		{"version", "1.2.3-a..b", "version: must be"},
		{"version", "1.2.3+", "version: must be"},
		{"version", "1.2.3+a_b", "version: must be"},
		{"version", "v1.2.3", "version: must be"},
		{"abi", nil, "abi.major: is required"},
		{"abi", object{"minor": 1}, "abi.major: is required"},
		{"kind", nil, "kind: must be"},
		{"kind", "filter", "kind: must be"},
		{"kind", "sink", "mode: is for connectors only"},
		{"mode", nil, "mode: must be"},
		{"mode", "push", "mode: must be"},
		{"lanes", "thread", "lanes: must be"},
		{"polls", "thread", "polls: must be"},
		{"polls", "device", "polls: is for mode poll"},
		{"config_schema", list{object{}, "key"}, "config_schema: must be"},
		{"config_schema", true, "config_schema: must be"},
		{"capabilities", list{capability("Serial")}, "capabilities[0].group: must be"},
		{"capabilities", list{nil}, "capabilities[0].group: must be"},
		{"capabilities", list{capability("kv", "reason", " ")}, "capabilities[0].reason: is required"},
		{"capabilities", list{capability("kv"), capability("kv")}, `capabilities[1].group: names "kv" a second`},
		{"capabilities", list{capability("kv", "rights", list{"own"})}, "capabilities[0].rights[0]: must be"},
		{"capabilities", list{capability("kv", "rights", list{"read", "read"})}, "capabilities[0].rights[1]: names"},
		{"device_types", list{""}, "device_types[0]: must not be empty"},
		{"device_types", list{"a", "a"}, `device_types[1]: names "a" a second`},
		{"extism", object{"convert": "f"}, "extism: is for converters only"},
		{"extism", object{}, "extism.convert: is required"},
		{"extism", object{"Convert": "f"}, "there is no field Convert"},
		{"oauth", object{"tokenUrl": "https://x"}, "there is no field tokenUrl"},
		{"entry_points", list{"op-start"}, "entry_points[0]: must be"},
		{"entry_points", list{"test", "test"}, `entry_points[1]: names "test" a second`},
		{"entry_points", list{"test", "encode"}, "entry_points[1]: names encode, which is for modules of kind converter"},
		{"entry_points", list{"deliver"}, "lanes: must be connector: records are delivered"},
	}
	for _, tt := range tests {
		_, err := abi.ParseManifest(edit(t, tt.field, tt.value))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s = %v: error %v, want %q in it", tt.field, tt.value, err, tt.want)
		}
	}
}

func TestManifestReportsAllFaults(t *testing.T) {
	_, err := abi.ParseManifest([]byte(`{}`))
	for _, field := range []string{"category", "provider_type", "display_name", "version", "abi.major", "kind"} {
		if err == nil || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%s is not in %v", field, err)
		}
	}
}

func TestManifestIsStrictJSON(t *testing.T) {
	full := string(must(os.ReadFile("testdata/manifest/full.json")))
	replaced := func(old, with string) string {
		if !strings.Contains(full, old) {
			t.Fatalf("%s is not in the manifest", old)
		}
		return strings.Replace(full, old, with, 1)
	}
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	tests := []struct {
		name, src string
		want      error
		text      string
	}{
		{"nothing", "", abi.ErrMalformed, "not a JSON object"},
		{"null", "null", abi.ErrMalformed, "not a JSON object"},
		{"half", full[:100], abi.ErrMalformed, "EOF"},
		{"two objects", full + "{}", abi.ErrMalformed, "follows"},
		{"garbage behind", full + "x", abi.ErrMalformed, "follows"},
		{"given twice", replaced(`"lanes"`, `"kind": "connector", "lanes"`), abi.ErrMalformed, "kind is given twice"},
		{"another case", replaced(`"lanes"`, `"Lanes"`), abi.ErrMalformed, "write lanes"},
		{"camel case", replaced(`"device_types"`, `"deviceTypes"`), abi.ErrMalformed, "write device_types"},
		{"not UTF-8", replaced("Serial line", "\xff"), abi.ErrMalformed, "not UTF-8"},
		{"half a surrogate pair", replaced("Serial line", `\ud800`), abi.ErrMalformed, "U+FFFD"},
		{"wrong type", replaced(`"industrial"`, `7`), abi.ErrMalformed, "category"},
		{"negative version", replaced(`"minor": 0`, `"minor": -1`), abi.ErrMalformed, "minor"},
		{"number too large", replaced(`1, 2, {`, `1e999, {`), abi.ErrMalformed, "1e999"},
		{"too deep", replaced(`[1, 2,`, `[`+deep+`,`), abi.ErrTooLarge, "64 levels"},
		{"too long", full + strings.Repeat(" ", abi.MaxManifest), abi.ErrTooLarge, "bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := abi.ParseManifest([]byte(tt.src))
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %v with %q", err, tt.want, tt.text)
			}
		})
	}
}

func TestRequiredExports(t *testing.T) {
	tests := []struct {
		kind  abi.ModuleKind
		mode  abi.Mode
		entry []string
		want  []string
	}{
		{abi.KindConnector, abi.ModePoll, nil, []string{"open", "poll"}},
		{abi.KindConnector, abi.ModeEvent, nil, []string{"open", "on_events"}},
		{abi.KindConnector, abi.ModeRun, []string{"test", "op_x"}, []string{"open", "run", "test", "op_x"}},
		{abi.KindConnector, abi.ModeCall, []string{"op_put"}, []string{"open", "op_put"}},
		{abi.KindConverter, "", []string{"open", "close"}, []string{"open", "convert", "close"}},
		{abi.KindSink, "", nil, []string{"open", "deliver"}},
	}
	for _, tt := range tests {
		m := abi.Manifest{Kind: tt.kind, Mode: tt.mode, EntryPoints: tt.entry}
		if got := m.Required(); !slices.Equal(got, tt.want) {
			t.Errorf("%s %s: %v, want %v", tt.kind, tt.mode, got, tt.want)
		}
	}
}

func TestExtismConverterNeedsItsFunctionAlone(t *testing.T) {
	m := abi.Manifest{Kind: abi.KindConverter, Extism: &abi.Extism{Convert: "count-vowels"}}
	if got := m.Required(); !slices.Equal(got, []string{"count-vowels"}) {
		t.Errorf("it requires %v", got)
	}
}

func TestServedVersions(t *testing.T) {
	tests := []struct {
		v    abi.Version
		want string
	}{
		{abi.Version{Major: abi.Major, Minor: abi.Minor}, ""},
		{abi.Version{Major: abi.Major, Minor: abi.Minor + 1}, "update the host"},
		{abi.Version{Major: abi.Major + 1}, "update the host"},
		{abi.Version{}, "rebuild the module"},
	}
	for _, tt := range tests {
		err := tt.v.Served()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.v, err, tt.want)
		}
	}
}

// TestWhoDelivers: one guest with the host's hands free delivers, in order.
func TestWhoDelivers(t *testing.T) {
	for _, tt := range []struct {
		kind    abi.ModuleKind
		mode    abi.Mode
		lanes   string
		entries []string
		wrong   string // "": nothing
	}{
		{abi.KindSink, "", "", nil, ""},
		{abi.KindSink, "", "connector", []string{abi.EntryDeliver}, ""},
		{abi.KindSink, "", "device", nil, "lanes"},
		{abi.KindConnector, abi.ModeEvent, "", []string{abi.EntryDeliver}, ""},
		{abi.KindConnector, abi.ModePoll, "connector", []string{abi.EntryDeliver}, ""},
		{abi.KindConnector, abi.ModeRun, "", []string{abi.EntryDeliver}, "mode"},
		{abi.KindConnector, abi.ModeEvent, "endpoint", []string{abi.EntryDeliver}, "lanes"},
		{abi.KindConverter, "", "", []string{abi.EntryDeliver}, "entry_points"},
	} {
		m := abi.Manifest{
			Category: "c", ProviderType: "p", DisplayName: "n", Version: "1.0.0", ABI: abi.Version{Major: abi.Major, Minor: abi.Minor},
			Kind: tt.kind, Mode: tt.mode, Lanes: tt.lanes, EntryPoints: tt.entries,
		}
		err := m.Validate()
		if (err == nil) != (tt.wrong == "") || err != nil && !strings.HasPrefix(err.Error(), tt.wrong+": ") {
			t.Errorf("%s %s %q %v: %v, want %q", tt.kind, tt.mode, tt.lanes, tt.entries, err, tt.wrong)
		}
	}
}

// TestEntryPointsBelongToKinds: each kind of module may name what it can be called
// for, and what a later version knows.
func TestEntryPointsBelongToKinds(t *testing.T) {
	kinds := map[abi.ModuleKind][]string{
		abi.KindConnector: {
			abi.EntryOnPublish, abi.EntryOnQuery, abi.EntryOnRPC, abi.EntryOnCommand, abi.EntryOnAttributes,
			abi.EntryOnJob, abi.EntryDeploy, abi.EntryTearDown,
		},
		abi.KindConverter: {abi.EntryEncode, abi.EntryConvert},
		"":                {abi.EntryTest, abi.EntryClose, "on_eclipse", "op_put"},
	}
	for of, entries := range kinds {
		for _, entry := range entries {
			for _, kind := range []abi.ModuleKind{abi.KindConnector, abi.KindConverter, abi.KindSink} {
				m := abi.Manifest{
					Category: "c", ProviderType: "p", DisplayName: "n", Version: "1.0.0", ABI: abi.Version{Major: 1, Minor: 2},
					Kind: kind, EntryPoints: []string{entry},
				}
				if kind == abi.KindConnector {
					m.Mode = abi.ModeEvent
				}
				if err := m.Validate(); (err == nil) != (of == "" || of == kind) {
					t.Errorf("%s of a %s: %v", entry, kind, err)
				}
			}
		}
	}
}
