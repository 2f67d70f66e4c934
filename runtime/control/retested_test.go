package control_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestResultOfAnotherConnector: a test that took its time says nothing of what
// somebody made of the connector meanwhile, neither well nor ill, and the trail
// has it all the same.
func TestResultOfAnotherConnector(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	with := func(n string) control.ConnectorInput {
		return control.ConnectorInput{Name: "c", Module: con, Config: json.RawMessage(`{"n":` + n + `}`)}
	}
	v := r.create(with("1"))
	old := r.read(v.ID).Connector
	if _, err := r.UpdateConnector(t.Context(), v.ID, with("2"), 0); err != nil {
		t.Fatal(err)
	}
	keep := func(result control.TestResult) spec.Connector {
		t.Helper()
		if err := control.KeepTest(t.Context(), r.Tenant, &old, result); err != nil {
			t.Fatal(err)
		}
		return r.read(v.ID).Connector
	}
	if c := keep(control.TestResult{Success: true, At: time.Now()}); c.Status != spec.StatusDraft || c.Tested != "" {
		t.Errorf("connected, and never tested: %s, %q", c.Status, c.Tested)
	}
	if _, err := r.TestConnector(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	if c := keep(control.TestResult{Message: "no answer", At: time.Now()}); c.Status != spec.StatusConnected || c.Tested == "" || strings.Contains(c.StatusMessage, "no answer") {
		t.Errorf("an old test took back a newer one: %s, %q, %q", c.Status, c.Tested, c.StatusMessage)
	}
	trail, _, err := r.Audit(t.Context(), control.AuditQuery{Action: "connector.test"}, control.Page{})
	if err != nil || len(trail) != 3 {
		t.Fatalf("the trail is %+v, %v", trail, err)
	}
	if got := trail[0].Detail; !strings.HasPrefix(got, "failed: no answer; it was changed") || trail[1].Detail != "passed" || trail[1].Module != con {
		t.Errorf("the trail says %+v", trail)
	}
}

// TestChangedConnectorsAreDrafts: what a test has said does not hold for another
// configuration, and holds again for the same.
func TestChangedConnectorsAreDrafts(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", "")
	in := control.ConnectorInput{Name: "c", Module: con, Config: json.RawMessage(`{"n":1}`)}
	v := r.create(in)
	if _, err := r.TestConnector(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	status := func(change control.ConnectorInput) spec.ConnectionStatus {
		t.Helper()
		v, err := r.UpdateConnector(t.Context(), v.ID, change, 0)
		if err != nil {
			t.Fatal(err)
		}
		return v.Status
	}
	renamed := in
	renamed.Name = "d"
	if got := status(renamed); got != spec.StatusConnected {
		t.Errorf("renamed: %s", got)
	}
	other := in
	other.Config = json.RawMessage(`{"n":2}`)
	if got := status(other); got != spec.StatusDraft {
		t.Errorf("another config: %s", got)
	}
	list, _, err := r.Connectors(t.Context(), control.ConnectorFilter{Status: spec.StatusConnected}, control.Page{})
	if err != nil || len(list) != 0 {
		t.Errorf("found as connected: %+v, %v", list, err)
	}
	if got := status(in); got != spec.StatusConnected {
		t.Errorf("what was tested: %s", got)
	}
	if err := control.KeepTest(t.Context(), r.Tenant, &v.Connector, control.TestResult{Message: "no answer", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	v = r.read(v.ID)
	if v.Status != spec.StatusError || v.StatusMessage != "no answer" {
		t.Errorf("after a test that failed: %s, %q", v.Status, v.StatusMessage)
	}
	if got := status(other); got != spec.StatusDraft {
		t.Errorf("changed after a test that failed: %s", got)
	}
	if v = r.read(v.ID); v.StatusMessage != "" {
		t.Errorf("it says %q", v.StatusMessage)
	}
}
