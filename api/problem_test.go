package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestEveryErrorHasOneForm(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Hosts = []string{"127.0.0.1"} })
	r.api.echo.GET("/api/panics", r.api.authenticated(func(echo.Context, *control.Tenant) error { panic("the secret of the stack") }))
	r.api.echo.GET("/api/fails", r.api.authenticated(func(echo.Context, *control.Tenant) error {
		return errors.New("the secret of the server")
	}))
	for _, c := range []struct {
		method, path, body string
		edit               func(*http.Request)
		want               fault.Kind
	}{
		{"GET", "/nothing", "", nil, fault.NotFound},
		{"GET", "/api/nothing", "", nil, fault.NotFound},
		{"GET", "/api/v1/nothing", "", nil, fault.NotFound},
		{"GET", "/api/connectors/..%2f..%2fetc%2fpasswd", "", nil, fault.NotFound},
		{"GET", "/..%5c..%5cetc", "", nil, fault.NotFound},
		{"PATCH", "/api/connectors", "", nil, fault.MethodUnsupported},
		{"DELETE", "/healthz", "", nil, fault.MethodUnsupported},
		{"GET", "/api/panics", "", nil, fault.Internal},
		{"GET", "/api/fails", "", nil, fault.Internal},
		{"GET", "/healthz", "", func(q *http.Request) { q.Host = "evil.example" }, fault.WrongHost},
		{"POST", "/api/connectors", "{", nil, fault.BodyInvalid},
		{"POST", "/api/connectors", "", nil, fault.BodyInvalid},
		{"POST", "/api/connectors", "{}", nil, fault.Invalid},
		{"POST", "/api/connectors", "[]", nil, fault.Invalid},
		{"POST", "/api/connectors", strings.Repeat(" ", maxBody+1), nil, fault.TooLarge},
		{"POST", "/api/connectors", "{}", header("Content-Type", "application/xml"), fault.MediaUnsupported},
		{"GET", "/api/connectors?limit=501", "", nil, fault.Invalid},
		{"GET", "/api/connectors?limit=x", "", nil, fault.Invalid},
		{"GET", "/api/connectors/none", "", nil, fault.NotFound},
		{"PUT", "/api/connectors/none", `{"name":"a","module":"00000000"}`, header("If-Match", "seven"), fault.StaleRevision},
		{"GET", "/api/connectors/none/logs?after=x", "", nil, fault.Invalid},
		{"GET", "/api/connectors/none/logs?follow=x", "", nil, fault.Invalid},
		{"GET", "/api/stream?from=x", "", nil, fault.Invalid},
		{"POST", "/api/modules", "text", header("Content-Type", "text/plain"), fault.MediaUnsupported},
		{"POST", "/api/modules", "text", header("Content-Type", "application/wasm"), fault.NotWasm},
	} {
		t.Run(c.method+" "+strings.SplitN(c.path, "?", 2)[0]+" "+c.want.String(), func(t *testing.T) {
			if c.edit == nil {
				c.edit = func(*http.Request) {}
			}
			p := r.call(c.method, c.path, c.body, c.edit)
			p.t = t
			got := p.problem(c.want)
			if strings.Contains(string(p.body), "secret") || strings.Contains(string(p.body), "goroutine") {
				t.Errorf("the body tells too much: %s", p.body)
			}
			if c.want == fault.MethodUnsupported && p.header.Get("Allow") == "" {
				t.Error("no Allow header")
			}
			if c.want == fault.Internal && !strings.Contains(r.log.String(), got.RequestID) {
				t.Error("the log does not have the request")
			}
		})
	}
	if log := r.log.String(); !strings.Contains(log, "the secret of the stack") || !strings.Contains(log, "the secret of the server") {
		t.Error("the log does not say what failed")
	}
}

func TestProblemNamesTheWrongFields(t *testing.T) {
	r := newRig(t)
	p := r.call("POST", "/api/connectors", `{"name": 7, "module": "x", "grants": [{"group": "serial"}, {"group": ["hunter2"]}], "unknown/~": 1}`)
	got := p.problem(fault.Invalid)
	at := map[string]string{}
	for _, f := range got.Errors {
		at[f.Pointer] = f.Detail
	}
	for _, pointer := range []string{"/name", "/grants/1/group", "/unknown~1~0"} {
		if at[pointer] == "" {
			t.Errorf("no error at %s: %v", pointer, got.Errors)
		}
	}
	if strings.Contains(string(p.body), "hunter2") {
		t.Errorf("the answer repeats a wrong value: %s", p.body)
	}
}

func TestEveryKindIsAProblem(t *testing.T) {
	s := &Server{cfg: Config{}.withDefaults()}
	for _, k := range fault.Kinds() {
		if k == fault.Internal {
			continue // its text is not for everybody
		}
		f := faultOf(fmt.Errorf("while x: %w", fault.New(k, "text").WithOffset(7)))
		if f.Kind != k || f.Text != "while x: text" || f.Offset != 7 {
			t.Errorf("%v: %+v", k, f)
		}
		if k.Info().Status < 400 {
			t.Errorf("%v has status %d", k, k.Info().Status)
		}
	}
	_ = s
}

func TestRequestIDIsTheClientsIfDecent(t *testing.T) {
	r := newRig(t)
	if p := r.call("GET", "/healthz", "", header("X-Request-Id", "abc-1.2_3")); p.header.Get("X-Request-Id") != "abc-1.2_3" {
		t.Error(p.header)
	}
	for _, id := range []string{"a b", strings.Repeat("a", 65), "\x1b[31m", "ü"} {
		req := r.request("GET", "/healthz", nil)
		req.Header["X-Request-Id"] = []string{id}
		if id == "\x1b[31m" {
			continue // the client refuses to send it
		}
		if p := r.do(req); p.header.Get("X-Request-Id") == id || p.header.Get("X-Request-Id") == "" {
			t.Errorf("%q: %v", id, p.header)
		}
	}
}

func TestAccessLogKnowsNoQuery(t *testing.T) {
	r := newRig(t)
	r.call("GET", "/?token="+r.token, "")
	r.call("GET", "/api/connectors?after=needle", "")
	r.until("log", func() bool { return strings.Contains(r.log.String(), "path=/api/connectors") })
	if log := r.log.String(); strings.Contains(log, r.token) || strings.Contains(log, "needle") {
		t.Errorf("the log holds a query:\n%s", grep([]byte(log), "msg=request"))
	}
}

func TestOpenAPICoversEveryRoute(t *testing.T) {
	r := newRig(t)
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]struct{ Responses map[string]any }
		Components struct{ Schemas map[string]any }
	}
	r.call("GET", "/openapi.json", "", header("Authorization", "")).ok(http.StatusOK, &doc)
	if doc.OpenAPI != "3.1.0" {
		t.Error(doc.OpenAPI)
	}
	if _, foreign := doc.Components.Schemas["ErrorModel"]; foreign || doc.Components.Schemas["Problem"] == nil {
		t.Error("errors are not documented as ours")
	}
	for _, route := range r.api.echo.Routes() {
		if _, ok := doc.Paths[templated(route.Path)][strings.ToLower(route.Method)]; !ok && route.Method != "echo_route_not_found" {
			t.Errorf("%s %s is not in the document", route.Method, route.Path)
		}
	}
	if p := r.call("GET", "/openapi.yaml", ""); p.status != 200 || !strings.Contains(string(p.body), "openapi: 3.1.0") {
		t.Errorf("%d %.100s", p.status, p.body)
	}
}

func TestDocsExplainEveryCode(t *testing.T) {
	r := newRig(t)
	p := r.call("GET", "/docs", "", header("Authorization", ""))
	for _, k := range fault.Kinds() {
		if !strings.Contains(string(p.body), `id="`+k.String()+`"`) {
			t.Errorf("/docs#%s leads nowhere", k)
		}
	}
	for _, id := range []string{"create-module", "stream-records", "update-connector", "schema-Connector"} {
		if !strings.Contains(string(p.body), `id="`+id+`"`) {
			t.Errorf("/docs lacks %s", id)
		}
	}
	for _, element := range skeleton(t, p.body) {
		if strings.HasPrefix(element, "script") || strings.Contains(element, "://") || strings.Contains(element, "=//") {
			t.Errorf("the page fetches something: %s", element)
		}
	}
}

// TestDocsListEverything: each operation with its parameters, the types of its
// bodies, and its statuses.
func TestDocsListEverything(t *testing.T) {
	r := newRig(t)
	page := string(r.call("GET", "/docs", "", header("Authorization", "")).body)
	for _, op := range r.document().sorted() {
		_, section, found := strings.Cut(page, `<h3 id="`+op.OperationID+`">`)
		section, _, _ = strings.Cut(section, "<h3")
		if !found || !strings.Contains(section, op.method+" "+op.path) {
			t.Errorf("%s is not there", op.OperationID)
		}
		var wanted []string
		for _, p := range op.Parameters {
			wanted = append(wanted, "<code>"+p.Name)
		}
		if op.RequestBody != nil {
			for kind, media := range op.RequestBody.Content {
				wanted = append(wanted, kind)
				if kind == "application/json" && media.Example != nil {
					wanted = append(wanted, "<pre>")
				}
			}
		}
		for status, form := range op.Responses {
			if form.Ref != "" {
				wanted = append(wanted, `#status-`+status+`"`)
				continue
			}
			wanted = append(wanted, "<td>"+status)
		}
		for _, text := range wanted {
			if !strings.Contains(section, text) && !strings.Contains(section, strings.ReplaceAll(text, "+", "&#43;")) {
				t.Errorf("%s: %s is not there", op.OperationID, text)
			}
		}
	}
}

func TestVersionedPathsAreTheSame(t *testing.T) {
	r := newRig(t)
	a, b := r.call("GET", "/api/modules", ""), r.call("GET", "/api/v1/modules", "")
	if a.status != 200 || string(a.body) != string(b.body) {
		t.Errorf("%s\n%s", a.body, b.body)
	}
	r.call("GET", "/api/v1x/modules", "").problem(fault.NotFound)
}
