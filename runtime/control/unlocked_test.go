package control_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestInterlockThatIsLeftOutStays: the file that made a connector knows nothing
// of the interlock that somebody gave it afterwards. Null takes it away, as does
// a grant of other resources, and both say so, before and after.
func TestInterlockThatIsLeftOutStays(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	locked := spec.Grant{
		Group: "serial", Resources: []string{"/dev/a", "/dev/b"}, Rights: []spec.Right{spec.Read, spec.Write},
		Interlock: &spec.Interlock{Tags: []spec.TagRule{{Tag: "t"}}},
	}
	const away = "this takes the interlock of serial /dev/a /dev/b away"
	for _, tt := range []struct {
		name, grants string
		stays        bool
		says         string
	}{
		{"left out", `[{"group":"serial","resources":["/dev/b","/dev/a"],"rights":["write"]}]`, true, ""},
		{"another", `[{"group":"serial","resources":["/dev/a","/dev/b"],"rights":["write"],"interlock":{"unasked":true}}]`, true, ""},
		{"null", `[{"group":"serial","resources":["/dev/a","/dev/b"],"rights":["write"],"interlock":null}]`, false, away + ", and leaves a right to write to serial"},
		{"other resources", `[{"group":"serial","resources":["/dev/*"],"rights":["write"]}]`, false, away + ", and leaves a right to write to serial"},
		{"only to read", `[{"group":"serial","resources":["/dev/a","/dev/b"]}]`, false, away + ", with the right to write"},
		{"no grant", `[]`, false, away + ", with the right to write"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := strings.ReplaceAll(tt.name, " ", "_")
			says := func(warnings []string) {
				t.Helper()
				about := slices.DeleteFunc(slices.Clone(warnings), func(w string) bool { return !strings.Contains(w, "interlock") })
				if got := strings.Join(about, "\n"); got != tt.says {
					t.Errorf("the warnings are %q, want %q", got, tt.says)
				}
			}
			r.create(control.ConnectorInput{Name: name, Module: con, Grants: []spec.Grant{locked}})
			doc := fmt.Sprintf(`{"kind":"connector","name":%q,"module":%q,"grants":%s}`, name, con, tt.grants)
			says(r.apply(control.ApplyOptions{DryRun: true}, doc).Changes[0].Warnings)
			if n := interlocks(t, r, name); n != 1 {
				t.Fatalf("a plan left %d interlocks", n)
			}
			v, err := r.PatchConnector(t.Context(), name, json.RawMessage(`{"grants":`+tt.grants+`}`), 0)
			if err != nil {
				t.Fatal(err)
			}
			says(v.Warnings)
			if n := interlocks(t, r, name); (n == 1) != tt.stays {
				t.Errorf("there are %d interlocks", n)
			}
			if tt.stays {
				return
			}
			if _, err := r.UpdateConnector(t.Context(), name, control.ConnectorInput{Name: name, Module: con, Grants: []spec.Grant{locked}}, 0); err != nil {
				t.Fatal(err)
			}
			says(r.apply(control.ApplyOptions{}, doc).Changes[0].Warnings)
			if n := interlocks(t, r, name); n != 0 {
				t.Errorf("applied, and there are %d interlocks", n)
			}
		})
	}
}

func interlocks(t *testing.T, r *rig, name string) (n int) {
	t.Helper()
	v, err := r.Connector(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(v.Grants)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(raw), `"interlock"`)
}
