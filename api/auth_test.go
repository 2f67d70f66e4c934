package api

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

// guarded are all routes under /api that need a credential, with something in
// place of the parameters.
func (r *rig) guarded() (list [][2]string) {
	r.t.Helper()
	doc := r.document()
	parameter := regexp.MustCompile(`:\w+`)
	for _, route := range r.api.echo.Routes() {
		op := doc.operations[route.Method+" "+templated(route.Path)]
		if !strings.HasPrefix(route.Path, "/api") || op == nil || op.public() {
			continue
		}
		list = append(list, [2]string{route.Method, parameter.ReplaceAllString(route.Path, "x1")})
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
	places := r.guarded()
	for _, at := range places {
		for name, edit := range bad {
			p := r.call(at[0], at[1], "{}", edit)
			if at[0] == http.MethodHead && p.status == http.StatusUnauthorized {
				continue // an answer without a body
			}
			if p.problem(fault.Unauthenticated); p.header.Get("WWW-Authenticate") == "" || t.Failed() {
				t.Fatalf("%s %s with a token %s: %d %v", at[0], at[1], name, p.status, p.header)
			}
		}
	}
	metrics := r.call(http.MethodGet, "/metrics", "")
	if !strings.Contains(string(metrics.body), `snaprail_authn_failures_total{code="unauthenticated"} `+itoa(len(bad)*len(places))) {
		t.Errorf("failures are not counted:\n%s", grep(metrics.body, "authn"))
	}
	if strings.Contains(r.log.String(), r.token) {
		t.Error("the log holds a token")
	}
}

// TestAnotherTenantSeesNothing in lists, and nothing that is named in a query.
// TestEveryRouteKnowsItsCallers has the routes.
func TestAnotherTenantSeesNothing(t *testing.T) {
	r := newRig(t)
	c := r.activated("meter", 3)
	r.until("records", func() bool { return strings.Contains(r.read("/api/stream?connector=meter", 1, r.token), "line 0") })
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
