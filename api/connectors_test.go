package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestConnectorLife(t *testing.T) {
	r := newRig(t)
	c := r.tailed("meter", 5)
	if !strings.HasPrefix(c.ID, "con_") || c.Revision != 1 || c.Status != spec.StatusDraft || c.Runtime == nil || c.Runtime.State != lifecycle.Draft {
		t.Errorf("%+v", c)
	}
	shown := r.call("GET", "/api/connectors/meter", "")
	shown.ok(http.StatusOK, &c)
	if shown.header.Get("ETag") != `"1"` {
		t.Error(shown.header)
	}
	// What was read can be changed and sent back.
	back := strings.Replace(string(shown.body), `"meter"`, `"meter 2/ü"`, 1)
	p := r.call("PUT", "/api/connectors/"+c.ID, back, header("If-Match", `"1"`))
	p.ok(http.StatusOK, &c)
	if c.Name != "meter 2/ü" || c.Revision != 2 || p.header.Get("ETag") != `"2"` {
		t.Errorf("%v %+v", p.header, c)
	}
	r.call("GET", "/api/connectors/meter%202%2F%C3%BC", "").ok(http.StatusOK, nil)
	r.call("PUT", "/api/connectors/"+c.ID, back, header("If-Match", `"1"`)).problem(fault.StaleRevision)
	r.call("PUT", "/api/connectors/"+c.ID, back).ok(http.StatusOK, &c) // the sources' endpoints do not need it
	r.call("POST", "/api/connectors", back).problem(fault.Exists)

	var tested client.TestResult
	r.call("POST", "/api/connectors/"+c.ID+"/test", "").ok(http.StatusOK, &tested)
	if !tested.Success || tested.LatencyMS <= 0 || tested.TestedAt.IsZero() || tested.Details["latency_ms"] != tested.LatencyMS {
		t.Errorf("%+v", tested)
	}
	r.call("POST", "/api/connectors/"+c.ID+"/activate", "").ok(http.StatusOK, &c)
	if !c.Enabled() || c.Status != spec.StatusConnected {
		t.Errorf("%+v", c)
	}
	r.until("records", func() bool {
		var s lifecycle.Status
		r.call("GET", "/api/connectors/"+c.ID+"/status", "").ok(http.StatusOK, &s)
		return s.State == lifecycle.Running && s.Counters.Records == 5
	})
	for _, path := range []string{"/api/devices", "/api/devices?connector=" + c.ID, "/api/connectors/" + c.ID + "/devices"} {
		var list client.List[spec.Device]
		r.call("GET", path, "").ok(http.StatusOK, &list)
	}
	r.call("POST", "/api/connectors/"+c.ID+"/deactivate", "").ok(http.StatusOK, &c)
	if c.Enabled() || c.Runtime.State != lifecycle.Stopped {
		t.Errorf("%+v", c.Runtime)
	}
	r.call("DELETE", "/api/connectors/"+c.ID, "", header("If-Match", `"1"`)).problem(fault.StaleRevision)
	r.call("DELETE", "/api/connectors/"+c.ID, "", header("If-Match", etag(c.Revision))).ok(http.StatusNoContent, nil)
	r.call("GET", "/api/connectors/"+c.ID, "").problem(fault.NotFound)
}

func TestFailedTestIsAResult(t *testing.T) {
	r := newRig(t)
	m := r.upload("filetail")
	r.call("POST", "/api/connectors", tailSpec("lost", m.Digest, r.dir+"/not-there")).ok(http.StatusCreated, nil)
	var tested client.TestResult
	r.call("POST", "/api/connectors/lost/test", "").ok(http.StatusOK, &tested)
	if tested.Success || tested.Message == "" {
		t.Errorf("%+v", tested)
	}
	r.call("POST", "/api/connectors/lost/activate", "").problem(fault.NotConnected)
}

func TestWrongConfigNamesTheField(t *testing.T) {
	r := newRig(t)
	m := r.upload("filetail")
	body := strings.Replace(tailSpec("bad", m.Digest, "/x"), `"path":`, `"path":7,"p":`, 1)
	got := r.call("POST", "/api/connectors", body).problem(fault.ConfigInvalid)
	found := false
	for _, f := range got.Errors {
		found = found || f.Pointer == "/config/path"
	}
	if !found {
		t.Errorf("%+v", got.Errors)
	}
	var list client.List[client.Connector]
	r.call("GET", "/api/connectors", "").ok(http.StatusOK, &list)
	if len(list.Items) != 0 {
		t.Error("something is left behind")
	}
}

func TestDurationsInBothForms(t *testing.T) {
	r := newRig(t)
	m := r.upload("filetail")
	for name, interval := range map[string]string{"text": `"1.5s"`, "number": `1.5`} {
		body := strings.Replace(tailSpec(name, m.Digest, "/x"), `"10ms"`, interval, 1)
		var raw struct{ Poll json.RawMessage }
		r.call("POST", "/api/connectors", body).ok(http.StatusCreated, &raw)
		if string(raw.Poll) != `{"interval":"1.5s"}` {
			t.Errorf("%s: %s", name, raw.Poll)
		}
	}
}

func TestListsByOrganization(t *testing.T) {
	r := newRig(t)
	r.tailed("a", 1)
	r.tailed("b", 1)
	for query, want := range map[string]int{"": 2, "?organization_id=plant": 2, "?organization_id=other": 0, "?limit=1": 1} {
		var list client.List[client.Connector]
		r.call("GET", "/api/connectors"+query, "").ok(http.StatusOK, &list)
		if len(list.Items) != want {
			t.Errorf("%s: %d connectors, want %d", query, len(list.Items), want)
		}
	}
}
