package control_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// ofType uploads a hand-made connector with this manifest, whose other entry
// points have these bodies of parameters (pointer, length).
func (r *rig) ofType(m abi.Manifest, entries map[string][]byte, data ...w.Data) string {
	r.t.Helper()
	if m.DisplayName == "" {
		m.DisplayName = m.ProviderType
	}
	m.ABI, m.Kind, m.Mode = abi.Version{Major: abi.Major}, abi.KindConnector, abi.ModeEvent
	raw, err := json.Marshal(m)
	if err != nil {
		r.t.Fatal(err)
	}
	entry := func(name string, body []byte) w.Function {
		return w.Function{Export: name, Params: "ii", Results: "I", Body: body}
	}
	functions := []w.Function{
		{Export: abi.ExportAlloc, Params: "i", Results: "i", Body: w.I32(0x10000)},
		entry(abi.EntryOpen, w.I64(0)), entry(abi.EntryOnEvents, w.I64(0)),
	}
	for name, body := range entries {
		functions = append(functions, entry(name, body))
	}
	return r.upload(w.Module{
		Pages: 3, Functions: functions, Data: data, Custom: []w.Custom{{Name: abi.ManifestSection, Body: raw}},
	}.Bytes())
}

// answering is the body of an entry point that answers the data at dataAt.
func answering(raw []byte, fails bool) ([]byte, w.Data) {
	n := int32(len(raw))
	if fails {
		n |= -1 << 31
	}
	return w.Packed(w.I32(dataAt), w.I32(n)), w.Data{Offset: dataAt, Bytes: raw}
}

// unwraps is a normalize_import that takes {"installed": off, as Google's
// credentials have it, and leaves everything else as it is.
func unwraps() []byte {
	const wrapped = 0x6e69227b // {"in
	add, sub, eq := w.Op(0x6a), w.Op(0x6b), w.Op(0x46)
	return w.Join(w.Get(0), w.Load32(0), w.I32(wrapped), eq, w.IfElse("I",
		w.Packed(w.Join(w.Get(0), w.I32(13), add), w.Join(w.Get(1), w.I32(14), sub)),
		w.Packed(w.Get(0), w.Get(1))))
}

const driveForm = `[{"key":"client_id","label":"Client ID","required":true,"secret":false},
	{"key":"client_secret","label":"Client Secret","required":true,"secret":true},
	{"key":"refresh_token","label":"Refresh Token","required":false,"secret":true}]`

// drive is a module with the flat schema of the first specification's example.
func (r *rig) drive() string {
	r.t.Helper()
	return r.ofType(abi.Manifest{Category: "telemetry", ProviderType: "drive", Version: "1.0.0", ConfigSchema: json.RawMessage(driveForm)},
		map[string][]byte{abi.EntryNormalizeImport: unwraps()})
}

func text(key, value string) spec.Param {
	return spec.Param{Key: key, Value: value, Type: spec.ParamText, Sequence: 10}
}

// whole are rows that the example's schema allows.
func whole() []spec.Param {
	return []spec.Param{text("client_id", "id-1"), text("client_secret", "geheim-1")}
}

// config is a connector's configuration as it is shown or, revealed, is.
func (r *rig) config(id string, reveal bool) string {
	r.t.Helper()
	raw, err := r.Config(r.t.Context(), id, reveal)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(raw)
}

// stored is everything that the store has of connectors and their trail.
func (r *rig) stored() string {
	r.t.Helper()
	space, err := r.store.Tenant("plant")
	var b bytes.Buffer
	if err == nil {
		err = space.View(r.t.Context(), func(rd store.Reader) error {
			for _, bucket := range []store.Bucket{store.Connectors, store.Audit, store.Secrets} {
				for e, err := range store.All(rd, bucket, "") {
					if err != nil {
						return err
					}
					b.WriteString(e.ID)
					b.Write(e.Value)
				}
			}
			return nil
		})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return b.String()
}

// TestNewConnectorHasTheRowsOfItsSchema to be filled in; its test says what is
// missing, and so does its activation.
func TestNewConnectorHasTheRowsOfItsSchema(t *testing.T) {
	r := newRig(t)
	v := r.create(control.ConnectorInput{Name: "c", Module: r.drive()})
	var keys []string
	for _, row := range v.Params {
		keys = append(keys, row.Key+" "+string(row.Type))
	}
	if want := []string{"client_id text", "client_secret secret", "refresh_token secret"}; !slices.Equal(keys, want) {
		t.Errorf("rows %q, want %q", keys, want)
	}
	result, err := r.TestConnector(t.Context(), "c")
	if err != nil || result.Success || result.Details["code"] != "config_invalid" || result.Details["latency_ms"] == "" {
		t.Errorf("%+v, %v", result, err)
	}
	if !strings.Contains(result.Message, "client_secret") {
		t.Errorf("%q does not name what is missing", result.Message)
	}
	if got := r.read("c"); got.Status != spec.StatusError || got.StatusMessage != result.Message || got.LastTestedAt.IsZero() {
		t.Errorf("%+v", got.Connector)
	}
	_, err = r.Activate(t.Context(), "c")
	wantFault(t, err, fault.ConfigInvalid)
	if _, err := r.SetParams(t.Context(), "c", whole(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Activate(t.Context(), "c"); err != nil {
		t.Error(err)
	}
}

// TestSecretsAreNowhere: sealed in the store, masked in every view, out of the
// trail, and kept when what was read is sent back.
func TestSecretsAreNowhere(t *testing.T) {
	r := newRig(t)
	drive := r.drive()
	r.create(control.ConnectorInput{Name: "rows", Module: drive, Params: whole()})
	r.create(control.ConnectorInput{Name: "flat", Module: drive, Config: json.RawMessage(`{"client_id":"id-1","client_secret":"geheim-1"}`)})
	for _, name := range []string{"rows", "flat"} {
		v := r.read(name)
		in := control.ConnectorInput{Name: name, Module: drive, Params: v.Params, Config: v.Config, Poll: spec.Poll{Interval: 1e9}}
		if _, err := r.UpdateConnector(t.Context(), name, in, 0); err != nil {
			t.Fatalf("%s: what was read cannot be sent back: %v", name, err)
		}
		if got := r.config(name, true); !strings.Contains(got, `"client_secret":"geheim-1"`) {
			t.Errorf("%s: %s", name, got)
		}
		shown, err := json.Marshal(r.read(name))
		if err != nil {
			t.Fatal(err)
		}
		masked := r.config(name, false)
		if !strings.Contains(masked, `"client_id":"id-1"`) || !strings.Contains(masked, `"client_secret":{"set":true`) {
			t.Errorf("%s: %s", name, masked)
		}
		for where, text := range map[string]string{"view": string(shown), "config": masked, "store": r.stored()} {
			if strings.Contains(text, "geheim") {
				t.Errorf("%s: the secret is in the %s: %s", name, where, text)
			}
		}
	}
	list, _, err := r.Connectors(t.Context(), control.ConnectorFilter{}, control.Page{})
	raw, _ := json.Marshal(list)
	if err != nil || bytes.Contains(raw, []byte("$secret")) || bytes.Contains(raw, []byte("geheim")) {
		t.Errorf("%s, %v", raw, err)
	}
}

// TestRevealNeedsARightAndIsNoted.
func TestRevealNeedsARightAndIsNoted(t *testing.T) {
	r := newRig(t)
	v := r.create(control.ConnectorInput{Name: "c", Module: r.drive(), Params: whole()})
	as := func(role identity.Role, scopes string) *control.Tenant {
		return r.By(identity.Identity{Tenant: "plant", Kind: identity.KindToken, ID: "t", Name: "n", Role: role, Scopes: scopes})
	}
	for name, who := range map[string]*control.Tenant{
		"viewer": as(identity.Viewer, ""), "operator": as(identity.Operator, ""), "narrow": as(identity.Admin, "connectors secrets:read"),
	} {
		if _, err := who.Config(t.Context(), "c", false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := who.Config(t.Context(), "c", true)
		wantFault(t, err, fault.RoleRequired)
	}
	before, _, err := r.Audit(t.Context(), control.AuditQuery{Action: "config.reveal"}, control.Page{})
	if err != nil || len(before) != 0 {
		t.Fatalf("%+v, %v", before, err)
	}
	if got, err := as(identity.Admin, "connectors secrets").Config(t.Context(), "c", true); err != nil || !bytes.Contains(got, []byte("geheim-1")) {
		t.Errorf("%s, %v", got, err)
	}
	after, _, err := r.Audit(t.Context(), control.AuditQuery{Action: "config.reveal"}, control.Page{})
	if err != nil || len(after) != 1 || after[0].Connector != v.ID || after[0].Who.ID != "t" {
		t.Errorf("%+v, %v", after, err)
	}
}

// TestRowsReplaceAllAndNameWhatIsWrong: and what is refused changes nothing.
func TestRowsReplaceAllAndNameWhatIsWrong(t *testing.T) {
	r := newRig(t)
	v := r.create(control.ConnectorInput{Name: "c", Module: r.drive(), Params: whole()})
	for name, tt := range map[string]struct {
		rows []spec.Param
		at   []string
	}{
		"none missing": {[]spec.Param{text("client_id", "x")}, []string{"/config"}},
		"conflict":     {append(whole(), text("client_id.a", "x")), []string{"/params/2/key"}},
		"twice":        {append(whole(), text("client_id", "x")), []string{"/params/2/key"}},
		"long key":     {append(whole(), text(strings.Repeat("k", 256), "x")), []string{"/params/2/key"}},
		"no such file": {append(whole(), spec.Param{Key: "f", Type: spec.ParamFile, FileID: "fil_none", Sequence: 10}), []string{"/params/2/file_id"}},
		"no such type": {append(whole(), spec.Param{Key: "f", Type: "blob", Sequence: 10}), []string{"/params/2/value_type"}},
	} {
		_, err := r.SetParams(t.Context(), "c", tt.rows, 0)
		f := wanted(t, err, fault.ConfigInvalid)
		if got := pointers(f.Fields); !slices.Equal(got, tt.at) {
			t.Errorf("%s: faults at %q, want %q", name, got, tt.at)
		}
		_, err = r.CreateConnector(t.Context(), control.ConnectorInput{Name: "other", Module: v.Module, Params: tt.rows})
		if got := pointers(wanted(t, err, fault.ConfigInvalid).Fields); !slices.Equal(got, tt.at) {
			t.Errorf("%s: on creation faults at %q, want %q", name, got, tt.at)
		}
	}
	if got := r.read("c"); got.Revision != v.Revision || len(got.Params) != 2 {
		t.Errorf("changed all the same: %+v", got.Connector)
	}
	_, err := r.SetParams(t.Context(), "c", whole(), 99)
	wantFault(t, err, fault.StaleRevision)
	rows := []spec.Param{{Key: "client_secret", Secret: &spec.SecretInfo{Set: true}, Type: spec.ParamSecret, Sequence: 5}, text("client_id", "id-2")}
	now, err := r.SetParams(t.Context(), "c", rows, v.Revision)
	if err != nil || now.Revision != v.Revision+1 {
		t.Fatalf("%+v, %v", now, err)
	}
	got, revision, err := r.Params(t.Context(), "c")
	if err != nil || revision != now.Revision || len(got) != 2 || got[0].Key != "client_secret" || got[1].Value != "id-2" {
		t.Errorf("%+v at %d, %v", got, revision, err)
	}
	if got := r.config("c", true); got != `{"client_secret":"geheim-1","client_id":"id-2"}` {
		t.Errorf("in the order of the rows: %s", got)
	}
	list, _, err := r.Audit(t.Context(), control.AuditQuery{Connector: "c", Action: "connector.update"}, control.Page{})
	if err != nil || len(list) == 0 || !strings.Contains(list[0].Detail, "params client_id, client_secret") || strings.Contains(list[0].Detail, "id-2") {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestFlatConfigCountsWithoutRows, and again when they are gone.
func TestFlatConfigCountsWithoutRows(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	r.create(control.ConnectorInput{Name: "c", Module: con, Config: json.RawMessage(`{"a":{"b":1}}`)})
	if got := r.config("c", false); got != `{"a":{"b":1}}` {
		t.Error(got)
	}
	if _, err := r.SetParams(t.Context(), "c", []spec.Param{text("x.y", "2")}, 0); err != nil {
		t.Fatal(err)
	}
	if got := r.config("c", false); got != `{"x":{"y":"2"}}` {
		t.Error(got)
	}
	if _, err := r.SetParams(t.Context(), "c", nil, 0); err != nil {
		t.Fatal(err)
	}
	if got := r.config("c", false); got != `{"a":{"b":1}}` {
		t.Error(got)
	}
	r.create(control.ConnectorInput{Name: "empty", Module: con})
	if got := r.config("empty", false); got != `{}` {
		t.Error(got)
	}
}

// TestImport: an object or a file, put in order by the module, in the place of
// all rows, or of none.
func TestImport(t *testing.T) {
	r := newRig(t)
	drive := r.drive()
	r.create(control.ConnectorInput{Name: "c", Module: drive})
	wrapped := `{"installed":{"client_id":"id-2","client_secret":"geheim-2"}}`
	for name, in := range map[string]control.Import{
		"wrapped": {Object: json.RawMessage(wrapped)},
		"plain":   {Object: json.RawMessage(`{"client_id":"id-2","client_secret":"geheim-2"}`)},
		"file":    {Name: "client_secret.json", MIME: "application/json", Body: []byte(wrapped)},
	} {
		if _, err := r.SetParams(t.Context(), "c", append(whole(), text("refresh_token", "old")), 0); err != nil {
			t.Fatal(err)
		}
		v, err := r.ImportConfig(t.Context(), "c", in, 0)
		if err != nil || len(v.Params) != 2 {
			t.Fatalf("%s: %+v, %v", name, v.Params, err)
		}
		if got := r.config("c", true); got != `{"client_id":"id-2","client_secret":"geheim-2"}` {
			t.Errorf("%s: %s", name, got)
		}
	}
	before := r.read("c")
	for name, tt := range map[string]struct {
		in   control.Import
		kind fault.Kind
		at   string
	}{
		"incomplete":     {control.Import{Object: json.RawMessage(`{"client_id":"x"}`)}, fault.ConfigInvalid, "/config"},
		"empty":          {control.Import{Object: json.RawMessage(`{}`)}, fault.ConfigInvalid, "/config"},
		"not an object":  {control.Import{Object: json.RawMessage(`[1]`)}, fault.Guest, ""},
		"nothing":        {control.Import{}, fault.BodyInvalid, "/json_data"},
		"no file":        {control.Import{Name: "x.json", Body: []byte(`{`)}, fault.ConfigInvalid, ""},
		"stale":          {control.Import{Object: json.RawMessage(wrapped)}, fault.StaleRevision, ""},
		"no such format": {control.Import{Name: "x.bin", Body: []byte{0xff, 0, 1}}, fault.ConfigInvalid, ""},
	} {
		revision := uint64(0)
		if tt.kind == fault.StaleRevision {
			revision = 99
		}
		_, err := r.ImportConfig(t.Context(), "c", tt.in, revision)
		f := wanted(t, err, tt.kind)
		if tt.at != "" && !slices.Equal(pointers(f.Fields), []string{tt.at}) {
			t.Errorf("%s: %+v", name, f.Fields)
		}
	}
	if got := r.read("c"); got.Revision != before.Revision || got.Params[0].Value != "id-2" {
		t.Errorf("changed all the same: %+v", got.Connector)
	}
	if strings.Contains(r.stored(), "geheim") {
		t.Error("a secret is in the store")
	}
	plain := r.tiny(abi.KindConnector, "plain", "")
	r.create(control.ConnectorInput{Name: "p", Module: plain})
	if _, err := r.ImportConfig(t.Context(), "p", control.Import{Object: json.RawMessage(wrapped)}, 0); err != nil {
		t.Fatal(err)
	}
	if got := r.config("p", false); got != wrapped {
		t.Errorf("a module that does not normalise: %s", got)
	}
}

// TestImportThatTheModuleRefuses says what the module says.
func TestImportThatTheModuleRefuses(t *testing.T) {
	r := newRig(t)
	m := abi.Manifest{Category: "telemetry", ProviderType: "picky", Version: "1.0.0"}
	body, data := answering((&abi.Error{Kind: abi.FaultInvalid, Text: "this is no export of mine"}).Append(nil), true)
	r.create(control.ConnectorInput{Name: "c", Module: r.ofType(m, map[string][]byte{abi.EntryNormalizeImport: body}, data)})
	_, err := r.ImportConfig(t.Context(), "c", control.Import{Object: json.RawMessage(`{"a":1}`)}, 0)
	if f := wanted(t, err, fault.Guest); !strings.Contains(f.Text, "this is no export of mine") {
		t.Errorf("%v", err)
	}
	m.Version = "1.0.1"
	in := control.ConnectorInput{Name: "t", Module: r.ofType(m, map[string][]byte{abi.EntryNormalizeImport: w.Unreachable()})}
	r.create(in)
	_, err = r.ImportConfig(t.Context(), "t", control.Import{Object: json.RawMessage(`{"a":1}`)}, 0)
	wantFault(t, err, fault.GuestTrap)
}

// TestPatch is RFC 7396 over what a caller may set.
func TestPatch(t *testing.T) {
	r := newRig(t)
	m := abi.Manifest{Category: "telemetry", ProviderType: "meter", Version: "1.0.0"}
	first := r.ofType(m, nil)
	m.Version = "2.0.0"
	second := r.ofType(m, nil)
	v := r.create(control.ConnectorInput{Name: "c", Module: first, Config: json.RawMessage(`{"a":{"b":1,"c":2},"d":3}`), Poll: spec.Poll{Interval: 1e9}})
	patch := func(p string, revision uint64) control.ConnectorView {
		t.Helper()
		v, err := r.PatchConnector(t.Context(), "c", json.RawMessage(p), revision)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		return v
	}
	if v = patch(`{"config":{"a":{"b":null,"e":[1]},"d":4}}`, v.Revision); string(v.Config) != `{"a":{"c":2,"e":[1]},"d":4}` || v.Poll.Interval != 1e9 {
		t.Errorf("%s, %+v", v.Config, v.Poll)
	}
	if v = patch(`{"poll":null,"is_default":true}`, 0); v.Poll != (spec.Poll{}) || !v.Default {
		t.Errorf("%+v", v.Connector)
	}
	if v = patch(`{"version":"2.0.0"}`, 0); v.Module != second {
		t.Errorf("module %s, want %s", v.Module, second)
	}
	if v = patch(`{"module":"`+first+`"}`, 0); v.Module != first {
		t.Errorf("module %s, want %s", v.Module, first)
	}
	if v = patch(`{"params":[{"key":"x","value":"1","sequence":1}],"config":null}`, 0); len(v.Params) != 1 || len(v.Config) != 0 {
		t.Errorf("%+v", v.Connector)
	}
	if v = patch(`{}`, 0); len(v.Params) != 1 || !v.Default {
		t.Errorf("%+v", v.Connector)
	}
	for p, kind := range map[string]fault.Kind{
		`[]`: fault.BodyInvalid, `null`: fault.BodyInvalid, `{"name":7}`: fault.BodyInvalid, `{"poll":{"interval":true}}`: fault.BodyInvalid,
		`{"name":null}`: fault.ConfigInvalid, `{"config":{"a":1}}`: fault.ConfigInvalid, `{"module":"0000000000"}`: fault.ConfigInvalid,
		`{"version":"9.0.0"}`: fault.TypeUnknown, `{"is_enabled":true}`: fault.NotConnected,
	} {
		_, err := r.PatchConnector(t.Context(), "c", json.RawMessage(p), 0)
		wantFault(t, err, kind)
	}
	_, err := r.PatchConnector(t.Context(), "c", json.RawMessage(`{}`), 1)
	wantFault(t, err, fault.StaleRevision)
	_, err = r.PatchConnector(t.Context(), "nobody", json.RawMessage(`{}`), 0)
	wantFault(t, err, fault.NotFound)
	if got := r.read("c"); got.Revision != v.Revision {
		t.Errorf("changed all the same: %+v", got.Connector)
	}
}

// TestPatchKeepsSecrets that it says nothing of, in both forms.
// TestDeepConfigsAreRefused before anything walks them: each level costs a copy
// of what is below it.
func TestDeepConfigsAreRefused(t *testing.T) {
	r := newRig(t)
	module := r.ofType(abi.Manifest{Category: "telemetry", ProviderType: "meter", Version: "1.0.0"}, nil)
	deep := strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000)
	began := time.Now()
	_, err := r.CreateConnector(t.Context(), control.ConnectorInput{Name: "deep", Module: module, Config: json.RawMessage(deep)})
	if f := fault.Of(err); f.Kind != fault.ConfigInvalid || len(f.Fields) != 1 || f.Fields[0].Pointer != "/config" {
		t.Errorf("%+v", f)
	}
	r.create(control.ConnectorInput{Name: "c", Module: module})
	for _, patch := range []string{deep, `{"x":` + deep + `}`, `{"config":` + deep + `}`} {
		if _, err := r.PatchConnector(t.Context(), "c", json.RawMessage(patch), 0); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.20s: %v", patch, err)
		}
	}
	if _, err := r.ImportConfig(t.Context(), "c", control.Import{Object: json.RawMessage(deep)}, 0); !fault.Is(err, fault.ConfigInvalid) {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestPatchKeepsSecrets(t *testing.T) {
	r := newRig(t)
	drive := r.drive()
	r.create(control.ConnectorInput{Name: "rows", Module: drive, Params: whole()})
	r.create(control.ConnectorInput{Name: "flat", Module: drive, Config: json.RawMessage(`{"client_id":"id-1","client_secret":"geheim-1"}`)})
	for _, p := range []struct{ name, patch string }{
		{"rows", `{"poll":{"interval":"2s"}}`},
		{"flat", `{"config":{"client_id":"id-9"}}`},
		{"flat", `{"config":` + string(r.read("flat").Config) + `}`}, // as it was read, masked
	} {
		if _, err := r.PatchConnector(t.Context(), p.name, json.RawMessage(p.patch), 0); err != nil {
			t.Fatal(err)
		}
		if got := r.config(p.name, true); !strings.Contains(got, `"client_secret":"geheim-1"`) {
			t.Errorf("%s after %s: %s", p.name, p.patch, got)
		}
	}
}

// TestHammerPatch: patches without a revision that meet are all made.
func TestHammerPatch(t *testing.T) {
	r := newRig(t)
	r.create(control.ConnectorInput{Name: "c", Module: r.tiny(abi.KindConnector, "con", ""), Config: json.RawMessage(`{"n":0}`)})
	var wg sync.WaitGroup
	var done sync.Map
	for i := range 3 {
		wg.Go(func() {
			key := string(rune('a' + i))
			_, err := r.PatchConnector(t.Context(), "c", json.RawMessage(`{"config":{"`+key+`":1}}`), 0)
			if err != nil && !fault.Is(err, fault.StaleRevision) {
				t.Error(err)
			}
			done.Store(key, err)
		})
	}
	wg.Wait()
	got := r.config("c", false)
	done.Range(func(key, err any) bool {
		if strings.Contains(got, `"`+key.(string)+`"`) != (err == nil) {
			t.Errorf("%s: %v, and the config is %s", key, err, got)
		}
		return true
	})
}

// TestTestMasksSecrets that a module lets slip, and cuts between characters.
func TestTestMasksSecrets(t *testing.T) {
	r := newRig(t)
	answer := abi.TestResult{
		Message: "sent geheim-1 " + strings.Repeat("機", 300),
		Details: []abi.Header{{Name: "request", Value: []byte("secret=geheim-1")}},
	}
	body, data := answering(answer.Append(nil), false)
	m := abi.Manifest{Category: "telemetry", ProviderType: "leaky", Version: "1.0.0", ConfigSchema: json.RawMessage(driveForm)}
	r.create(control.ConnectorInput{Name: "c", Module: r.ofType(m, map[string][]byte{abi.EntryTest: body}, data), Params: whole()})
	result, err := r.TestConnector(t.Context(), "c")
	if err != nil || result.Success {
		t.Fatalf("%+v, %v", result, err)
	}
	raw, err := json.Marshal(result)
	if err != nil || bytes.Contains(raw, []byte("geheim")) || strings.Contains(r.stored(), "geheim") {
		t.Errorf("%s, %v", raw, err)
	}
	if len(result.Message) > 512 || !utf8.ValidString(result.Message) || !strings.Contains(result.Message, "機") {
		t.Errorf("%d bytes: %q", len(result.Message), result.Message)
	}
}

// TestTestIsToldWhichConnectorItIs, which it may say in its answer, or ignore as
// the modules of the other tests do.
func TestTestIsToldWhichConnectorItIs(t *testing.T) {
	r := newRig(t)
	const name = "which-am-i"
	const field = 2 + int32(len(name)) // tag, length, text
	asMessage := w.Join(w.Get(0), w.Get(0), w.Load32(0), w.I32(^0xff), w.Op(0x71), w.I32(0x12), w.Op(0x72), w.Store32(0))
	echoes := w.Join(asMessage, w.Packed(w.Get(0), w.I32(field))) // the first field of what comes in is the second of what goes out
	m := abi.Manifest{Category: "telemetry", ProviderType: "who", Version: "1.0.0"}
	r.create(control.ConnectorInput{Name: name, Module: r.ofType(m, map[string][]byte{abi.EntryTest: echoes})})
	result, err := r.TestConnector(t.Context(), name)
	if err != nil || result.Message != name {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestDeletionTakesEverything that was the connector's.
func TestDeletionTakesEverything(t *testing.T) {
	r := newRig(t)
	v := r.create(control.ConnectorInput{Name: "c", Module: r.drive(), Params: whole(), Default: new(true)})
	if err := r.DeleteConnector(t.Context(), "c", 0); err != nil {
		t.Fatal(err)
	}
	space, err := r.store.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	err = space.View(t.Context(), func(rd store.Reader) error {
		for _, b := range []store.Bucket{store.Connectors, store.ConnectorNames, store.Secrets, store.Defaults} {
			for e, err := range store.All(rd, b, "") {
				if err != nil {
					return err
				}
				t.Errorf("%s has %s of %s", b, e.ID, v.ID)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	_, err = r.Config(t.Context(), "c", false)
	if !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}
