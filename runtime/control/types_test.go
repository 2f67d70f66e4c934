package control_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
)

// guest uploads a guest of the tests that `make wasm` has built.
func (r *rig) guest(name string) spec.Module {
	r.t.Helper()
	src, err := os.ReadFile(filepath.Join("../../testdata/guests/dist", name+".wasm"))
	if err != nil {
		r.t.Skipf("%s.wasm is not built", name)
	}
	m, _, err := r.AddModule(r.t.Context(), bytes.NewReader(src), nil, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// provider is an active connector of a guest, the default of its category.
func (r *rig) provider(name, guest string) control.ConnectorView {
	r.t.Helper()
	yes := true
	v := r.create(control.ConnectorInput{Name: name, Module: r.guest(guest).Digest, Default: &yes})
	v, err := r.Activate(r.t.Context(), v.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *rig) called(category, operation, args string) control.CallResult {
	r.t.Helper()
	out, err := r.CallCategory(r.t.Context(), category, operation, json.RawMessage(args), 0)
	if err != nil {
		r.t.Fatalf("%s %s: %v", category, operation, err)
	}
	return out
}

// TestTypesOfATenant: an upload is a type at once, beside what is built in, and
// of its tenant alone.
func TestTypesOfATenant(t *testing.T) {
	r := newRig(t)
	list, err := r.Types(t.Context(), "storage")
	if err != nil || len(list) != 1 || !list[0].BuiltIn || list[0].ProviderType != "local_files" {
		t.Fatalf("%+v, %v", list, err)
	}
	m := r.guest("kvstore")
	list, err = r.Types(t.Context(), "storage")
	if err != nil || len(list) != 2 || list[0].ProviderType != "kvstore" || list[0].Module != m.Digest || list[0].DisplayName != "Key-value store" {
		t.Fatalf("%+v, %v", list, err)
	}
	d, err := r.Type(t.Context(), "storage", "kvstore")
	if err != nil || d.Manifest.Version != "1.0.0" || len(d.Can) == 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err = r.Type(t.Context(), "storage", "local_files"); err != nil || !d.BuiltIn {
		t.Errorf("what is built in: %+v, %v", d, err)
	}
	for _, c := range [][2]string{{"storage", "other"}, {"nothing", "kvstore"}, {"", ""}} {
		if _, err := r.Type(t.Context(), c[0], c[1]); !fault.Is(err, fault.TypeUnknown) {
			t.Errorf("%q: %v", c, err)
		}
	}
	if list, err = r.Types(t.Context(), "no such category"); err != nil || list == nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	v := r.create(control.ConnectorInput{Name: "by type", Category: "storage", ProviderType: "kvstore"})
	if v.Module != m.Digest {
		t.Errorf("a connector made by its type runs %s", v.Module)
	}
	if err := r.DeleteModule(t.Context(), m.Digest); !fault.Is(err, fault.ModuleInUse) {
		t.Errorf("a module that is in use: %v", err)
	}
	if err := r.DeleteConnector(t.Context(), v.ID, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteModule(t.Context(), m.Digest); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Type(t.Context(), "storage", "kvstore"); !fault.Is(err, fault.TypeUnknown) {
		t.Errorf("after its module has gone: %v", err)
	}
}

// TestCallsGoToTheDefault: to what is built in until a connector is the
// default, then to that, and to no other while it does not run.
func TestCallsGoToTheDefault(t *testing.T) {
	r := newRig(t)
	if got := r.called("storage", "put", `{"path":"a/b.txt","data":"aGk="}`); got.ProviderType != "local_files" || got.Connector != "" {
		t.Errorf("%+v", got)
	}
	v := r.provider("shelf", "kvstore")
	if got := r.called("storage", "put", `{"path":"mine","data":"aGVsbG8="}`); got.Connector != v.ID || got.ProviderType != "kvstore" || got.Name != "shelf" || got.Latency <= 0 {
		t.Errorf("%+v", got)
	}
	if got := r.called("storage", "list", ``); string(got.Result) != `{"items":[{"path":"mine","size":5}]}` {
		t.Errorf("%s", got.Result)
	}
	mail := r.provider("mail", "cmail")
	if got := r.called("email", "send_message", `{"to":"x","subject":"y","body":"z"}`); string(got.Result) != `{"sent":1}` || got.Connector != mail.ID {
		t.Errorf("a provider in C: %+v %s", got, got.Result)
	}
	direct, err := r.CallConnector(t.Context(), "shelf", "stat", json.RawMessage(`{"path":"mine"}`), time.Second)
	if err != nil || string(direct.Result) != `{"path":"mine","size":5}` {
		t.Errorf("%s, %v", direct.Result, err)
	}
	if _, err := r.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	_, err = r.CallCategory(t.Context(), "storage", "list", nil, 0)
	wantFault(t, err, fault.WrongState)
	if err := r.DeleteConnector(t.Context(), v.ID, 0); err != nil {
		t.Fatal(err)
	}
	if got := r.called("storage", "stat", `{"path":"a/b.txt"}`); got.ProviderType != "local_files" || !strings.Contains(string(got.Result), `"size":2`) {
		t.Errorf("%+v %s", got, got.Result)
	}
}

// TestCallsThatAreRefused before anything is asked of a guest, and those that
// the provider refuses.
func TestCallsThatAreRefused(t *testing.T) {
	r := newRig(t)
	r.provider("shelf", "kvstore")
	for name, c := range map[string]struct {
		category, operation, args string
		kind                      fault.Kind
		says                      string
	}{
		"no category":           {"nothing", "put", `{}`, fault.NotFound, "storage"},
		"no operation":          {"storage", "fly", `{}`, fault.Unsupported, "put, get, list, delete, stat"},
		"a path as one":         {"storage", "../put", `{}`, fault.Unsupported, ""},
		"nobody offers it":      {"telemetry", "read", `{}`, fault.Unsupported, ""},
		"an argument missing":   {"storage", "put", `{"path":"x"}`, fault.Invalid, "/data"},
		"an argument too many":  {"storage", "get", `{"path":"x","mode":"fast"}`, fault.Invalid, "/mode"},
		"an argument twice":     {"storage", "get", `{"path":"x","path":"y"}`, fault.Invalid, "twice"},
		"no object":             {"storage", "get", `["x"]`, fault.Invalid, "object"},
		"two objects":           {"storage", "get", `{"path":"x"} {}`, fault.Invalid, "object"},
		"no JSON":               {"storage", "get", `{"path":`, fault.Invalid, "object"},
		"the provider's word":   {"storage", "get", `{"path":"nowhere"}`, fault.NotFound, "nowhere"},
		"arguments it rejects":  {"storage", "get", `{"path":7}`, fault.Invalid, ""},
		"the provider's fault":  {"storage", "put", `{"path":"error","data":""}`, fault.Guest, "told to fail"},
		"an answer not in JSON": {"storage", "put", `{"path":"garbage","data":""}`, fault.Guest, "JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.CallCategory(t.Context(), c.category, c.operation, json.RawMessage(c.args), 0)
			f := wanted(t, err, c.kind)
			if !strings.Contains(f.Text+f.Advice(), c.says) {
				t.Errorf("%q, %q do not say %q", f.Text, f.Advice(), c.says)
			}
		})
	}
	_, err := r.CallCategory(t.Context(), "storage", "list", nil, time.Hour)
	wantFault(t, err, fault.Invalid)
	_, err = r.CallCategory(t.Context(), "storage", "put", json.RawMessage(`{"path":"panic","data":""}`), 0)
	if f := wanted(t, err, fault.GuestTrap); !strings.Contains(f.Text, "told to panic") {
		t.Errorf("%q", f.Text)
	}
}

// TestCategoriesAreData: one is added, used, changed and removed without a
// rebuild, and what is built in stays as it is.
func TestCategoriesAreData(t *testing.T) {
	r := newRig(t)
	c, err := r.AddCategory(t.Context(), spec.Category{
		Name: "printing", Operations: []spec.Operation{{Name: "print", Parameters: []string{"document"}}}, BuiltIn: true, Revision: 9,
	})
	if err != nil || c.DisplayName != "printing" || c.BuiltIn || c.Revision != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	all, _, err := r.Categories(t.Context(), control.Page{})
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
	}
	if want := []string{"converter", "device_manager", "email", "messaging", "platform", "printing", "storage", "telemetry"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%q, %v", names, err)
	}
	page, next, err := r.Categories(t.Context(), control.Page{Limit: 6})
	if err != nil || len(page) != 6 || next != "printing" {
		t.Errorf("a page of %d, next %q, %v", len(page), next, err)
	}
	if page, next, err = r.Categories(t.Context(), control.Page{Limit: 6, After: next}); err != nil || len(page) != 2 || next != "" {
		t.Errorf("a last page of %d, next %q, %v", len(page), next, err)
	}
	_, err = r.CallCategory(t.Context(), "printing", "print", json.RawMessage(`{"document":"x"}`), 0)
	if f := wanted(t, err, fault.TypeUnknown); !strings.Contains(f.Advice(), "is_default") {
		t.Errorf("the hint is %q", f.Advice())
	}
	_, err = r.AddCategory(t.Context(), spec.Category{Name: "printing"})
	wantFault(t, err, fault.Exists)
	_, err = r.AddCategory(t.Context(), spec.Category{Name: "email"})
	wantFault(t, err, fault.Exists)
	_, err = r.UpdateCategory(t.Context(), "email", spec.Category{}, 0)
	wantFault(t, err, fault.WrongState)
	wantFault(t, r.RemoveCategory(t.Context(), "email", 0), fault.WrongState)
	_, err = r.UpdateCategory(t.Context(), "printing", spec.Category{Name: "painting"}, 0)
	wantFault(t, err, fault.Invalid)
	_, err = r.UpdateCategory(t.Context(), "printing", spec.Category{DisplayName: "Printers"}, 7)
	wantFault(t, err, fault.StaleRevision)
	if c, err = r.UpdateCategory(t.Context(), "printing", spec.Category{DisplayName: "Printers"}, 1); err != nil || c.Revision != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	wantFault(t, r.RemoveCategory(t.Context(), "printing", 1), fault.StaleRevision)
	if err := r.RemoveCategory(t.Context(), "printing", 2); err != nil {
		t.Fatal(err)
	}
	_, err = r.Category(t.Context(), "printing")
	wantFault(t, err, fault.NotFound)
	r.happened(identity.CategoryCreate, identity.CategoryUpdate, identity.CategoryDelete)
}

// happened sees that each action is in the trail.
func (r *rig) happened(actions ...identity.Action) {
	r.t.Helper()
	list, _, err := r.Audit(r.t.Context(), control.AuditQuery{}, control.Page{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, a := range actions {
		if !slices.ContainsFunc(list, func(e identity.Event) bool { return e.Action == a && e.Outcome == identity.Done }) {
			r.t.Errorf("%s is not in the trail", a)
		}
	}
}

// TestACategoryInUse is kept, and asks for nothing that its modules do not
// offer.
func TestACategoryInUse(t *testing.T) {
	r := newRig(t)
	if _, err := r.AddCategory(t.Context(), spec.Category{Name: "keeping"}); err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile("../../testdata/guests/dist/kvstore.wasm")
	if err != nil {
		t.Skip("kvstore.wasm is not built")
	}
	raw, err := os.ReadFile("../../testdata/guests/kvstore/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	manifest := bytes.Replace(raw, []byte(`"category": "storage"`), []byte(`"category": "keeping"`), 1)
	m, _, err := r.AddModule(t.Context(), bytes.NewReader(src), manifest, "")
	if err != nil {
		t.Fatal(err)
	}
	f := wanted(t, r.RemoveCategory(t.Context(), "keeping", 0), fault.ModuleInUse)
	if !strings.Contains(f.Text, m.Digest[:12]) {
		t.Errorf("%q does not name the module", f.Text)
	}
	if _, err := r.UpdateCategory(t.Context(), "keeping", spec.Category{Operations: []spec.Operation{{Name: "put"}}}, 0); err != nil {
		t.Errorf("an operation that is offered: %v", err)
	}
	_, err = r.UpdateCategory(t.Context(), "keeping", spec.Category{Operations: []spec.Operation{{Name: "put"}, {Name: "burn"}}}, 0)
	if f := wanted(t, err, fault.OperationMissing); !strings.Contains(f.Text, "op_burn") || strings.Contains(f.Text, "op_put") {
		t.Errorf("%q", f.Text)
	}
	if err := r.DeleteModule(t.Context(), m.Digest); err != nil {
		t.Fatal(err)
	}
	if err := r.RemoveCategory(t.Context(), "keeping", 0); err != nil {
		t.Fatal(err)
	}
}

// TestCategoriesThatAreNone: all that is wrong is said at once, by pointer.
func TestCategoriesThatAreNone(t *testing.T) {
	r := newRig(t)
	many := make([]spec.Operation, 51)
	for name, c := range map[string]struct {
		c    spec.Category
		says []string
	}{
		"no name":        {spec.Category{}, []string{"/name"}},
		"a path":         {spec.Category{Name: "a/b"}, []string{"/name"}},
		"a long one":     {spec.Category{Name: strings.Repeat("x", 65)}, []string{"/name"}},
		"control":        {spec.Category{Name: "a", DisplayName: "b\x1b", Description: "c\n"}, []string{"/display_name", "/description"}},
		"too many":       {spec.Category{Name: "a", Operations: many}, []string{"/operations"}},
		"bad operations": {spec.Category{Name: "a", Operations: []spec.Operation{{Name: "B"}, {Name: "c"}, {Name: "c"}}}, []string{"/operations/0/name", "/operations/2/name"}},
		"bad arguments":  {spec.Category{Name: "a", Operations: []spec.Operation{{Name: "b", Parameters: []string{"x", "x"}, Optional: []string{"x", "Y"}}}}, []string{"/operations/0/parameters/1", "/operations/0/optional/0", "/operations/0/optional/1"}},
	} {
		_, err := r.AddCategory(t.Context(), c.c)
		f := wanted(t, err, fault.Invalid)
		var at []string
		for _, field := range f.Fields {
			at = append(at, field.Pointer)
		}
		if !slices.Equal(at, c.says) {
			t.Errorf("%s: %q, want %q", name, at, c.says)
		}
	}
}

// TestAnOperationTellsNoSecret: what a provider answers, and how it fails, goes
// to its caller without the secrets of its own configuration.
func TestAnOperationTellsNoSecret(t *testing.T) {
	r := newRig(t)
	const password = "correct-horse-battery"
	v := r.create(control.ConnectorInput{
		Name: "shelf", Module: r.guest("kvstore").Digest,
		Params: []spec.Param{{Key: "password", Value: password, Type: spec.ParamSecret, Sequence: 10}},
	})
	if _, err := r.Activate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	ask := func(operation string) string {
		out, err := r.CallConnector(t.Context(), v.ID, operation, json.RawMessage(`{"path":"`+password+`"}`), 0)
		if err != nil {
			return err.Error()
		}
		return string(out.Result)
	}
	if text := ask("get"); strings.Contains(text, password) || !strings.Contains(text, "nothing stands at") {
		t.Errorf("an error tells %q", text)
	}
	if _, err := r.CallConnector(t.Context(), v.ID, "put", json.RawMessage(`{"path":"`+password+`","data":""}`), 0); err != nil {
		t.Fatal(err)
	}
	if text := ask("stat"); strings.Contains(text, password) || !strings.Contains(text, `"size":0`) {
		t.Errorf("an answer tells %q", text)
	}
}
