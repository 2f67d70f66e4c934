package control_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
)

// defaults are the ids of a category's connectors that say they are its default.
func (r *rig) defaults(category string) (ids []string) {
	r.t.Helper()
	list, _, err := r.Connectors(r.t.Context(), control.ConnectorFilter{Category: category}, control.Page{Limit: 500})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, v := range list {
		if v.Default {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

// active is the id of a category's active default; "": there is none.
func (r *rig) active(category string) string {
	r.t.Helper()
	v, err := r.DefaultConnector(r.t.Context(), category)
	if fault.Is(err, fault.NotFound) {
		wantFault(r.t, err, fault.NotFound)
		return ""
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return v.ID
}

// TestOneDefaultOfACategory through all that can be done to it: made on create
// and on update, moved, taken away, and gone with its connector.
func TestOneDefaultOfACategory(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	a := r.create(control.ConnectorInput{Name: "a", Module: con, Default: new(true)})
	if !a.Default || a.Category == "" {
		t.Fatalf("%+v", a.Connector)
	}
	category := a.Category
	if got := r.active(category); got != "" {
		t.Errorf("%s is no active default: it is not enabled", got)
	}
	a, err := r.Activate(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.active(category); got != a.ID {
		t.Errorf("the active default is %q, want %s", got, a.ID)
	}

	b := r.create(control.ConnectorInput{Name: "b", Module: con, Default: new(true)})
	if told := strings.Join(b.Warnings, "\n"); !strings.Contains(told, "b takes the place of a as the default of "+category+": its calls fail until b is activated") {
		t.Errorf("nobody was told that a is no longer the default: %q", told)
	}
	if got := r.defaults(category); len(got) != 1 || got[0] != b.ID {
		t.Errorf("after a second one was created as the default: %q", got)
	}
	was := r.read("a")
	if was.Default || was.Revision <= a.Revision || !was.Enabled {
		t.Errorf("the former default: %+v", was.Connector)
	}
	in := control.ConnectorInput{Name: "a", Module: con, Default: new(true)}
	if _, err := r.UpdateConnector(t.Context(), "a", in, 0); err != nil {
		t.Fatal(err)
	}
	if got := r.defaults(category); len(got) != 1 || got[0] != a.ID {
		t.Errorf("after an update: %q", got)
	}
	in.Default = nil // says nothing of it
	if _, err := r.UpdateConnector(t.Context(), "a", in, 0); err != nil {
		t.Fatal(err)
	}
	if got := r.active(category); got != a.ID {
		t.Errorf("an update that says nothing of it made %q the default", got)
	}
	in.Default = new(false)
	if _, err := r.UpdateConnector(t.Context(), "a", in, 0); err != nil {
		t.Fatal(err)
	}
	if got, list := r.active(category), r.defaults(category); got != "" || len(list) != 0 {
		t.Errorf("after it was taken away: %q, %q", got, list)
	}
	in.Default = new(true)
	if _, err := r.UpdateConnector(t.Context(), "a", in, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteConnector(t.Context(), "a", 0); err != nil {
		t.Fatal(err)
	}
	if got := r.active(category); got != "" {
		t.Errorf("the default is %q, which is gone", got)
	}
	r.create(control.ConnectorInput{Name: "c", Module: con, Default: new(true)}) // the place is free
	if got := r.active("nothing"); got != "" {
		t.Errorf("a category that nobody is of has the default %q", got)
	}
	other := &rig{Tenant: r.tenant("other"), t: t, store: r.store, service: r.service}
	if got := other.active(category); got != "" {
		t.Errorf("another tenant has the default %q", got)
	}
}

// TestTheChangeOfADefaultIsInTheTrail for both connectors.
func TestTheChangeOfADefaultIsInTheTrail(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	a := r.create(control.ConnectorInput{Name: "a", Module: con, Default: new(true)})
	b := r.create(control.ConnectorInput{Name: "b", Module: con, Default: new(true)})
	for id, says := range map[string]string{a.ID: "b is the default of " + a.Category + " now", b.ID: "is_default true"} {
		list, _, err := r.Audit(t.Context(), control.AuditQuery{Connector: id}, control.Page{})
		if err != nil || len(list) == 0 || !strings.Contains(list[0].Detail, says) {
			t.Errorf("%+v, %v, want %q", list, err, says)
		}
	}
}

// TestHammerDefaults: whatever fifty callers do at once, there is one default,
// and it is the one that the category's calls go to.
func TestHammerDefaults(t *testing.T) {
	const callers = 50
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	var ids []string
	for i := range callers / 2 {
		ids = append(ids, r.create(control.ConnectorInput{Name: fmt.Sprint("old", i), Module: con}).ID)
	}
	category := r.read(ids[0]).Category
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			var err error
			if i < len(ids) {
				_, err = r.UpdateConnector(t.Context(), ids[i], control.ConnectorInput{Name: fmt.Sprint("old", i), Module: con, Default: new(true)}, 0)
			} else {
				_, err = r.CreateConnector(t.Context(), control.ConnectorInput{Name: fmt.Sprint("new", i), Module: con, Default: new(true)})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list := r.defaults(category)
	if len(list) != 1 {
		t.Fatalf("%d defaults: %q", len(list), list)
	}
	if _, err := r.Activate(t.Context(), list[0]); err != nil {
		t.Fatal(err)
	}
	if got := r.active(category); got != list[0] {
		t.Errorf("the active default is %q, and %s says that it is", got, list[0])
	}
}

// TestDefaultGoesWithItsConnectorToAnotherCategory and leaves the one that it
// was in without any.
func TestDefaultGoesWithItsConnectorToAnotherCategory(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	v := r.create(control.ConnectorInput{Name: "a", Module: con, Default: new(true)})
	if _, err := r.AddCategory(t.Context(), spec.Category{Name: "metering", DisplayName: "Metering"}); err != nil {
		t.Fatal(err)
	}
	elsewhere := r.ofType(abi.Manifest{Category: "metering", ProviderType: "elsewhere", Version: "1.0.0"}, nil)
	if _, err := r.UpdateConnector(t.Context(), "a", control.ConnectorInput{Name: "a", Module: elsewhere}, 0); err != nil {
		t.Fatal(err)
	}
	if got := r.defaults(v.Category); len(got) != 0 {
		t.Errorf("%s has the defaults %q", v.Category, got)
	}
	if got := r.defaults("metering"); len(got) != 1 {
		t.Errorf("metering has the defaults %q", got)
	}
	if _, err := r.Activate(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if a, b := r.active(v.Category), r.active("metering"); a != "" || b != v.ID {
		t.Errorf("the active defaults are %q and %q", a, b)
	}
}

// TestEnabledByAnUpdate: only what a test has passed for, and stopped at once.
func TestEnabledByAnUpdate(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{Name: "a", Module: r.tiny(abi.KindConnector, "con", ""), Enabled: new(true)}
	_, err := r.CreateConnector(t.Context(), in)
	wantFault(t, err, fault.NotConnected)
	in.Enabled = nil
	r.create(in)
	in.Enabled = new(true)
	_, err = r.UpdateConnector(t.Context(), "a", in, 0)
	wantFault(t, err, fault.NotConnected)
	if _, err := r.TestConnector(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	v, err := r.UpdateConnector(t.Context(), "a", in, 0)
	if err != nil || !v.Enabled || v.Runtime.State == "" {
		t.Fatalf("%+v, %v", v, err)
	}
	changed := in
	changed.Config = []byte(`{"n":1}`) // it runs already: it is swapped
	if v, err = r.UpdateConnector(t.Context(), "a", changed, 0); err != nil || !v.Enabled {
		t.Fatalf("%+v, %v", v, err)
	}
	in.Enabled = new(false)
	if v, err = r.UpdateConnector(t.Context(), "a", in, 0); err != nil || v.Enabled {
		t.Fatalf("%+v, %v", v, err)
	}
	list, _, err := r.Audit(t.Context(), control.AuditQuery{Action: "connector"}, control.Page{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[identity.Action]int{}
	for _, e := range list {
		seen[e.Action]++
	}
	if seen[identity.ConnectorActivate] != 1 || seen[identity.ConnectorDeactivate] != 1 {
		t.Errorf("%v", seen)
	}
}

// TestFilters: each alone, together, and page by page.
func TestFilters(t *testing.T) {
	r := newRig(t)
	one, two := r.tiny(abi.KindConnector, "one", ""), r.tiny(abi.KindConnector, "two", "")
	for i := range 7 {
		r.create(control.ConnectorInput{Name: fmt.Sprint("c", i), Module: []string{one, two}[i%2]})
	}
	for _, name := range []string{"c0", "c1"} {
		if _, err := r.Activate(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	category := r.read("c0").Category
	for i, tt := range []struct {
		filter control.ConnectorFilter
		want   int
	}{
		{control.ConnectorFilter{}, 7},
		{control.ConnectorFilter{Category: category}, 7},
		{control.ConnectorFilter{Category: "none"}, 0},
		{control.ConnectorFilter{ProviderType: "one"}, 4},
		{control.ConnectorFilter{ProviderType: "two"}, 3},
		{control.ConnectorFilter{Status: spec.StatusDraft}, 5},
		{control.ConnectorFilter{Status: spec.StatusConnected}, 2},
		{control.ConnectorFilter{Enabled: new(true)}, 2},
		{control.ConnectorFilter{Enabled: new(false)}, 5},
		{control.ConnectorFilter{ProviderType: "one", Enabled: new(true)}, 1},
	} {
		for _, limit := range []int{1, 2, 500} {
			got, p := 0, control.Page{Limit: limit}
			for {
				list, next, err := r.Connectors(t.Context(), tt.filter, p)
				if err != nil || len(list) > limit {
					t.Fatal(len(list), err)
				}
				got += len(list)
				if p.After = next; next == "" {
					break
				}
			}
			if got != tt.want {
				t.Errorf("%d by %d: %d connectors, want %d", i, limit, got, tt.want)
			}
		}
	}
}

// TestConnectorsOfAType: the newest version, a pinned one, and what is wrong
// with others.
func TestConnectorsOfAType(t *testing.T) {
	r := newRig(t)
	m := abi.Manifest{Category: "telemetry", ProviderType: "meter", Version: "1.9.0"}
	old := r.ofType(m, nil)
	m.Version = "1.10.0"
	newest := r.ofType(m, nil)
	in := control.ConnectorInput{Name: "a", Category: "telemetry", ProviderType: "meter"}
	if v := r.create(in); v.Module != newest || v.Category != "telemetry" || v.ProviderType != "meter" || v.Tenant != "plant" {
		t.Errorf("%+v", v)
	}
	in.Name, in.Version = "b", "1.9.0"
	if v := r.create(in); v.Module != old {
		t.Errorf("%+v", v)
	}
	in.Name, in.Version, in.Module = "c", "", old
	if v := r.create(in); v.Module != old {
		t.Errorf("%+v", v)
	}
	if v := r.create(control.ConnectorInput{Name: "d", Module: newest}); v.Category != "telemetry" || v.ProviderType != "meter" {
		t.Errorf("%+v", v)
	}
	for name, tt := range map[string]struct {
		in   control.ConnectorInput
		kind fault.Kind
		at   string
	}{
		"no such type":       {control.ConnectorInput{Category: "telemetry", ProviderType: "none"}, fault.TypeUnknown, ""},
		"no such category":   {control.ConnectorInput{Category: "none", ProviderType: "meter"}, fault.TypeUnknown, ""},
		"no such version":    {control.ConnectorInput{Category: "telemetry", ProviderType: "meter", Version: "3.0.0"}, fault.TypeUnknown, ""},
		"no category":        {control.ConnectorInput{ProviderType: "meter"}, fault.ConfigInvalid, "/category"},
		"no provider type":   {control.ConnectorInput{Category: "telemetry"}, fault.ConfigInvalid, "/provider_type"},
		"long provider type": {control.ConnectorInput{Category: "telemetry", ProviderType: strings.Repeat("x", 65)}, fault.ConfigInvalid, "/provider_type"},
		"another's module":   {control.ConnectorInput{Category: "storage", ProviderType: "meter", Module: old}, fault.ConfigInvalid, "/category"},
		"another version":    {control.ConnectorInput{Version: "1.10.0", Module: old}, fault.ConfigInvalid, "/version"},
		"nothing":            {control.ConnectorInput{}, fault.ConfigInvalid, "/module"},
	} {
		tt.in.Name = "x"
		_, err := r.CreateConnector(t.Context(), tt.in)
		f := wanted(t, err, tt.kind)
		if tt.at != "" && (len(f.Fields) != 1 || f.Fields[0].Pointer != tt.at) {
			t.Errorf("%s: %+v", name, f.Fields)
		}
	}
}
