package control_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

func TestNewConnectorIsADraft(t *testing.T) {
	r := newRig(t)
	v := r.create(control.ConnectorInput{Name: "c", Module: r.tiny(abi.KindConnector, "con", "")})
	if v.Status != spec.StatusDraft || v.Enabled || v.Revision != 1 || v.Tested != "" || v.Runtime.State != lifecycle.Draft {
		t.Errorf("%+v", v)
	}
	if !strings.HasPrefix(v.ID, "con_") || v.Created.IsZero() || !v.Updated.Equal(v.Created) {
		t.Errorf("%+v", v.Connector)
	}
	if got := r.read(v.ID); got.ID != v.ID || got.Revision != 1 {
		t.Errorf("read %+v", got)
	}
}

func TestConnectorIsFoundByIDAndByName(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	a := r.create(control.ConnectorInput{Name: "a", Module: con})
	// A name that looks like an id does not hide the one whose id it is.
	b := r.create(control.ConnectorInput{Name: a.ID, Module: con})
	for idOrName, want := range map[string]string{a.ID: a.ID, "a": a.ID, b.ID: b.ID} {
		if got := r.read(idOrName); got.ID != want {
			t.Errorf("%q is %s, want %s", idOrName, got.ID, want)
		}
	}
	for _, nobody := range []string{"", "b", "A", "con_", strings.Repeat("x", 600), strings.Repeat("x", 5000)} {
		_, err := r.Connector(t.Context(), nobody)
		if f := wanted(t, err, fault.NotFound); len(f.Text) > 1000 {
			t.Errorf("a text of %d bytes", len(f.Text))
		}
	}
}

func TestNamesAreUniqueWithinATenant(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	long := strings.Repeat("機", 255)
	for _, name := range []string{"a", long} {
		r.create(control.ConnectorInput{Name: name, Module: con})
		_, err := r.CreateConnector(t.Context(), control.ConnectorInput{Name: name, Module: con})
		if f := wanted(t, err, fault.Exists); !strings.Contains(f.Text, name) {
			t.Errorf("text %q", f.Text)
		}
	}
	other := &rig{Tenant: r.tenant("other"), t: t}
	other.create(control.ConnectorInput{Name: "a", Module: other.tiny(abi.KindConnector, "con", "")})
	list, _, err := r.Connectors(t.Context(), control.ConnectorFilter{}, control.Page{})
	if err != nil || len(list) != 2 {
		t.Errorf("%d connectors, %v", len(list), err)
	}
}

func TestTenantsDoNotSeeEachOther(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	v := r.create(control.ConnectorInput{Name: "a", Module: con})
	other := r.tenant("other")
	for name, try := range map[string]func() error{
		"read":       func() error { _, err := other.Connector(t.Context(), v.ID); return err },
		"by name":    func() error { _, err := other.Connector(t.Context(), "a"); return err },
		"delete":     func() error { return other.DeleteConnector(t.Context(), v.ID, 0) },
		"test":       func() error { _, err := other.TestConnector(t.Context(), v.ID); return err },
		"activate":   func() error { _, err := other.Activate(t.Context(), v.ID); return err },
		"deactivate": func() error { _, err := other.Deactivate(t.Context(), v.ID); return err },
		"logs":       func() error { _, err := other.Logs(t.Context(), v.ID, 0); return err },
		"devices":    func() error { _, _, err := other.Devices(t.Context(), v.ID, control.Page{}); return err },
		"module":     func() error { _, err := other.Module(t.Context(), con); return err },
		"rid of it":  func() error { return other.DeleteModule(t.Context(), con) },
	} {
		if err := try(); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v, want not_found", name, err)
		}
	}
	_, err := other.CreateConnector(t.Context(), control.ConnectorInput{Name: "x", Module: con})
	if f := wanted(t, err, fault.ConfigInvalid); !slices.Equal(pointers(f.Fields), []string{"/module"}) {
		t.Errorf("faults %+v", f.Fields)
	}
}

func TestUpdateNeedsTheRevisionThatIsThere(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	v := r.create(control.ConnectorInput{Name: "c", Module: con})
	in := control.ConnectorInput{Name: "c", Module: con, Config: json.RawMessage(`{"n":2}`)}
	second, err := r.UpdateConnector(t.Context(), v.ID, in, v.Revision)
	if err != nil || second.Revision != 2 || string(second.Config) != `{"n":2}` {
		t.Fatalf("%+v, %v", second, err)
	}
	in.Config = json.RawMessage(`{"n":3}`)
	for _, stale := range []uint64{1, 3, 99} {
		_, err := r.UpdateConnector(t.Context(), v.ID, in, stale)
		for _, err := range []error{err, r.DeleteConnector(t.Context(), v.ID, stale)} {
			if f := wanted(t, err, fault.StaleRevision); !strings.Contains(f.Text, "at revision 2") {
				t.Errorf("text %q", f.Text)
			}
		}
	}
	if got := r.read("c"); got.Revision != 2 || string(got.Config) != `{"n":2}` {
		t.Errorf("a refused change was made: %+v", got.Connector)
	}
	if third, err := r.UpdateConnector(t.Context(), "c", in, 0); err != nil || third.Revision != 3 || !third.Created.Equal(v.Created) {
		t.Errorf("without a revision: %+v, %v", third, err)
	}
	_, err = r.UpdateConnector(t.Context(), "nobody", in, 0)
	wantFault(t, err, fault.NotFound)
}

func TestUpdateIsCheckedAsCreationIs(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	v := r.create(control.ConnectorInput{Name: "c", Module: con})
	_, err := r.UpdateConnector(t.Context(), v.ID, control.ConnectorInput{Module: con, Limits: spec.Limits{MemoryBytes: 1}}, 0)
	f := wanted(t, err, fault.ConfigInvalid)
	if got := pointers(f.Fields); !slices.Equal(got, []string{"/limits/memory_bytes", "/name"}) {
		t.Errorf("faults at %q", got)
	}
	if got := r.read("c"); got.Revision != 1 {
		t.Errorf("changed all the same: %+v", got.Connector)
	}
}

func TestRename(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	a := r.create(control.ConnectorInput{Name: "a", Module: con})
	r.create(control.ConnectorInput{Name: "b", Module: con})
	_, err := r.UpdateConnector(t.Context(), a.ID, control.ConnectorInput{Name: "b", Module: con}, 0)
	wantFault(t, err, fault.Exists)
	if got := r.read("a"); got.ID != a.ID || got.Revision != 1 {
		t.Errorf("a refused rename was made: %+v", got.Connector)
	}
	if _, err := r.UpdateConnector(t.Context(), "a", control.ConnectorInput{Name: "c", Module: con}, 0); err != nil {
		t.Fatal(err)
	}
	if got := r.read("c"); got.ID != a.ID {
		t.Errorf("c is %s, want %s", got.ID, a.ID)
	}
	_, err = r.Connector(t.Context(), "a")
	wantFault(t, err, fault.NotFound)
	r.create(control.ConnectorInput{Name: "a", Module: con}) // the name is free again
	if err := r.DeleteConnector(t.Context(), "c", 0); err != nil {
		t.Fatal(err)
	}
	r.create(control.ConnectorInput{Name: "c", Module: con})
}

// TestGrantsRememberWhenTheyWereGiven, and no caller can say otherwise.
func TestGrantsRememberWhenTheyWereGiven(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	long := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	forged := spec.Grant{Group: "serial", Resources: []string{"/dev/a"}, Reason: "Reads.", GrantedBy: "root", GrantedAt: long}
	began := time.Now()
	v := r.create(control.ConnectorInput{Name: "c", Module: con, Grants: []spec.Grant{forged}})
	first := v.Grants[0]
	if first.GrantedAt.Before(began) || first.GrantedBy != "server" {
		t.Errorf("the caller's word was taken: %+v", first)
	}
	forged.Reason = "Reads more."
	second := spec.Grant{Group: "serial", Resources: []string{"/dev/b"}}
	v, err := r.UpdateConnector(t.Context(), "c", control.ConnectorInput{Name: "c", Module: con, Grants: []spec.Grant{second, forged}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !v.Grants[1].GrantedAt.Equal(first.GrantedAt) || v.Grants[1].Reason != "Reads more." {
		t.Errorf("the old grant: %+v, want one of %s", v.Grants[1], first.GrantedAt)
	}
	if !v.Grants[0].GrantedAt.After(first.GrantedAt) {
		t.Errorf("the new grant is as old as the old one: %+v", v.Grants[0])
	}
}

func TestModuleInUseIsNotDeleted(t *testing.T) {
	r := newRig(t)
	con, conv := r.tiny(abi.KindConnector, "con", ""), r.tiny(abi.KindConverter, "conv", "")
	a := r.create(control.ConnectorInput{Name: "a", Module: con})
	b := r.create(control.ConnectorInput{Name: "b", Module: con, Converter: &spec.Converter{Module: conv}})
	for digest, users := range map[string][]string{con: {a.ID, b.ID}, conv: {b.ID}} {
		f := wanted(t, r.DeleteModule(t.Context(), digest), fault.ModuleInUse)
		for _, id := range users {
			if !strings.Contains(f.Text, id) {
				t.Errorf("%q does not name %s", f.Text, id)
			}
		}
		m, err := r.Module(t.Context(), digest[:8])
		slices.Sort(users)
		if err != nil || !slices.Equal(m.UsedBy, users) || len(m.Cannot) == 0 {
			t.Errorf("%+v, %v", m, err)
		}
	}
	if err := r.DeleteConnector(t.Context(), "b", 0); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteModule(t.Context(), conv[:8]); err != nil {
		t.Errorf("nobody uses it any more: %v", err)
	}
	wantFault(t, r.DeleteModule(t.Context(), conv), fault.NotFound)
	wantFault(t, r.DeleteModule(t.Context(), con), fault.ModuleInUse)
}

// TestHammerCreateAndDeleteModule: whoever comes first, no connector is left
// with a module that is gone.
func TestHammerCreateAndDeleteModule(t *testing.T) {
	r := newRig(t)
	for i := range 40 {
		con := r.tiny(abi.KindConnector, fmt.Sprintf("con%d", i), "")
		name := fmt.Sprintf("c%d", i)
		var created, deleted error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, created = r.CreateConnector(t.Context(), control.ConnectorInput{Name: name, Module: con})
		})
		wg.Go(func() { deleted = r.DeleteModule(t.Context(), con) })
		wg.Wait()
		switch {
		case created == nil && fault.Is(deleted, fault.ModuleInUse):
		case fault.Is(created, fault.ConfigInvalid) && deleted == nil:
		default:
			t.Fatalf("created: %v, deleted: %v", created, deleted)
		}
	}
}

func TestListsArePaged(t *testing.T) {
	r := newRig(t)
	var want []string
	for i := range 5 {
		con := r.tiny(abi.KindConnector, fmt.Sprintf("con%d", i), "")
		want = append(want, r.create(control.ConnectorInput{Name: fmt.Sprintf("c%d", i), Module: con}).ID)
	}
	slices.Sort(want)
	space, err := r.store.Tenant("plant")
	if err == nil {
		err = space.Update(t.Context(), func(w store.Writer) error {
			for i := range 5 {
				if _, err := w.Put(store.Devices, fmt.Sprintf("%s\x00d/%d", want[1], i), fmt.Appendf(nil, `{"id":"d/%d"}`, i)); err != nil {
					return err
				}
			}
			_, err := w.Put(store.Devices, want[2]+"\x00x", []byte(`{"id":"x"}`))
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range map[string]func(control.Page) ([]string, string, error){
		"connectors": func(p control.Page) (ids []string, next string, err error) {
			list, next, err := r.Connectors(t.Context(), control.ConnectorFilter{}, p)
			for _, v := range list {
				ids = append(ids, v.ID)
			}
			return ids, next, err
		},
		"modules": func(p control.Page) (ids []string, next string, err error) {
			list, next, err := r.Modules(t.Context(), p)
			for _, m := range list {
				ids = append(ids, m.Digest)
			}
			return ids, next, err
		},
		"devices": func(p control.Page) (ids []string, next string, err error) {
			list, next, err := r.Devices(t.Context(), "c1", p)
			for _, d := range list {
				ids = append(ids, d.ID)
			}
			return ids, next, err
		},
	} {
		all, next, err := page(control.Page{})
		if err != nil || len(all) != 5 || next != "" || !slices.IsSorted(all) {
			t.Fatalf("%s: %q, %q, %v", name, all, next, err)
		}
		for _, limit := range []int{1, 2, 3, 5} {
			var got []string
			for p := (control.Page{Limit: limit}); ; {
				ids, next, err := page(p)
				if err != nil || len(ids) > limit {
					t.Fatalf("%s: %d of %d, %v", name, len(ids), limit, err)
				}
				got = append(got, ids...)
				if p.After = next; next == "" {
					break
				}
			}
			if !slices.Equal(got, all) {
				t.Errorf("%s by %d: %q, want %q", name, limit, got, all)
			}
		}
		for _, limit := range []int{-1, 501} {
			if _, _, err := page(control.Page{Limit: limit}); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s by %d: %v", name, limit, err)
			}
		}
	}
	if devices, _, err := r.Devices(t.Context(), "", control.Page{}); err != nil || len(devices) != 6 {
		t.Errorf("%d devices of all, %v", len(devices), err)
	}
}

// opens is what the test of a module says that has no test of its own.
const opens = "the module opens and closes"

// TestActivationNeedsAPassedTest: a connector whose test fails stays as it is,
// and the caller learns what the module said.
func TestActivationNeedsAPassedTest(t *testing.T) {
	r := newRig(t)
	away := &abi.Error{Kind: abi.FaultUnavailable, Code: "meter_away", Text: "the meter does not answer", Hint: "Plug it in."}
	v := r.create(control.ConnectorInput{Name: "c", Module: r.failing("away", away)})
	if v.Status != spec.StatusDraft {
		t.Errorf("before any test: %s", v.Status)
	}
	_, err := r.Activate(t.Context(), v.ID)
	f := wanted(t, err, fault.NotConnected)
	if !strings.Contains(f.Text, "meter_away: the meter does not answer") || f.Advice() != "Plug it in." {
		t.Errorf("text %q, hint %q", f.Text, f.Advice())
	}
	got := r.read("c")
	if got.Enabled || got.Status != spec.StatusError || !strings.Contains(got.StatusMessage, "the meter does not answer") ||
		got.LastTestedAt.IsZero() || got.Tested != "" || got.Revision != 1 {
		t.Errorf("after the failed test: %+v", got.Connector)
	}

	works := control.ConnectorInput{Name: "c", Module: r.tiny(abi.KindConnector, "works", "")}
	if _, err := r.UpdateConnector(t.Context(), "c", works, 0); err != nil {
		t.Fatal(err)
	}
	got, err = r.Activate(t.Context(), "c")
	if err != nil || !got.Enabled || got.Status != spec.StatusConnected || got.Tested == "" || got.Runtime.State == lifecycle.Draft {
		t.Fatalf("%+v, %v", got, err)
	}
	got, err = r.Deactivate(t.Context(), "c")
	if err != nil || got.Enabled {
		t.Fatalf("%+v, %v", got, err)
	}
	for deadline := time.Now().Add(time.Minute); got.Runtime.State != lifecycle.Stopped; got = r.read("c") {
		if time.Now().After(deadline) {
			t.Fatalf("not stopped: %+v", got.Runtime)
		}
		runtime.Gosched()
	}
	if got.Enabled || got.Status != spec.StatusConnected {
		t.Errorf("after it was deactivated: %+v", got.Connector)
	}
}

// TestTestKeepsWhatItFound, and a crash of the module is a result.
func TestTestKeepsWhatItFound(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{Name: "c", Module: r.tiny(abi.KindConnector, "works", "")}
	r.create(in)
	result, err := r.TestConnector(t.Context(), "c")
	if err != nil || !result.Success || !strings.HasPrefix(result.Message, opens) || result.At.IsZero() || result.Latency <= 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	got := r.read("c")
	if got.Status != spec.StatusConnected || got.StatusMessage != result.Message || !got.LastTestedAt.Equal(result.At) || got.Tested == "" {
		t.Errorf("%+v", got.Connector)
	}

	long := &abi.Error{Kind: abi.FaultInvalid, Text: strings.Repeat("機", 300)}
	for name, tt := range map[string]struct{ module, says, code string }{
		"crash": {r.failing("crash", nil), "trapped", "guest_trap"},
		"error": {r.failing("error", &abi.Error{Code: "x", Text: "no such meter"}), "no such meter", "guest_error"},
		"long":  {r.failing("long", long), "機機", "guest_error"},
	} {
		in.Module = tt.module
		if _, err := r.UpdateConnector(t.Context(), "c", in, 0); err != nil {
			t.Fatal(err)
		}
		result, err = r.TestConnector(t.Context(), "c")
		if err != nil || result.Success || !strings.Contains(result.Message, tt.says) ||
			len(result.Message) > 512 || !utf8.ValidString(result.Message) || result.At.Location() != time.UTC {
			t.Errorf("%s: %+v, %v", name, result, err)
		}
		if result.Details["code"] != tt.code || result.Details["hint"] == "" {
			t.Errorf("%s: details %v", name, result.Details)
		}
		got = r.read("c")
		if got.Status != spec.StatusError || got.StatusMessage != result.Message || got.Tested != "" {
			t.Errorf("%s: %+v", name, got.Connector)
		}
	}
}

// TestFailedTestTakesAPassedOneBack: what worked yesterday is tested again
// before it is activated, once it was seen to fail.
func TestFailedTestTakesAPassedOneBack(t *testing.T) {
	r := newRig(t)
	v := r.create(control.ConnectorInput{Name: "c", Module: r.failing("crash", nil)})
	space, err := r.store.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	key, err := v.TestKey()
	if err != nil {
		t.Fatal(err)
	}
	c := v.Connector
	c.Status, c.Tested = spec.StatusConnected, key // as if it had worked then
	raw, err := json.Marshal(c)
	if err == nil {
		err = space.Update(t.Context(), func(w store.Writer) error {
			_, err := w.Put(store.Connectors, c.ID, raw)
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if result, err := r.TestConnector(t.Context(), "c"); err != nil || result.Success {
		t.Fatalf("%+v, %v", result, err)
	}
	_, err = r.Activate(t.Context(), "c")
	wantFault(t, err, fault.NotConnected)
}

// TestPassedTestCounts until something changes that a guest notices: the
// activation does not test again.
func TestPassedTestCounts(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{Name: "c", Module: r.tiny(abi.KindConnector, "works", "")}
	r.create(in)
	if _, err := r.TestConnector(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	tested := r.read("c").LastTestedAt
	in.Name = "renamed"
	if _, err := r.UpdateConnector(t.Context(), "c", in, 0); err != nil {
		t.Fatal(err)
	}
	v, err := r.Activate(t.Context(), "renamed")
	if err != nil || !v.LastTestedAt.Equal(tested) {
		t.Errorf("tested again at %s, %v, the first time was %s", v.LastTestedAt, err, tested)
	}
	if _, err := r.Deactivate(t.Context(), "renamed"); err != nil {
		t.Fatal(err)
	}
	in.Limits.CallTimeout = spec.Duration(time.Second)
	if _, err := r.UpdateConnector(t.Context(), "renamed", in, 0); err != nil {
		t.Fatal(err)
	}
	v, err = r.Activate(t.Context(), "renamed")
	if err != nil || !v.LastTestedAt.After(tested) {
		t.Errorf("not tested again: %s, %v", v.LastTestedAt, err)
	}
}

func TestIDsAreNewAndSortByAge(t *testing.T) {
	var last string
	seen := map[string]bool{}
	for range 1000 {
		id, err := control.NewID("con")
		if err != nil || len(id) != 30 || !strings.HasPrefix(id, "con_") || strings.ContainsAny(id[4:], "ILOU") || id[4] > '7' {
			t.Fatalf("%q, %v", id, err)
		}
		if stamp := id[4:14]; stamp < last {
			t.Fatalf("%s after %s", stamp, last)
		} else if last = stamp; seen[id] {
			t.Fatalf("%s twice", id)
		}
		seen[id] = true
	}
	age := time.Now().UnixMilli()
	var stamp int64
	for _, c := range last {
		stamp = stamp<<5 | int64(strings.IndexRune("0123456789ABCDEFGHJKMNPQRSTVWXYZ", c))
	}
	if d := age - stamp; d < 0 || d > 10_000 {
		t.Errorf("the time in the id is %d ms off", d)
	}
}

func TestMessagesAreCutBetweenCharacters(t *testing.T) {
	for in, want := range map[string]int{
		"": 0, "short": 5, strings.Repeat("a", 512): 512, strings.Repeat("a", 513): 512,
		strings.Repeat("a", 511) + "ä": 511, strings.Repeat("機", 200): 510,
	} {
		if got := control.Cut(in); len(got) != want || !strings.HasPrefix(in, got) {
			t.Errorf("%d bytes were cut to %d, want %d", len(in), len(got), want)
		}
	}
}
