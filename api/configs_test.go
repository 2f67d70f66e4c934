package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestConnectorHasTheFieldsOfItsSpecification, by their names, with their
// defaults.
func TestConnectorHasTheFieldsOfItsSpecification(t *testing.T) {
	r := newRig(t)
	c := r.tailed("meter", 1)
	var raw map[string]any
	r.call("GET", "/api/connectors/"+c.ID, "").ok(http.StatusOK, &raw)
	for name, want := range map[string]any{
		"name": "meter", "organization_id": "plant", "is_enabled": false, "is_default": false, "status": "draft",
		"provider_type": "filetail", "category": c.Category,
	} {
		if raw[name] != want || raw[name] == "" {
			t.Errorf("%s is %v, want %v", name, raw[name], want)
		}
	}
	if _, old := raw["enabled"]; old || raw["config"] == nil {
		t.Errorf("%v", raw)
	}
	for _, name := range []string{strings.Repeat("n", 256), ""} {
		body := strings.Replace(tailSpec("x", c.Module, "/x"), `"name":"x"`, `"name":"`+name+`"`, 1)
		r.call("POST", "/api/connectors", body).problem(fault.ConfigInvalid)
	}
	long := strings.Replace(tailSpec("x", c.Module, "/x"), `"name":"x"`, `"name":"x","provider_type":"`+strings.Repeat("p", 65)+`"`, 1)
	if p := r.call("POST", "/api/connectors", long); p.status != http.StatusUnprocessableEntity && p.status != http.StatusBadRequest {
		t.Errorf("status %d: %s", p.status, p.body)
	}
	r.call("POST", "/api/connectors/"+c.ID+"/test", "").ok(http.StatusOK, nil)
	r.call("GET", "/api/connectors/"+c.ID, "").ok(http.StatusOK, &raw)
	if raw["status"] != "connected" || raw["status_message"] == nil || !strings.HasSuffix(raw["last_tested_at"].(string), "Z") {
		t.Errorf("%v", raw)
	}
}

// TestConnectorOfAType by the API, and what is answered when there is none.
func TestConnectorOfAType(t *testing.T) {
	r := newRig(t)
	m := r.upload("filetail")
	body := func(name, category, provider string) string {
		return `{"name":"` + name + `","category":"` + category + `","provider_type":"` + provider + `"}`
	}
	var c client.Connector
	r.call("POST", "/api/connectors", body("a", m.Manifest.Category, "filetail")).ok(http.StatusCreated, &c)
	if c.Module != m.Digest {
		t.Errorf("%+v", c)
	}
	r.call("POST", "/api/connectors", body("b", m.Manifest.Category, "none")).problem(fault.TypeUnknown)
}

// TestDefaultConnectorRoute: 404 until one is active.
func TestDefaultConnectorRoute(t *testing.T) {
	r := newRig(t)
	c := r.tailed("meter", 1)
	path := "/api/connectors/default?category=" + c.Category
	r.call("GET", path, "").problem(fault.NotFound)
	r.call("PATCH", "/api/connectors/"+c.ID, `{"is_default":true}`, header("Content-Type", mergePatch)).ok(http.StatusOK, &c)
	if !c.Default() {
		t.Errorf("%+v", c)
	}
	r.call("GET", path, "").problem(fault.NotFound)
	r.call("POST", "/api/connectors/"+c.ID+"/activate", "").ok(http.StatusOK, nil)
	var got client.Connector
	r.call("GET", path, "").ok(http.StatusOK, &got)
	if got.ID != c.ID {
		t.Errorf("%+v", got)
	}
	if p := r.call("GET", "/api/connectors/default", ""); p.status/100 != 4 {
		t.Errorf("without a category: %d", p.status)
	}
}

// TestListFilters of the query.
func TestListFilters(t *testing.T) {
	r := newRig(t)
	c := r.activated("a", 1)
	r.tailed("b", 1)
	for query, want := range map[string]int{
		"?category=" + c.Category: 2, "?category=none": 0, "?provider_type=filetail": 2, "?provider_type=x": 0,
		"?status=draft": 1, "?status=connected": 1, "?status=error": 0, "?is_enabled=true": 1, "?is_enabled=false": 1,
		"?is_enabled=true&status=draft": 0, "?organization_id=plant&is_enabled=true": 1, "?organization_id=other&is_enabled=true": 0,
	} {
		var list client.List[client.Connector]
		r.call("GET", "/api/connectors"+query, "").ok(http.StatusOK, &list)
		if len(list.Items) != want {
			t.Errorf("%s: %d connectors, want %d", query, len(list.Items), want)
		}
	}
	for _, query := range []string{"?status=great", "?is_enabled=perhaps"} {
		if p := r.call("GET", "/api/connectors"+query, ""); p.status/100 != 4 {
			t.Errorf("%s: %d", query, p.status)
		}
	}
}

// TestPatchRoute: the revision is honoured, and the type of the body too.
func TestPatchRoute(t *testing.T) {
	r := newRig(t)
	c := r.tailed("meter", 1)
	path := "/api/connectors/" + c.ID
	for _, kind := range []string{mergePatch, "application/json"} {
		p := r.call("PATCH", path, `{"poll":{"interval":"3s"}}`, header("Content-Type", kind), header("If-Match", etag(c.Revision)))
		p.ok(http.StatusOK, &c)
		if c.Poll.Interval != 3e9 || p.header.Get("ETag") != etag(c.Revision) || len(c.Grants) != 1 {
			t.Errorf("%+v", c)
		}
	}
	r.call("PATCH", path, `{}`, header("Content-Type", mergePatch), header("If-Match", `"1"`)).problem(fault.StaleRevision)
	r.call("PATCH", path, `{"config":{"path":7}}`, header("Content-Type", mergePatch)).problem(fault.ConfigInvalid)
	r.call("PATCH", path, `{}`, header("Content-Type", "text/plain")).problem(fault.MediaUnsupported)
	r.call("PATCH", path, `[]`, header("Content-Type", mergePatch)).problem(fault.BodyInvalid)
	for _, slip := range []string{`{"param":[]}`, `{"Params":[]}`, `{"poll":{"interval":"4s"},"param":null}`} {
		r.call("PATCH", path, slip, header("Content-Type", mergePatch)).problem(fault.Invalid)
	}
	var now client.Connector
	r.call("GET", path, "").ok(http.StatusOK, &now)
	if now.Revision != c.Revision || now.Poll.Interval != 3e9 {
		t.Errorf("a patch that was refused changed it: %+v", now)
	}
}

// TestParamsAndConfigRoutes: rows in, rows out, and what they make.
func TestParamsAndConfigRoutes(t *testing.T) {
	r := newRig(t)
	c := r.tailed("meter", 1)
	path := "/api/connectors/" + c.ID
	var rows client.Params
	r.call("GET", path+"/params", "").ok(http.StatusOK, &rows)
	if rows.Params == nil || len(rows.Params) != 0 {
		t.Errorf("%+v", rows)
	}
	p := r.call("PUT", path+"/params", `{"params":[{"key":"path","value":"/y","value_type":"text"}]}`, header("If-Match", etag(c.Revision)))
	p.ok(http.StatusOK, &rows)
	if len(rows.Params) != 1 || rows.Params[0].Sequence != spec.DefaultSequence || p.header.Get("ETag") != etag(c.Revision+1) {
		t.Errorf("%+v, %v", rows, p.header)
	}
	r.call("PUT", path+"/params", string(p.body)).ok(http.StatusOK, nil) // what was read can be sent back
	r.call("PUT", path+"/params", `{"params":[]}`, header("If-Match", `"1"`)).problem(fault.StaleRevision)
	var got struct {
		Success bool
		Config  json.RawMessage
	}
	shown := r.call("GET", path+"/config", "")
	shown.ok(http.StatusOK, &got)
	if !got.Success || string(got.Config) != `{"path":"/y"}` || shown.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%+v %s, %v", got, got.Config, shown.header)
	}
	bad := r.call("PUT", path+"/params", `{"params":[{"key":"path","value":"/y"},{"key":"path.x","value":"1"}]}`).problem(fault.ConfigInvalid)
	if len(bad.Errors) != 1 || bad.Errors[0].Pointer != "/params/1/key" {
		t.Errorf("%+v", bad.Errors)
	}
}

// TestImportRoute in its three forms.
func TestImportRoute(t *testing.T) {
	r := newRig(t)
	c := r.tailed("meter", 1)
	path := "/api/connectors/" + c.ID + "/import-config"
	encoded := base64.StdEncoding.EncodeToString([]byte(`{"path":"/base64"}`))
	kind, form := formOf([2]string{"file", `{"path":"/form"}`})
	for want, send := range map[string]func() reply{
		"/json": func() reply { return r.call("POST", path, `{"json_data":{"path":"/json"}}`) },
		"/base64": func() reply {
			return r.call("POST", path, `{"file_content":"`+encoded+`","file_name":"x.json","file_mime":"application/json"}`)
		},
		"/form": func() reply { return r.call("POST", path, form, header("Content-Type", kind)) },
	} {
		p := send()
		p.ok(http.StatusOK, &c)
		if len(c.Params) != 1 || c.Params[0].Value != want || p.header.Get("ETag") != etag(c.Revision) {
			t.Errorf("%s: %+v", want, c.Params)
		}
	}
	revision := c.Revision
	bad := r.call("POST", path, `{"json_data":{"path":7,"surprise":1}}`).problem(fault.ConfigInvalid)
	at := make([]string, len(bad.Errors))
	for i, e := range bad.Errors {
		at[i] = e.Pointer
	}
	if !slices.Contains(at, "/config/path") && !slices.Contains(at, "/config/surprise") {
		t.Errorf("%q", at)
	}
	r.call("POST", path, `{}`).problem(fault.BodyInvalid)
	r.call("POST", path, `{"file_content":"***"}`).problem(fault.BodyInvalid)
	r.call("POST", path, `{"json_data":{},"file_content":"e30="}`).problem(fault.BodyInvalid)
	r.call("POST", path, `nonsense`).problem(fault.BodyInvalid)
	r.call("POST", path, `x`, header("Content-Type", "text/plain")).problem(fault.MediaUnsupported)
	r.call("POST", path, `{"json_data":"`+strings.Repeat("x", maxImport)+`"}`).problem(fault.TooLarge)
	r.call("POST", path, `{"json_data":{"path":"/x"}}`, header("If-Match", `"1"`)).problem(fault.StaleRevision)
	r.call("GET", "/api/connectors/"+c.ID, "").ok(http.StatusOK, &c)
	if c.Revision != revision {
		t.Errorf("changed all the same: %+v", c.Params)
	}
}
