package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

func TestStatusPageShowsTenantsOnlyToThemselves(t *testing.T) {
	r := newRig(t)
	hostile := `<img src=x onerror=alert(1)>"'&`
	r.tailed("x", 1)
	body := strings.Replace(string(r.call("GET", "/api/connectors/x", "").body), `"name":"x"`, `"name":`+quote(hostile), 1)
	r.call("PUT", "/api/connectors/x", body).ok(http.StatusOK, nil)

	// No token, or one in the header: nothing but the page itself.
	for _, edit := range []func(*http.Request){header("Authorization", ""), header("Authorization", "Bearer "+r.token)} {
		p := r.call("GET", "/", "", edit)
		if p.status != 200 || strings.Contains(string(p.body), "onerror") || strings.Contains(string(p.body), "<table") || !strings.Contains(string(p.body), "1.2.3-test") {
			t.Errorf("%d %s", p.status, p.body)
		}
	}
	in := r.call("GET", "/?token="+r.token, "", header("Authorization", ""))
	if in.status != http.StatusSeeOther || in.header.Get("Location") != "/" {
		t.Fatalf("%d %v", in.status, in.header)
	}
	set := in.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(set, want) {
			t.Errorf("%s without %s", set, want)
		}
	}
	cookie, _, _ := strings.Cut(set, ";")
	p := r.call("GET", "/", "", header("Authorization", ""), header("Cookie", cookie))
	if p.header.Get("RateLimit") == "" {
		t.Error("the page counts in no rate")
	}
	page := string(p.body)
	if strings.Contains(page, "<img") || !strings.Contains(page, "&lt;img src=x onerror=alert(1)&gt;") || !strings.Contains(page, `state-draft`) {
		t.Errorf("%s", page)
	}
	csp := p.header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "script") {
		t.Error(csp)
	}
	other := r.call("GET", "/", "", header("Cookie", statusCookie+"="+r.other))
	if strings.Contains(string(other.body), "onerror") {
		t.Error("another tenant sees it")
	}
	gone := r.call("GET", "/", "", header("Cookie", statusCookie+"=nonsense"))
	if gone.status != 200 || strings.Contains(string(gone.body), "<table") || !strings.Contains(gone.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("%d %v", gone.status, gone.header)
	}
	wrong := r.call("GET", "/?token=nonsense", "")
	if wrong.problem(fault.Unauthenticated); wrong.header.Get("Set-Cookie") != "" {
		t.Error("a wrong token was kept")
	}
}

func TestPagesFetchOnlyTheirStyle(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/", "/docs"} {
		p := r.call("GET", path, "")
		page := string(p.body)
		if strings.Contains(page, "<script") || strings.Contains(page, "style=") || strings.Contains(page, " on") && strings.Contains(page, "onclick") {
			t.Errorf("%s runs or styles by itself", path)
		}
		if strings.Count(page, `<link rel="stylesheet" href="/style.css">`) != 1 {
			t.Errorf("%s has no style", path)
		}
	}
	if p := r.call("GET", "/style.css", ""); p.status != 200 || !strings.HasPrefix(p.header.Get("Content-Type"), "text/css") {
		t.Errorf("%d %v", p.status, p.header)
	}
}

func quote(s string) string { return string(appendString(nil, s)) }
