package control_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

func plant() capability.Registry {
	return capability.NewRegistry(
		words{"serial", []capability.Function{
			{Name: "open", Right: spec.Read, Sentence: "open ports"},
			{Name: "write", Right: spec.Write, Sentence: "write to ports"},
			{Name: "flush", Right: spec.Write, Sentence: "flush ports"},
		}},
		words{"file", []capability.Function{{Name: "open", Right: spec.Read, Sentence: "open files"}}},
		contained{words{"log", []capability.Function{{Name: "line", Sentence: "log"}}}},
	)
}

func imports(functions ...string) (list []spec.Import) {
	for _, f := range functions {
		group, name, _ := strings.Cut(f, ".")
		list = append(list, spec.Import{Module: "snaprail:" + group, Function: name})
	}
	return list
}

// TestCompareTellsWhatNeedsConsent: more rights do, wherever they show; a new
// function of a right that the old one has, and what reaches nothing outside,
// do not.
func TestCompareTellsWhatNeedsConsent(t *testing.T) {
	serial := func(optional bool, rights ...string) []abi.Capability {
		return []abi.Capability{{Group: "serial", Optional: optional, Reason: "Talks.", Rights: rights}}
	}
	for name, c := range map[string]struct {
		old, now spec.Module
		more     string // what the only sentence says; "": no consent is needed
	}{
		"the same":               {module(serial(false, "read")), module(serial(false, "read")), ""},
		"a group":                {module(nil), module(serial(false, "read")), "asks for the group serial, which the old one does not use, to read; it does not start without"},
		"an optional group":      {module(nil), module(serial(true)), "it works without"},
		"a right":                {module(serial(true, "read")), module(serial(true, "read", "write")), "It asks to write (serial), which the old one does not."},
		"a function that writes": {module(serial(true, "read"), imports("serial.open")...), module(serial(true, "read"), imports("serial.open", "serial.write")...), "It asks to write (serial: write to ports)"},
		"required":               {module(serial(true, "read")), module(serial(false, "read")), "It cannot do without the group serial"},
		"an extism function": {module(serial(true, "read")), module(serial(true, "read"),
			spec.Import{Module: "extism:host/user", Function: "serial_write"}), "It asks to write"},
		"another function of a right": {module(serial(true, "read"), imports("serial.write")...), module(serial(true, "read"), imports("serial.write", "serial.flush")...), ""},
		"optional now":                {module(serial(false, "read")), module(serial(true, "read")), ""},
		"fewer rights":                {module(serial(false, "read", "write")), module(serial(false, "read")), ""},
		"no group":                    {module(serial(false, "read", "write")), module(nil), ""},
		"a group of its own":          {module(nil), module([]abi.Capability{{Group: "log", Reason: "Says."}}), ""},
	} {
		d := control.Compare(c.old, c.now, plant())
		if c.more == "" && len(d.More) > 0 || c.more != "" && (len(d.More) != 1 || !strings.Contains(d.More[0], c.more)) {
			t.Errorf("%s: %q, want %q", name, d.More, c.more)
		}
	}
}

// A manifest that a server keeps has lost its white space, and nothing else.
func TestCompareReadsSchemasNotTheirSpaces(t *testing.T) {
	old, now := module(nil), module(nil)
	old.Manifest.ConfigSchema = json.RawMessage("{\n  \"type\": \"object\",\n  \"required\": []\n}")
	now.Manifest.ConfigSchema = json.RawMessage(`{"type":"object","required":[]}`)
	if d := control.Compare(old, now, plant()); len(d.Other) != 0 {
		t.Errorf("%q", d.Other)
	}
}

func TestCompareTellsTheRest(t *testing.T) {
	old := module([]abi.Capability{{Group: "serial", Reason: "Reads.", Rights: []string{"read", "write"}}, {Group: "file", Reason: "x"}}, imports("serial.write")...)
	now := module([]abi.Capability{{Group: "serial", Optional: true, Reason: "Talks.", Rights: []string{"read", "write"}}, {Group: "log", Reason: "Says."}}, imports("serial.write", "serial.flush")...)
	old.Manifest.Version, now.Manifest.Version = "1.0.0", "2.0.0"
	now.Manifest.ConfigSchema = json.RawMessage(`{}`)
	d := control.Compare(old, now, plant())
	for list, want := range map[*[]string][]string{
		&d.Fewer: {"It can do without the group serial.", "It no longer uses the group file."},
		&d.Other: {
			"It asks for the group log, which the old one does not use; it needs no grant. Its reason: \"Says.\"",
			"It can now flush ports (snaprail:serial flush).",
			"The reason that it gives for serial was \"Reads.\" and is \"Talks.\".",
			"Its version was 1.0.0 and is 2.0.0.", "The schema of its config is another one.",
		},
		&d.More: nil,
	} {
		for _, sentence := range want {
			if !slices.Contains(*list, sentence) {
				t.Errorf("%q lacks %q", *list, sentence)
			}
		}
		if len(*list) != len(want) {
			t.Errorf("%q, want %q", *list, want)
		}
	}
}

// asking uploads a hand-made module with these capabilities. The version makes
// it another module; beside puts the manifest beside it instead of into it, so
// that its digest does not know what it asks for.
func (r *rig) asking(kind abi.ModuleKind, version string, beside bool, capabilities ...abi.Capability) string {
	r.t.Helper()
	m := abi.Manifest{
		Category: "telemetry", ProviderType: "asking_" + string(kind), DisplayName: "Asking", Version: version,
		ABI: abi.Version{Major: abi.Major, Minor: abi.Minor}, Kind: kind, Capabilities: capabilities,
	}
	if kind == abi.KindConnector {
		m.Mode = abi.ModeEvent
	}
	raw, err := json.Marshal(m)
	if err != nil {
		r.t.Fatal(err)
	}
	entry := func(name string) w.Function {
		return w.Function{Export: name, Params: "ii", Results: "I", Body: w.I64(0)}
	}
	bin := w.Module{Pages: 2, Functions: []w.Function{
		{Export: abi.ExportAlloc, Params: "i", Results: "i", Body: w.I32(0x10000)},
		entry(abi.EntryOpen), entry(abi.EntryOnEvents), entry(abi.EntryConvert),
	}}
	if !beside {
		bin.Custom = []w.Custom{{Name: abi.ManifestSection, Body: raw}}
		raw = nil
	}
	added, _, err := r.AddModule(r.t.Context(), bytes.NewReader(bin.Bytes()), raw, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return added.Digest
}

func needs(group string) abi.Capability {
	return abi.Capability{Group: group, Reason: "Needs it.", Rights: []string{"read"}}
}

func TestAModuleThatAsksForMoreNeedsConsent(t *testing.T) {
	r := newRig(t)
	r.Tenant = r.By(identity.Identity{Tenant: "plant", Kind: identity.KindToken, ID: "t1", Name: "laptop", Role: identity.Admin})
	plain := r.asking(abi.KindConnector, "1.0.0", false)
	wider := r.asking(abi.KindConnector, "2.0.0", false, needs("serial"))
	widest := r.asking(abi.KindConnector, "3.0.0", false, needs("serial"), abi.Capability{Group: "kv", Reason: "Counts."})
	in := control.ConnectorInput{Name: "c", Module: plain}
	v := r.create(in)
	if len(v.Consents) != 1 || v.Consents[0].Module != plain || v.Consents[0].By != "laptop (token t1)" {
		t.Errorf("consents %+v", v.Consents)
	}
	change := func(module string, consent ...string) error {
		in := in
		in.Module, in.Consent = module, consent
		_, err := r.UpdateConnector(t.Context(), v.ID, in, 0)
		return err
	}
	for _, consent := range [][]string{nil, {plain}, {wider[:7]}, {widest}, {""}} {
		f := wanted(t, change(wider, consent...), fault.ConsentRequired)
		if len(f.Fields) != 1 || f.Fields[0].Pointer != "/module" || !strings.Contains(f.Fields[0].Detail, "serial") || !strings.Contains(f.Hint, wider) {
			t.Errorf("%q: %+v", consent, f)
		}
	}
	if got := r.read("c"); got.Module != plain || got.Revision != 1 {
		t.Fatalf("changed all the same: %+v", got.Connector)
	}
	for i, step := range []struct {
		module  string
		consent []string
	}{
		{wider, []string{"x", wider[:8]}},
		{widest, nil}, // what is beyond wider reaches nothing outside
		{plain, nil},  // back
		{wider, nil},  // and forth
	} {
		if err := change(step.module, step.consent...); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	events, _, err := r.Audit(t.Context(), control.AuditQuery{Action: "consent"}, control.Page{})
	if err != nil || len(events) != 1 || events[0].Module != wider || events[0].Who.ID != "t1" {
		t.Errorf("%+v, %v", events, err)
	}
}

// TestConsentIsForWhatAModuleAskedForThen: a manifest beside a module is not in
// its digest, so the digest alone is nobody's word.
func TestConsentIsForWhatAModuleAskedForThen(t *testing.T) {
	r := newRig(t)
	modest := r.asking(abi.KindConnector, "1.0.0", true)
	other := r.asking(abi.KindConnector, "1.5.0", false)
	in := control.ConnectorInput{Name: "c", Module: modest}
	v := r.create(in)
	in.Module = other
	if _, err := r.UpdateConnector(t.Context(), v.ID, in, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteModule(t.Context(), modest); err != nil {
		t.Fatal(err)
	}
	if greedy := r.asking(abi.KindConnector, "1.0.0", true, needs("serial")); greedy != modest {
		t.Fatal("the test needs two manifests of one digest")
	}
	in.Module = modest
	_, err := r.UpdateConnector(t.Context(), v.ID, in, 0)
	wantFault(t, err, fault.ConsentRequired)
}

// TestAConvertersModuleNeedsConsentToo, with a pointer of its own.
func TestAConvertersModuleNeedsConsentToo(t *testing.T) {
	r := newRig(t)
	con := r.asking(abi.KindConnector, "1.0.0", false)
	plain := r.asking(abi.KindConverter, "1.0.0", false)
	wider := r.asking(abi.KindConverter, "2.0.0", false, needs("serial"))
	in := control.ConnectorInput{Name: "c", Module: con, Converter: &spec.Converter{Module: plain}}
	v := r.create(in)
	in.Converter = &spec.Converter{Module: wider}
	_, err := r.UpdateConnector(t.Context(), v.ID, in, 0)
	if f := wanted(t, err, fault.ConsentRequired); len(f.Fields) != 1 || f.Fields[0].Pointer != "/converter/module" || !strings.Contains(f.Hint, wider) {
		t.Errorf("%+v", f)
	}
	in.Consent = []string{wider}
	if _, err := r.UpdateConnector(t.Context(), v.ID, in, 0); err != nil {
		t.Error(err)
	}
}

// TestGrantsKeepWhoAndWhen: a client can forge neither, and a grant that stays
// keeps both.
func TestGrantsKeepWhoAndWhen(t *testing.T) {
	r := newRig(t)
	as := func(id string) *control.Tenant {
		return r.By(identity.Identity{Tenant: "plant", Kind: identity.KindToken, ID: id, Name: "n", Role: identity.Admin})
	}
	in := control.ConnectorInput{Name: "c", Module: r.asking(abi.KindConnector, "1.0.0", false, needs("serial"))}
	a := spec.Grant{Group: "serial", Resources: []string{"/dev/a"}, Reason: "one", GrantedBy: "root"}
	b := spec.Grant{Group: "serial", Resources: []string{"/dev/b"}, Rights: []spec.Right{spec.Read, spec.Write}}
	in.Grants = []spec.Grant{a}
	first, err := as("t1").CreateConnector(t.Context(), in)
	if err != nil || first.Grants[0].GrantedBy != "n (token t1)" || first.Grants[0].GrantedAt.IsZero() {
		t.Fatalf("%+v, %v", first.Grants, err)
	}
	a.Reason, a.Rights = "two", []spec.Right{spec.Read} // the same grant, said in full
	in.Grants = []spec.Grant{b, a, a}
	second, err := as("t2").UpdateConnector(t.Context(), first.ID, in, 0)
	if err != nil {
		t.Fatal(err)
	}
	g := second.Grants
	if g[0].GrantedBy != "n (token t2)" || g[1].GrantedBy != "n (token t1)" || g[2].GrantedBy != "n (token t2)" ||
		!g[1].GrantedAt.Equal(first.Grants[0].GrantedAt) || g[1].Reason != "two" || !g[0].GrantedAt.After(g[1].GrantedAt) {
		t.Errorf("%+v", g)
	}
	b.Rights = []spec.Right{spec.Write, spec.Read}
	in.Grants = []spec.Grant{b}
	third, err := as("t3").UpdateConnector(t.Context(), first.ID, in, 0)
	if err != nil || third.Grants[0].GrantedBy != "n (token t2)" {
		t.Errorf("%+v, %v", third.Grants, err)
	}
	events, _, err := r.Audit(t.Context(), control.AuditQuery{Action: "grants.change", Connector: "c"}, control.Page{})
	if err != nil || len(events) != 3 || events[1].Detail != "+serial /dev/b (read, write); +serial /dev/a (read)" || events[0].Detail != "-serial /dev/a (read); -serial /dev/a (read)" {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestLimitsThatChangeAreNoted(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{Name: "c", Module: r.asking(abi.KindConnector, "1.0.0", false)}
	v := r.create(in)
	for _, bytes := range []uint64{8 << 20, 8 << 20, 0} { // the second is no change
		in.Limits.MemoryBytes = bytes
		if _, err := r.UpdateConnector(t.Context(), v.ID, in, 0); err != nil {
			t.Fatal(err)
		}
	}
	events, _, err := r.Audit(t.Context(), control.AuditQuery{Action: "limits.change"}, control.Page{})
	if err != nil || len(events) != 2 || events[1].Detail != "memory_bytes default to 8388608" || events[0].Detail != "memory_bytes 8388608 to default" {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestWarningsTellGrantsOfNoUse(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{Name: "c", Module: r.asking(abi.KindConnector, "1.0.0", false, needs("serial"), abi.Capability{Group: "kv", Reason: "Counts."})}
	if v := r.create(in); len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], "cannot start without a grant for serial") {
		t.Errorf("%q", v.Warnings)
	}
	in.Name = "d"
	in.Grants = []spec.Grant{
		{Group: "serial", Resources: []string{"/dev/a"}, Rights: []spec.Right{spec.Write}},
		{Group: "serial"},
		{Group: "clock"},
		{Group: "kv"},
		{Group: "serial", Resources: []string{"/dev/b"}},
	}
	v := r.create(in)
	want := []string{"/grants/0: the module does not say that it writes", "/grants/1: the grant names no resource", `/grants/2: the module does not name the group "clock"`, `/grants/3: the group "kv" needs no grant`}
	if len(v.Warnings) != len(want) {
		t.Fatalf("%q", v.Warnings)
	}
	for i := range want {
		if !strings.HasPrefix(v.Warnings[i], want[i]) {
			t.Errorf("%q, want %q", v.Warnings[i], want[i])
		}
	}
	if got := r.read("d"); len(got.Warnings) != len(want) {
		t.Errorf("%q", got.Warnings)
	}
}

// TestTheServersTrailIsForItsOperator, and no tenant reads another's.
func TestTheServersTrailIsForItsOperator(t *testing.T) {
	r := newRig(t)
	_, _, err := r.Audit(t.Context(), control.AuditQuery{Server: true}, control.Page{})
	wantFault(t, err, fault.RoleRequired)
	r.create(control.ConnectorInput{Name: "c", Module: r.asking(abi.KindConnector, "1.0.0", false)})
	if list, _, err := r.tenant("other").Audit(t.Context(), control.AuditQuery{}, control.Page{}); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	list, next, err := r.Audit(t.Context(), control.AuditQuery{}, control.Page{Limit: 1})
	if err != nil || len(list) != 1 || list[0].Action != identity.ConnectorCreate || next == "" {
		t.Fatalf("%+v %q, %v", list, next, err)
	}
	list, next, err = r.Audit(t.Context(), control.AuditQuery{}, control.Page{Limit: 9, After: next})
	if err != nil || len(list) != 1 || list[0].Action != identity.ModuleUpload || next != "" {
		t.Errorf("%+v %q, %v", list, next, err)
	}
	_, _, err = r.Audit(t.Context(), control.AuditQuery{}, control.Page{After: "x"})
	wantFault(t, err, fault.Invalid)
}
