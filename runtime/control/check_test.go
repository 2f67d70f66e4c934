package control_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// TestEveryFaultOfAConnectorIsNamed: each alone, with its place.
func TestEveryFaultOfAConnectorIsNamed(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", `{"properties":{"a":{"type":"string"}}}`)
	conv := r.tiny(abi.KindConverter, "conv", `{"required":["b"]}`)
	many := func(n int) []string { return slices.Repeat([]string{"/dev/x"}, n) }
	for name, tt := range map[string]struct {
		change func(*control.ConnectorInput)
		at     string
		says   string
	}{
		"no name":           {func(in *control.ConnectorInput) { in.Name = "" }, "/name", "1 to 255"},
		"long name":         {func(in *control.ConnectorInput) { in.Name = strings.Repeat("ä", 256) }, "/name", "255"},
		"broken name":       {func(in *control.ConnectorInput) { in.Name = "a\xff" }, "/name", ""},
		"control character": {func(in *control.ConnectorInput) { in.Name = "a\x1b[2J" }, "/name", "control"},
		"no module":         {func(in *control.ConnectorInput) { in.Module = "" }, "/module", "required"},
		"unknown module":    {func(in *control.ConnectorInput) { in.Module = strings.Repeat("0", 64) }, "/module", "no module"},
		"short digest":      {func(in *control.ConnectorInput) { in.Module = con[:7] }, "/module", ""},
		"a converter":       {func(in *control.ConnectorInput) { in.Module, in.Config = conv, json.RawMessage(`{"b":1}`) }, "/module", "a converter, and a connector"},
		"config":            {func(in *control.ConnectorInput) { in.Config = json.RawMessage(`{"a":1}`) }, "/config/a", "string"},
		"config too large": {func(in *control.ConnectorInput) {
			in.Config = json.RawMessage(`{"a":"` + strings.Repeat("x", 64<<10) + `"}`)
		}, "/config", "65536"},
		"converter's module": {func(in *control.ConnectorInput) { in.Converter = &spec.Converter{Module: con} }, "/converter/module", "a connector, and a converter"},
		"converter's config": {func(in *control.ConnectorInput) { in.Converter = &spec.Converter{Module: conv} }, "/converter/config", "'b'"},
		"unknown group":      {func(in *control.ConnectorInput) { in.Grants = []spec.Grant{{Group: "teleport"}} }, "/grants/0/group", "http, kafka, kv, log, serial"},
		"broken pattern": {func(in *control.ConnectorInput) {
			in.Grants = []spec.Grant{{Group: "serial", Resources: []string{"/dev/a", "/dev/["}}}
		}, "/grants/0/resources/1", "pattern"},
		"empty pattern": {func(in *control.ConnectorInput) {
			in.Grants = []spec.Grant{{Group: "serial", Resources: []string{""}}}
		}, "/grants/0/resources/0", "pattern"},
		"long pattern": {func(in *control.ConnectorInput) {
			in.Grants = []spec.Grant{{Group: "serial", Resources: []string{strings.Repeat("a", 1025)}}}
		}, "/grants/0/resources/0", "pattern"},
		"many patterns": {func(in *control.ConnectorInput) {
			in.Grants = []spec.Grant{{Group: "serial", Resources: many(65)}}
		}, "/grants/0/resources", "64"},
		"unknown right": {func(in *control.ConnectorInput) {
			in.Grants = []spec.Grant{{Group: "serial"}, {Group: "serial", Rights: []spec.Right{spec.Read, "admin"}}}
		}, "/grants/1/rights/1", "read or write"},
		"many grants":   {func(in *control.ConnectorInput) { in.Grants = make([]spec.Grant, 65) }, "/grants", "64"},
		"little memory": {func(in *control.ConnectorInput) { in.Limits.MemoryBytes = 1 }, "/limits/memory_bytes", ""},
		"much memory":   {func(in *control.ConnectorInput) { in.Limits.MemoryBytes = 2 << 30 }, "/limits/memory_bytes", ""},
		"negative":      {func(in *control.ConnectorInput) { in.Limits.CallTimeout = -1 }, "/limits/call_timeout", "1ms to 5m0s"},
		"long timeout":  {func(in *control.ConnectorInput) { in.Limits.OpenTimeout = spec.Duration(time.Hour) }, "/limits/open_timeout", "1ms to 5m0s"},
		"short poll":    {func(in *control.ConnectorInput) { in.Poll.Interval = spec.Duration(time.Millisecond) }, "/poll/interval", "10ms"},
		"negative poll": {func(in *control.ConnectorInput) { in.Poll.Interval = -1 }, "/poll/interval", ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := control.ConnectorInput{Name: "c", Module: con}
			tt.change(&in)
			_, err := r.CreateConnector(t.Context(), in)
			f := wanted(t, err, fault.ConfigInvalid)
			if got := pointers(f.Fields); !slices.Equal(got, []string{tt.at}) {
				t.Fatalf("faults %+v, want one at %s", f.Fields, tt.at)
			}
			if !strings.Contains(f.Fields[0].Detail, tt.says) || !strings.Contains(f.Text, tt.at) {
				t.Errorf("%q, in %q, does not say %q", f.Fields[0].Detail, f.Text, tt.says)
			}
		})
	}
	list, _, err := r.Connectors(t.Context(), control.ConnectorFilter{}, control.Page{})
	if err != nil || len(list) != 0 {
		t.Errorf("left behind: %+v, %v", list, err)
	}
}

// TestSchemaOfAnOldModuleIsHeldToTheBudget: one that is kept since before
// uploads were.
func TestSchemaOfAnOldModuleIsHeldToTheBudget(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	space, err := r.store.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	err = space.Update(t.Context(), func(w store.Writer) error {
		e, err := w.Get(store.Modules, con)
		if err != nil {
			return err
		}
		var m spec.Module
		if err := json.Unmarshal(e.Value, &m); err != nil {
			return err
		}
		m.Manifest.ConfigSchema = json.RawMessage(`{"properties":{"a":{"$ref":"#"}}}`)
		raw, err := json.Marshal(m)
		if err != nil {
			return err
		}
		_, err = w.Put(store.Modules, con, raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.CreateConnector(t.Context(), control.ConnectorInput{Name: "c", Module: con})
	if f := wanted(t, err, fault.ManifestInvalid); !strings.Contains(f.Text, "refers to itself") {
		t.Errorf("%q", f.Text)
	}
}

func TestAllFaultsOfAConnectorAreNamedAtOnce(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{
		Module:    r.tiny(abi.KindConnector, "con", `{"required":["a"],"properties":{"b":{"enum":["x","y"]}},"additionalProperties":false}`),
		Config:    json.RawMessage(`{"b":"z","c":1}`),
		Converter: &spec.Converter{},
		Grants:    []spec.Grant{{Group: "teleport", Resources: []string{"["}, Rights: []spec.Right{"own"}}},
		Limits:    spec.Limits{MemoryBytes: 1, CallTimeout: -1, OpenTimeout: -1},
		Poll:      spec.Poll{Interval: 1},
	}
	_, err := r.CreateConnector(t.Context(), in)
	f := wanted(t, err, fault.ConfigInvalid)
	want := []string{
		"/config", "/config/b", "/config/c", "/converter/module", "/grants/0/group", "/grants/0/resources/0", "/grants/0/rights/0",
		"/limits/call_timeout", "/limits/memory_bytes", "/limits/open_timeout", "/name", "/poll/interval",
	}
	if got := pointers(f.Fields); !slices.Equal(got, want) {
		t.Errorf("faults at %q\nwant %q", got, want)
	}
	if !strings.Contains(f.Text, "(and 11 more)") {
		t.Errorf("text %q", f.Text)
	}
}

// TestWhatIsJustRight is kept: the bounds are inside.
func TestWhatIsJustRight(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	conv := r.tiny(abi.KindConverter, "conv", "")
	for name, in := range map[string]control.ConnectorInput{
		"least": {Name: "c", Module: con},
		"most": {
			Name: strings.Repeat("機", 255), Module: con, Config: json.RawMessage(`{"a":{"b":[1]}}`),
			Converter: &spec.Converter{Module: conv},
			Grants:    []spec.Grant{{Group: "serial", Resources: []string{"/dev/tty[A-Z]*"}, Rights: []spec.Right{spec.Read, spec.Write}}},
			Limits:    spec.Limits{MemoryBytes: 1 << 30, CallTimeout: spec.Duration(5 * time.Minute), OpenTimeout: spec.Duration(5 * time.Minute)},
			Poll:      spec.Poll{Interval: spec.Duration(10 * time.Millisecond)},
		},
		"short digests": {Name: "s", Module: con[:8], Converter: &spec.Converter{Module: conv[:8]}},
	} {
		v, err := r.CreateConnector(t.Context(), in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := r.read(v.ID)
		if got.Name != in.Name || got.Module != con || (in.Converter != nil && got.Converter.Module != conv) {
			t.Errorf("%s: kept as %+v", name, got.Connector)
		}
		if byName := r.read(in.Name); byName.ID != v.ID {
			t.Errorf("%s: found %s by name, want %s", name, byName.ID, v.ID)
		}
	}
}
