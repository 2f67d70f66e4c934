package api

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/identity"
)

const goodPassword = "correct horse battery"

// user is a new user of the tenant plant, with the link that invites them.
func (w *world) user() client.NewUser {
	w.t.Helper()
	var u client.NewUser
	w.post("/api/users", `{"name":"`+w.name()+`","role":"viewer"}`, &u)
	return u
}

// common is a new name that another tenant may take too.
func (w *world) common() string {
	w.n++
	return "everybodys-" + itoa(w.n)
}

// credentials are those of a new user who has a password.
func (w *world) credentials() string {
	w.t.Helper()
	u := w.user()
	w.call(http.MethodPost, "/api/users/"+u.Name+"/password", `{"password":"`+goodPassword+`"}`).ok(http.StatusNoContent, nil)
	raw, err := json.Marshal(client.Credentials{Tenant: "plant", Name: u.Name, Password: goodPassword})
	w.must(err)
	return string(raw)
}

// session is the cookie of a new user who has logged in.
func (w *world) session() string {
	w.t.Helper()
	return cookieOf(w.call(http.MethodPost, "/api/login", w.credentials(), header("Authorization", "")))
}

// cookieOf is the session that an answer began, as a header.
func cookieOf(p reply) string {
	p.ok(http.StatusOK, nil)
	cookies := (&http.Response{Header: p.header}).Cookies()
	if len(cookies) != 1 || cookies[0].Value == "" {
		p.t.Fatalf("the cookies %v", cookies)
	}
	return cookies[0].Name + "=" + cookies[0].Value
}

func identityRows() map[string]row {
	all := userRows()
	anyBody := func(status int, body func(*world) string) row {
		return row{call: func(w *world) call { return call{body: body(w), want: status} }}
	}
	all["login"] = anyBody(http.StatusOK, (*world).credentials)
	all["logout"] = anyBody(http.StatusNoContent, func(*world) string { return "" })
	all["set-up"] = anyBody(http.StatusOK, func(w *world) string {
		return `{"link":"` + w.user().Invitation.Link + `","password":"` + goodPassword + `"}`
	})
	all["get-me"] = list(identity.Viewer)
	all["change-password"] = row{
		role: identity.Viewer, // a token has none
		call: func(*world) call {
			return call{body: `{"old":"` + goodPassword + `","password":"another good one"}`, want: http.StatusConflict}
		},
		more: []func(*world) call{func(w *world) call {
			return call{
				body: `{"old":"` + goodPassword + `","password":"another good one"}`, want: http.StatusNoContent,
				header: map[string]string{"Authorization": "", "Cookie": w.session(), "Origin": w.http.URL},
			}
		}},
	}
	all["list-tokens"] = list(identity.Viewer)
	all["create-token"] = row{role: identity.Admin, call: func(w *world) call {
		return call{body: `{"name":"` + w.common() + `","role":"viewer","scopes":["stream"]}`, want: http.StatusCreated}
	}}
	all["revoke-token"] = row{role: identity.Admin, call: func(w *world) call {
		var token client.NewToken
		w.post("/api/tokens", `{"name":"`+w.name()+`"}`, &token)
		return call{path: []string{w.mark(token.ID)}, want: http.StatusNoContent, header: map[string]string{"If-Match": "*"}}
	}}
	all["verify-audit"] = row{
		role: identity.Admin, call: func(*world) call { return call{want: http.StatusOK} },
		more: []func(*world) call{func(*world) call { return call{query: "trail=server&sequence=1&hash=00", want: http.StatusOK} }},
	}
	all["get-set-up-page"] = row{
		call: func(w *world) call {
			return call{query: "link=" + url.QueryEscape(w.user().Invitation.Link), want: http.StatusOK}
		},
		more: []func(*world) call{func(*world) call { return call{query: "link=none", want: http.StatusUnauthorized} }},
	}
	all["set-up-by-form"] = row{call: func(w *world) call {
		form := url.Values{"link": {w.user().Invitation.Link}, "password": {goodPassword}, "again": {goodPassword}}
		return call{kind: "application/x-www-form-urlencoded", body: form.Encode(), want: http.StatusOK}
	}}
	return all
}

func userRows() map[string]row {
	named := func(status int, body string) func(*world) call {
		return func(w *world) call {
			return call{path: []string{w.user().Name}, body: body, want: status, header: map[string]string{"If-Match": "*"}}
		}
	}
	tenant := func(w *world) client.Tenant {
		var t client.Tenant
		w.post("/api/tenants", `{"id":"`+w.name()+`"}`, &t)
		return t
	}
	operators := func(call func(*world) call) row {
		return row{role: identity.Admin, foreign: foreignDenied, call: call}
	}
	return map[string]row{
		"list-users": list(identity.Admin),
		"get-user":   {role: identity.Admin, call: named(http.StatusOK, "")},
		"create-user": {role: identity.Admin, call: func(w *world) call {
			return call{body: `{"name":"` + w.common() + `","role":"viewer"}`, want: http.StatusCreated}
		}},
		"update-user":       {role: identity.Admin, call: named(http.StatusOK, `{"role":"operator"}`)},
		"delete-user":       {role: identity.Admin, call: named(http.StatusNoContent, "")},
		"link-user":         {role: identity.Admin, call: named(http.StatusOK, "")},
		"set-user-password": {role: identity.Admin, call: named(http.StatusNoContent, `{"password":"`+goodPassword+`"}`)},
		"list-tenants":      operators(func(*world) call { return call{want: http.StatusOK} }),
		"get-tenant":        operators(func(w *world) call { return call{path: []string{tenant(w).ID}, want: http.StatusOK} }),
		"create-tenant": operators(func(w *world) call {
			return call{body: `{"id":"` + w.name() + `","ceiling":{"quota":{"connectors":3}}}`, want: http.StatusCreated}
		}),
		"set-ceiling": operators(func(w *world) call {
			t := tenant(w)
			return call{
				path: []string{t.ID}, body: `{"memory_bytes":104857600,"quota":{"connectors":3}}`, want: http.StatusOK,
				header: map[string]string{"If-Match": etag(t.Revision)},
			}
		}),
		"invite-user": operators(func(w *world) call {
			return call{path: []string{tenant(w).ID}, body: `{"name":"first","role":"admin"}`, want: http.StatusCreated}
		}),
		"delete-tenant": operators(func(w *world) call {
			return call{path: []string{tenant(w).ID}, want: http.StatusNoContent, header: map[string]string{"If-Match": "*"}}
		}),
	}
}
