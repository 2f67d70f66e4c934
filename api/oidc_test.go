package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// elsewhere stands for a provider that lets everybody in who has kept what it
// gave; runtime/identity/oidc is held against a real one.
type elsewhere struct{}

func (elsewhere) Begin(_ context.Context, redirect string) (string, string, error) {
	return "https://login.example/authorize?to=" + url.QueryEscape(redirect), "kept", nil
}

func (elsewhere) Finish(_ context.Context, kept string, _ url.Values, redirect string) (identity.External, error) {
	if kept != "kept" || !strings.HasSuffix(redirect, "/api/login/oidc/callback") {
		return identity.External{}, fault.New(fault.OAuthState, "not begun here")
	}
	return identity.External{Tenant: "plant", Issuer: "https://login.example", Subject: "1", Display: "Ada", Role: identity.Operator}, nil
}

func TestLoginElsewhere(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Provider = elsewhere{} })
	p := r.call(http.MethodGet, "/api/login/oidc", "", header("Authorization", ""))
	cookies := (&http.Response{Header: p.header}).Cookies()
	if p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), "https://login.example/") || len(cookies) != 1 {
		t.Fatalf("%d %v", p.status, p.header)
	}
	if c := cookies[0]; !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge <= 0 || c.Name != "snaprail-oidc" {
		t.Errorf("%+v", c)
	}
	r.call(http.MethodGet, "/api/login/oidc/callback?code=x&state=y", "", header("Authorization", "")).problem(fault.OAuthState)
	p = r.call(http.MethodGet, "/api/login/oidc/callback?code=x&state=y", "", header("Authorization", ""), header("Cookie", "snaprail-oidc=kept"))
	if p.status != http.StatusOK || !strings.Contains(string(p.body), `url=/"`) {
		t.Fatalf("%d %s", p.status, p.body)
	}
	var session string
	for _, c := range (&http.Response{Header: p.header}).Cookies() {
		if c.Name == "snaprail" {
			session = "snaprail=" + c.Value
			if c.SameSite != http.SameSiteStrictMode {
				t.Errorf("%+v", c)
			}
		}
	}
	var me client.Me
	r.call(http.MethodGet, "/api/me", "", header("Authorization", ""), header("Cookie", session)).ok(http.StatusOK, &me)
	if me.Role != "operator" || me.Tenant != "plant" || !strings.HasPrefix(me.Name, "oidc-") {
		t.Errorf("%+v", me)
	}
	if p := newRig(t).call(http.MethodGet, "/api/login/oidc", ""); p.status != http.StatusNotFound {
		t.Errorf("without a provider: %d", p.status)
	}
}
