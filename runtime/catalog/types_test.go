package catalog_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// tinyOf is tiny with a manifest inside, so that each version is a module.
func tinyOf(t *testing.T, changes ...func(*abi.Manifest)) []byte {
	t.Helper()
	return tiny(func(m *w.Module) {
		m.Custom = append(m.Custom, w.Custom{Name: abi.ManifestSection, Body: manifest(t, changes...)})
	})
}

func version(v string) func(*abi.Manifest) { return func(m *abi.Manifest) { m.Version = v } }

// TestVersionsSideBySide: an upload is a version of its type at once, a type
// means its newest release, and a version goes with its module.
func TestVersionsSideBySide(t *testing.T) {
	r := newRig(t)
	shelf := r.shelf("plant")
	digests := map[string]string{}
	for _, v := range []string{"1.9.0", "1.10.0", "2.0.0-rc.1", "1.10.0-rc.2"} {
		m, created := r.add("plant", tinyOf(t, version(v)), nil)
		if !created {
			t.Fatalf("%s was there", v)
		}
		digests[v] = m.Digest
	}
	for asked, want := range map[string]string{"": "1.10.0", "1.9.0": "1.9.0", "2.0.0-rc.1": "2.0.0-rc.1"} {
		m, err := shelf.Resolve(t.Context(), "telemetry", "tiny", asked)
		if err != nil || m.Digest != digests[want] {
			t.Errorf("version %q is %s (%v), want %s", asked, m.Manifest.Version, err, want)
		}
	}
	types, err := shelf.Types(t.Context(), "")
	if err != nil || len(types) != 1 {
		t.Fatalf("%+v, %v", types, err)
	}
	var order []string
	for _, v := range types[0].Versions {
		order = append(order, v.Version)
	}
	if want := []string{"2.0.0-rc.1", "1.10.0", "1.10.0-rc.2", "1.9.0"}; !slices.Equal(order, want) {
		t.Errorf("versions %q, want %q", order, want)
	}
	if types[0].Module != digests["1.10.0"] || types[0].DisplayName != "Tiny" || types[0].Kind != abi.KindConnector {
		t.Errorf("%+v", types[0])
	}
	for _, v := range []string{"1.10.0", "1.9.0", "1.10.0-rc.2"} {
		if err := shelf.Delete(t.Context(), digests[v], func(store.Reader) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	m, err := shelf.Resolve(t.Context(), "telemetry", "tiny", "")
	if err != nil || m.Manifest.Version != "2.0.0-rc.1" {
		t.Errorf("of pre-releases alone the newest is meant, not %s (%v)", m.Manifest.Version, err)
	}
}

// TestTypeUnknown: what is not there is said with what is.
func TestTypeUnknown(t *testing.T) {
	r := newRig(t)
	shelf := r.shelf("plant")
	r.add("plant", tinyOf(t), nil)
	for _, c := range []struct{ category, provider, version, says string }{
		{"telemetry", "huge", "", "tiny"},
		{"telemetry", "tiny", "3.0.0", "1.0.0"},
		{"storage", "tiny", "", "upload a module"},
		{"telemetry/tiny", "1.0.0", "", ""},
		{strings.Repeat("x", 600), "tiny", "", ""},
	} {
		_, err := shelf.Resolve(t.Context(), c.category, c.provider, c.version)
		if !fault.Is(err, fault.TypeUnknown) {
			t.Errorf("%.20s/%s %s: %v", c.category, c.provider, c.version, err)
			continue
		}
		if f := fault.Of(err); !strings.Contains(f.Text+f.Advice(), c.says) {
			t.Errorf("%q, %q do not say %q", f.Text, f.Advice(), c.says)
		}
	}
	if _, err := r.shelf("other").Resolve(t.Context(), "telemetry", "tiny", ""); !fault.Is(err, fault.TypeUnknown) {
		t.Errorf("another tenant's type: %v", err)
	}
}

// TestOneModuleForEachVersion: the same bytes are the module that is there,
// others are refused with its digest, and are welcome after it has gone.
func TestOneModuleForEachVersion(t *testing.T) {
	r := newRig(t)
	shelf := r.shelf("plant")
	first, _ := r.add("plant", tinyOf(t), nil)
	if again, created := r.add("plant", tinyOf(t), nil); created || again.Digest != first.Digest {
		t.Errorf("the same bytes again: created %v, %s", created, again.Digest)
	}
	other := tinyOf(t, func(m *abi.Manifest) { m.DisplayName = "Not the same" })
	_, _, err := shelf.Add(t.Context(), bytes.NewReader(other), nil)
	if !fault.Is(err, fault.ProviderExists) || !strings.Contains(err.Error(), first.Digest) {
		t.Fatalf("another module of the same version: %v", err)
	}
	if list, err := shelf.List(t.Context(), "", 10); err != nil || len(list) != 1 {
		t.Errorf("kept %d modules, %v", len(list), err)
	}
	if err := shelf.Delete(t.Context(), first.Digest, func(store.Reader) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if m, created := r.add("plant", other, nil); !created || m.Manifest.DisplayName != "Not the same" {
		t.Errorf("after the first has gone: created %v", created)
	}
}

// TestCategoryIsChecked: a provider is of a category that there is and offers
// all of its operations; a category of the tenant's own counts for it alone.
func TestCategoryIsChecked(t *testing.T) {
	r := newRig(t)
	of := func(category string) []byte {
		return tinyOf(t, func(m *abi.Manifest) { m.Category = category })
	}
	f := r.refused(bytes.NewReader(of("teleportation")), nil, fault.ManifestInvalid)
	says(t, f, "/category", "teleportation", "converter, device_manager, email, messaging, platform, storage, telemetry")
	f = r.refused(bytes.NewReader(of("storage")), nil, fault.OperationMissing)
	says(t, f, "op_put", "op_get", "op_list", "op_delete", "op_stat")
	some := func(m *w.Module) {
		m.Functions = append(m.Functions,
			w.Function{Export: "op_put", Params: "ii", Results: "I", Body: w.I64(0)},
			w.Function{Export: "op_get", Params: "", Results: "I", Body: w.I64(0)}, // not as an entry point
			w.Function{Export: "op_list", Params: "ii", Results: "I", Body: w.I64(0)},
			w.Function{Export: "op_stat", Params: "ii", Results: "I", Body: w.I64(0)},
			w.Function{Export: "op_delete", Params: "ii", Results: "I", Body: w.I64(0)})
	}
	f = r.refused(bytes.NewReader(tiny(some)), manifest(t, func(m *abi.Manifest) { m.Category = "storage" }), fault.OperationMissing)
	if says(t, f, "op_get"); strings.Contains(f.Text, "op_put") {
		t.Errorf("%q names what is there", f.Text)
	}
	r.add("plant", built(t, "kvstore"), nil)

	space, err := r.store.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(spec.Category{Name: "teleportation", DisplayName: "Teleportation"})
	if err != nil {
		t.Fatal(err)
	}
	if err := space.Update(t.Context(), func(w store.Writer) error {
		_, err := w.Put(store.Categories, "teleportation", raw)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	r.add("plant", of("teleportation"), nil)
	if _, _, err := r.shelf("other").Add(t.Context(), bytes.NewReader(of("teleportation")), nil); !fault.Is(err, fault.ManifestInvalid) {
		t.Errorf("another tenant's category: %v", err)
	}
}

// TestReindex: modules from before there were types get theirs, and of two with
// one version the younger.
func TestReindex(t *testing.T) {
	r := newRig(t)
	shelf := r.shelf("plant")
	m, _ := r.add("plant", tinyOf(t), nil)
	older := m
	older.Digest = strings.Repeat("0", 64)
	older.Uploaded = m.Uploaded.AddDate(-1, 0, 0)
	odd := m
	odd.Digest, odd.Manifest.Category = strings.Repeat("1", 64), "any/thing else"
	space, err := r.store.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	if err := space.Update(t.Context(), func(w store.Writer) error {
		for _, x := range []spec.Module{older, odd} {
			raw, err := json.Marshal(x)
			if err != nil {
				return err
			}
			if _, err := w.Put(store.Modules, x.Digest, raw); err != nil {
				return err
			}
		}
		return w.Delete(store.Types, "telemetry/tiny/1.0.0")
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := shelf.Resolve(t.Context(), "telemetry", "tiny", ""); !fault.Is(err, fault.TypeUnknown) {
		t.Fatalf("the test needs an empty index: %v", err)
	}
	for range 2 {
		if err := shelf.Reindex(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := shelf.Resolve(t.Context(), "telemetry", "tiny", ""); err != nil || got.Digest != m.Digest {
			t.Errorf("resolved %s, %v", got.Digest, err)
		}
		if types, err := shelf.Types(t.Context(), ""); err != nil || len(types) != 1 {
			t.Errorf("%+v, %v", types, err)
		}
	}
	if err := shelf.Delete(t.Context(), older.Digest, func(store.Reader) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got, err := shelf.Resolve(t.Context(), "telemetry", "tiny", ""); err != nil || got.Digest != m.Digest {
		t.Errorf("after the other has gone: %s, %v", got.Digest, err)
	}
}

func TestNewer(t *testing.T) {
	// The order of semver.org, with builds behind what they are builds of.
	order := []string{
		"0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
		"1.0.0-rc.1", "1.0.0", "1.0.0+build.1", "1.0.1", "1.9.0", "1.10.0", "10.0.0", "99999999999999999999.0.0",
	}
	for i, a := range order {
		for j, b := range order {
			if got := catalog.Newer(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%s against %s is %d", a, b, got)
			}
		}
	}
}

// TestOperationsAreHeldAgainstDescribe: an SDK that exports an operation
// without a handler for it says so, and one that answers all of them in one
// place need not name each.
func TestOperationsAreHeldAgainstDescribe(t *testing.T) {
	r := newRig(t)
	lifts := func(m *w.Module) {
		m.Functions = append(m.Functions, w.Function{Export: "op_lift", Params: "ii", Results: "I", Body: w.I64(0)})
	}
	side := manifest(t, func(m *abi.Manifest) { m.EntryPoints = []string{"op_lift"} })
	f := r.refused(bytes.NewReader(tiny(lifts, describes(`{"entry_points":["open","on_events"]}`))), side, fault.EntryPointMissing)
	says(t, f, "op_lift")
	says(t, r.refused(bytes.NewReader(tiny(describes(`{"entry_points":["open","on_events","op_*"]}`))), side, fault.EntryPointMissing), "op_lift")
	r.add("plant", tiny(lifts, describes(`{"entry_points":["open","on_events","op_*"]}`)), side)
	r.add("other", tiny(lifts, describes(`{"entry_points":["open","on_events","op_lift"]}`)), side)
}
