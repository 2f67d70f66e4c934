package api

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// browser is a user of plant who has logged in: it edits requests as a browser
// on one of our own pages makes them.
func (r *rig) browser(name string, role identity.Role) func(*http.Request) {
	r.t.Helper()
	w := &world{rig: r}
	r.call(http.MethodPost, "/api/users", `{"name":"`+name+`","role":"`+string(role)+`"}`).ok(http.StatusCreated, nil)
	r.call(http.MethodPost, "/api/users/"+name+"/password", `{"password":"`+goodPassword+`"}`).ok(http.StatusNoContent, nil)
	body := `{"name":"` + name + `","password":"` + goodPassword + `"}`
	cookie := cookieOf(w.call(http.MethodPost, "/api/login", body, header("Authorization", "")))
	return func(req *http.Request) {
		req.Header.Del("Authorization")
		req.Header.Set("Cookie", cookie)
		req.Header.Set("Origin", r.http.URL)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
}

func TestLoginAndLogout(t *testing.T) {
	r := newRig(t)
	ada := r.browser("ada", identity.Operator)
	var me client.Me
	r.call(http.MethodGet, "/api/me", "", ada).ok(http.StatusOK, &me)
	if me.Name != "ada" || me.Tenant != "plant" || me.Kind != "user" || me.Role != "operator" || !me.Operator {
		t.Errorf("%+v", me)
	}
	has := strings.Join(me.Permissions, " ")
	if !strings.Contains(has, "connectors:use") || strings.Contains(has, "connectors:write") || strings.Contains(has, "tenants") {
		t.Errorf("%s", has)
	}
	r.call(http.MethodPost, "/api/users", `{"name":"eve","role":"admin"}`, ada).problem(fault.RoleRequired)
	p := r.call(http.MethodPost, "/api/logout", "", ada)
	if p.status != http.StatusNoContent || !strings.Contains(p.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("%d %v", p.status, p.header)
	}
	r.call(http.MethodGet, "/api/me", "", ada).problem(fault.Unauthenticated)
	wrong := `{"tenant":"plant","name":"ada","password":"` + goodPassword + `!"}`
	r.call(http.MethodPost, "/api/login", wrong).problem(fault.LoginFailed)
	for _, secret := range []string{goodPassword, "sns_", "snl_"} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestSessionCookie(t *testing.T) {
	r := newRig(t)
	u := r.call(http.MethodPost, "/api/users", `{"name":"ada","role":"viewer"}`)
	u.ok(http.StatusCreated, nil)
	r.call(http.MethodPost, "/api/users/ada/password", `{"password":"`+goodPassword+`"}`).ok(http.StatusNoContent, nil)
	p := r.call(http.MethodPost, "/api/login", `{"name":"ada","password":"`+goodPassword+`"}`)
	cookies := (&http.Response{Header: p.header}).Cookies()
	if len(cookies) != 1 {
		t.Fatal(p.header)
	}
	if c := cookies[0]; c.Name != "snaprail" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("%+v", c)
	}
	tls := newSessionCookie(&http.Request{TLS: tlsState()}, "x")
	if tls.Name != "__Host-snaprail" || !tls.Secure || tls.Domain != "" || tls.Path != "/" {
		t.Errorf("%+v", tls)
	}
}

// TestPagesOfOthersCannotAct: what changes something with a session comes from
// our own pages. Who comes with a token is no page.
func TestPagesOfOthersCannotAct(t *testing.T) {
	r := newRig(t)
	ada := r.browser("ada", identity.Admin)
	n := 0
	create := func(edits ...func(*http.Request)) reply {
		n++
		return r.call(http.MethodPost, "/api/users", `{"name":"new-`+itoa(n)+`","role":"viewer"}`, edits...)
	}
	host := strings.TrimPrefix(r.http.URL, "http://")
	for _, c := range []struct {
		site, origin string
		may          bool
	}{
		{"same-origin", r.http.URL, true},
		{"", r.http.URL, true},
		{"same-origin", "", true},
		{"", "", false},
		{"none", "", false},
		{"cross-site", "", false},
		{"cross-site", r.http.URL, false},
		{"same-site", "", false},
		{"same-site", r.http.URL, false},
		{"same-origin", "https://evil.example", false},
		{"", "https://evil.example", false},
		{"", "null", false},
		{"", "http://" + host + ".evil.example", false},
		{"", "http://sub." + host, false},
		{"", "http://127.0.0.1:1", false},
		{"", "http://" + host + "/path", false},
		{"", "http://localhost@" + host + ".evil", false},
	} {
		from := func(req *http.Request) {
			for name, value := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin} {
				if req.Header.Del(name); value != "" {
					req.Header.Set(name, value)
				}
			}
		}
		p := create(ada, from)
		if c.may {
			p.ok(http.StatusCreated, nil)
			continue
		}
		if p.problem(fault.CrossOrigin); t.Failed() {
			t.Fatalf("%+v: %d", c, p.status)
		}
		create(from).ok(http.StatusCreated, nil)                                // with a token
		r.call(http.MethodGet, "/api/me", "", ada, from).ok(http.StatusOK, nil) // which nobody can read elsewhere
		if c.site != "" || c.origin != "" {
			if c.site != "none" {
				r.call(http.MethodPost, "/api/login", `{"name":"x","password":"y"}`, header("Authorization", ""), from).problem(fault.CrossOrigin)
				r.call(http.MethodPost, "/api/setup", `{"link":"x","name":"x","password":"y"}`, header("Authorization", ""), from).problem(fault.CrossOrigin)
			}
		}
		r.call(http.MethodPost, "/api/logout", "", ada, from).problem(fault.CrossOrigin)
	}
	if p := r.call(http.MethodGet, "/api/me", ""); p.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("other pages may read answers")
	}
}

// TestOpenStreamsEndWithTheirCredential: within a second of the revocation of a
// token, or of whatever else ends a credential, the streams that it opened end.
func TestOpenStreamsEndWithTheirCredential(t *testing.T) {
	r := newRig(t)
	r.activated("meter", 3)
	ada := r.browser("ada", identity.Viewer)
	var token client.NewToken
	r.call(http.MethodPost, "/api/tokens", `{"name":"leaked","role":"viewer"}`).ok(http.StatusCreated, &token)
	leaked := header("Authorization", "Bearer "+token.Secret)
	for name, c := range map[string]struct {
		as  func(*http.Request)
		end func() reply
	}{
		"token revoked": {leaked, func() reply {
			return r.call(http.MethodDelete, "/api/tokens/"+token.ID, "", header("If-Match", "*"))
		}},
		"user disabled": {ada, func() reply {
			return r.call(http.MethodPatch, "/api/users/ada", `{"disabled":true}`, header("If-Match", "*"))
		}},
	} {
		for _, path := range []string{"/api/stream?from=start", "/api/connectors/meter/logs?follow=true"} {
			lines := r.open(path, c.as)
			defer lines.end()
			began := time.Now()
			if p := c.end(); p.status >= http.StatusBadRequest && p.status != http.StatusNotFound { // the second time it has gone
				t.Fatalf("%s: %d %s", name, p.status, p.body)
			}
			if path != "/api/stream?from=start" {
				continue
			}
			if got := lastProblem(t, lines); got.Code != fault.Unauthenticated.String() {
				t.Errorf("%s: %+v", name, got)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("%s: %s ended after %s", name, path, took)
			}
			break
		}
		r.call(http.MethodGet, "/api/connectors", "", c.as).problem(fault.Unauthenticated)
	}
}

// TestAuditVerifyFindsATamperedTrail, through the API and after a direct edit of
// the store.
func TestAuditVerifyOverTheAPI(t *testing.T) {
	r := newRig(t)
	r.browser("ada", identity.Admin)
	for _, trail := range []string{"tenant", "server"} {
		var v client.Verdict
		r.call(http.MethodGet, "/api/audit/verify?trail="+trail, "").ok(http.StatusOK, &v)
		if !v.OK || v.Events < 2 || v.Head.Hash == "" {
			t.Errorf("%s: %+v", trail, v)
		}
		r.call(http.MethodGet, "/api/audit/verify?trail="+trail+"&sequence=1&hash="+strings.Repeat("0", 64), "").ok(http.StatusOK, &v)
		if v.OK || v.Broken != 1 {
			t.Errorf("%s against a note: %+v", trail, v)
		}
	}
	r.call(http.MethodGet, "/api/audit/verify?trail=server", "", header("Authorization", "Bearer "+r.other)).problem(fault.RoleRequired)
}

// TestChangesOfPeopleAreAudited, in the tenant's trail and in the server's, and
// neither holds a secret.
func TestChangesOfPeopleAreAudited(t *testing.T) {
	r := newRig(t)
	ada := r.browser("ada", identity.Admin)
	var token client.NewToken
	r.call(http.MethodPost, "/api/tokens", `{"name":"all's","role":"viewer"}`, ada).ok(http.StatusCreated, &token)
	r.call(http.MethodDelete, "/api/tokens/"+token.ID, "", header("If-Match", "*"), ada).ok(http.StatusNoContent, nil)
	r.call(http.MethodPost, "/api/tenants", `{"id":"third"}`, ada).ok(http.StatusCreated, nil)
	r.call(http.MethodDelete, "/api/tenants/third", "", header("If-Match", "*"), ada).ok(http.StatusNoContent, nil)
	for trail, want := range map[string][]string{
		"tenant": {"user.create", "user.password", "token.create", "token.revoke"},
		"server": {"user.create", "user.password", "token.create", "token.revoke", "tenant.create", "tenant.delete"},
	} {
		p := r.call(http.MethodGet, "/api/audit?limit=500&trail="+trail, "")
		var list client.List[client.Event]
		p.ok(http.StatusOK, &list)
		seen := map[string]bool{}
		for _, e := range list.Items {
			seen[e.Action] = true
		}
		for _, action := range want {
			if !seen[action] {
				t.Errorf("%s is not in the trail of the %s", action, trail)
			}
		}
		if strings.Contains(string(p.body), token.Secret) || strings.Contains(string(p.body), "snl_") || strings.Contains(string(p.body), "$argon2") {
			t.Errorf("the trail of the %s holds a secret", trail)
		}
	}
}

// TestTheServersTrailIsTheOperators: what everybody may do as often as they like
// leaves no line in the server's trail, and is noted in the tenant's.
func TestTheServersTrailIsTheOperators(t *testing.T) {
	r := newRig(t)
	ada := r.browser("ada", identity.Viewer)
	before := r.trail("server")
	for range 30 {
		var token client.NewToken
		r.call(http.MethodPost, "/api/tokens", `{"name":"mine","own":true}`, ada).ok(http.StatusCreated, &token)
		r.call(http.MethodDelete, "/api/tokens/"+token.ID, "", header("If-Match", "*"), ada).ok(http.StatusNoContent, nil)
	}
	r.browser("bob", identity.Viewer) // and their login
	r.call(http.MethodPost, "/api/logout", "", ada).ok(http.StatusNoContent, nil)
	r.until("the tenant's trail has them", func() bool {
		seen := map[string]int{}
		for _, e := range r.trail("tenant") {
			seen[e.Action]++
		}
		return seen["token.create"] >= 30 && seen["token.revoke"] >= 30 && seen["login"] >= 1 && seen["logout"] == 1
	})
	after := r.trail("server")
	for _, e := range after[:len(after)-len(before)] {
		if e.Action == "login" || e.Action == "logout" || strings.HasPrefix(e.Action, "token.") {
			t.Errorf("%s is in the server's trail", e.Action)
		}
	}
}

func (r *rig) trail(of string) []client.Event {
	r.t.Helper()
	var list client.List[client.Event]
	r.call(http.MethodGet, "/api/audit?limit=500&trail="+of, "").ok(http.StatusOK, &list)
	return list.Items
}

// TestTokensOfOnesOwn: a viewer makes and revokes their own, of no higher role,
// and sees no others.
func TestTokensOfOnesOwn(t *testing.T) {
	r := newRig(t)
	ada := r.browser("ada", identity.Viewer)
	var token client.NewToken
	r.call(http.MethodPost, "/api/tokens", `{"name":"mine","own":true}`, ada).ok(http.StatusCreated, &token)
	if token.Role != "viewer" || token.User != "ada" {
		t.Errorf("%+v", token)
	}
	r.call(http.MethodPost, "/api/tokens", `{"name":"mine","own":true,"role":"admin"}`, ada).problem(fault.RoleRequired)
	r.call(http.MethodPost, "/api/tokens", `{"name":"everybody's"}`, ada).problem(fault.RoleRequired)
	var list client.List[client.Token]
	p := r.call(http.MethodGet, "/api/tokens", "", ada)
	if p.ok(http.StatusOK, &list); len(list.Items) != 1 || list.Items[0].ID != token.ID || strings.Contains(string(p.body), token.Secret) {
		t.Errorf("%s", p.body)
	}
	narrow := header("Authorization", "Bearer "+r.narrow(`"stream"`))
	r.call(http.MethodGet, "/api/connectors", "", narrow).problem(fault.RoleRequired)
	r.call(http.MethodPost, "/api/tokens", `{"name":"wider"}`, narrow).problem(fault.RoleRequired)
	mint := header("Authorization", "Bearer "+r.narrow(`"tokens","account"`)) // a right to make tokens, and not whichever
	r.call(http.MethodGet, "/api/tokens", "", mint).ok(http.StatusOK, nil)
	r.call(http.MethodPost, "/api/tokens", `{"name":"wider"}`, mint).problem(fault.RoleRequired)
	r.call(http.MethodDelete, "/api/tokens/"+token.ID, "", header("If-Match", "*"), ada).ok(http.StatusNoContent, nil)
	r.call(http.MethodGet, "/api/me", "", header("Authorization", "Bearer "+token.Secret)).problem(fault.Unauthenticated)
}

// narrow is an administrator's token with scopes, as JSON.
func (r *rig) narrow(scopes string) string {
	r.t.Helper()
	var token client.NewToken
	r.call(http.MethodPost, "/api/tokens", `{"name":"narrow","scopes":[`+scopes+`]}`).ok(http.StatusCreated, &token)
	return token.Secret
}

// TestATenantsEnd: what a deleted tenant had is gone, its credentials first, and
// a tenant of the same name begins with nothing.
func TestATenantsEnd(t *testing.T) {
	r := newRig(t)
	var u client.NewUser
	r.call(http.MethodPost, "/api/tenants", `{"id":"third","ceiling":{"grantable":[{"group":"file","resources":["*"],"rights":["read"]}]}}`).ok(http.StatusCreated, nil)
	r.call(http.MethodPost, "/api/tenants/third/users", `{"name":"ada","role":"admin"}`).ok(http.StatusCreated, &u)
	setUp, err := json.Marshal(map[string]string{"link": u.Invitation.Link, "password": goodPassword})
	r.must(err)
	r.call(http.MethodPost, "/api/setup", string(setUp), header("Authorization", "")).ok(http.StatusOK, nil)
	third := header("Authorization", "Bearer "+r.newToken("third"))
	r.call(http.MethodGet, "/api/connectors", "", third).ok(http.StatusOK, nil)
	mine := r.token
	r.token = r.newToken("third")
	r.call(http.MethodGet, "/api/tenants/third", "").problem(fault.RoleRequired)
	c := r.activated("meter", 3)
	r.until("records", func() bool { return strings.Contains(r.read("/api/stream?connector=meter", 1, r.token), "line 0") })
	r.token = mine
	var v client.Tenant
	r.call(http.MethodGet, "/api/tenants/third", "").ok(http.StatusOK, &v)
	if *v.Connectors != 1 || *v.Modules != 1 || *v.Users != 1 {
		t.Errorf("%d connectors, %d modules, %d users", *v.Connectors, *v.Modules, *v.Users)
	}
	r.call(http.MethodDelete, "/api/tenants/plant", "", header("If-Match", "*")).problem(fault.WrongState)
	r.call(http.MethodDelete, "/api/tenants/third", "", header("If-Match", "*")).ok(http.StatusNoContent, nil)
	r.call(http.MethodGet, "/api/tenants/third", "").problem(fault.NotFound)
	r.call(http.MethodGet, "/api/connectors", "", third).problem(fault.Unauthenticated)
	r.call(http.MethodPost, "/api/login", `{"tenant":"third","name":"ada","password":"`+goodPassword+`"}`, header("Authorization", "")).problem(fault.LoginFailed)

	r.call(http.MethodPost, "/api/tenants", `{"id":"third"}`).ok(http.StatusCreated, &v)
	third = header("Authorization", "Bearer "+r.newToken("third"))
	for _, path := range []string{"/api/connectors", "/api/modules", "/api/devices", "/api/users"} {
		if p := r.call(http.MethodGet, path, "", third); string(p.body) != `{"items":[]}`+"\n" {
			t.Errorf("%s: %s", path, p.body)
		}
	}
	r.call(http.MethodGet, "/api/connectors/"+c.ID, "", third).problem(fault.NotFound)
}

func tlsState() *tls.ConnectionState { return &tls.ConnectionState{} }
