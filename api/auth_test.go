package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

// places are all routes under /api, with the ids of the tenant plant in them.
func (r *rig) places(connector, module string) (list [][2]string) {
	r.t.Helper()
	for _, route := range r.api.echo.Routes() {
		if !strings.HasPrefix(route.Path, "/api") || route.Method == "echo_route_not_found" {
			continue
		}
		path := strings.NewReplacer(":id", connector, ":digest", module).Replace(route.Path)
		if strings.Contains(path, ":") || strings.Contains(path, "*") {
			r.t.Fatalf("%s has a parameter that this test does not know", route.Path)
		}
		list = append(list, [2]string{route.Method, path})
	}
	if len(list) < 15 {
		r.t.Fatalf("only %d routes", len(list))
	}
	return list
}

func TestNothingAnswersWithoutAToken(t *testing.T) {
	r := newRig(t)
	last := r.token[len(r.token)-1:]
	other := "x"
	if last == other {
		other = "y"
	}
	bad := map[string]func(*http.Request){
		"none":           header("Authorization", ""),
		"another scheme": header("Authorization", "Basic "+r.token),
		"empty":          header("Authorization", "Bearer "),
		"no scheme":      header("Authorization", r.token),
		"misspelt":       header("Authorization", "Bearer "+strings.TrimSuffix(r.token, last)+other),
		"unknown":        header("Authorization", "Bearer snr_abcdefghij23_0000000000000000000000000000000000000000001_1Ulo6M"),
		"in a cookie": func(req *http.Request) {
			req.Header.Del("Authorization")
			req.AddCookie(&http.Cookie{Name: statusCookie, Value: r.token})
		},
		"in the query": func(req *http.Request) {
			req.Header.Del("Authorization")
			req.URL.RawQuery = "token=" + r.token + "&access_token=" + r.token
		},
	}
	for _, at := range r.places("con_1", strings.Repeat("a", 64)) {
		for name, edit := range bad {
			p := r.call(at[0], at[1], "{}", edit)
			if p.problem(fault.Unauthenticated); p.header.Get("WWW-Authenticate") == "" || t.Failed() {
				t.Fatalf("%s %s with a token %s: %d %v", at[0], at[1], name, p.status, p.header)
			}
		}
	}
	metrics := r.call(http.MethodGet, "/metrics", "")
	if !strings.Contains(string(metrics.body), `snaprail_authn_failures_total{code="unauthenticated"} `+itoa(len(bad)*len(r.places("", "")))) {
		t.Errorf("failures are not counted:\n%s", grep(metrics.body, "authn"))
	}
	if strings.Contains(r.log.String(), r.token) {
		t.Error("the log holds a token")
	}
}

func TestAnotherTenantSeesNothing(t *testing.T) {
	r := newRig(t)
	c := r.activated("meter", 3)
	r.until("records", func() bool { return strings.Contains(r.read("/api/stream?connector=meter", 1, r.token), "line 0") })
	spec := tailSpec("meter", c.Module, "/x")
	for _, at := range r.places(c.ID, c.Module) {
		if !strings.Contains(at[1], c.ID) && !strings.Contains(at[1], c.Module) {
			continue
		}
		body := ""
		if at[0] == http.MethodPut {
			body = strings.Replace(spec, c.Module, strings.Repeat("0", 64), 1)
		}
		p := r.call(at[0], at[1], body, header("Authorization", "Bearer "+r.other))
		if p.problem(fault.NotFound); t.Failed() {
			t.Fatalf("%s %s: %d %s", at[0], at[1], p.status, p.body)
		}
	}
	for _, path := range []string{"/api/connectors", "/api/modules", "/api/devices"} {
		p := r.call(http.MethodGet, path, "", header("Authorization", "Bearer "+r.other))
		if string(p.body) != `{"items":[]}`+"\n" {
			t.Errorf("%s: %s", path, p.body)
		}
	}
	r.call(http.MethodGet, "/api/stream?connector="+c.ID, "", header("Authorization", "Bearer "+r.other)).problem(fault.NotFound)
	r.call(http.MethodGet, "/api/devices?connector="+c.ID, "", header("Authorization", "Bearer "+r.other)).problem(fault.NotFound)
	r.call(http.MethodGet, "/api/connectors/"+c.ID, "").ok(http.StatusOK, nil)
}
