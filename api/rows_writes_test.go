package api

import (
	"net/http"
	"strings"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/identity"
)

// locked is a new connector that runs, whose writes want a second person.
func (w *world) locked() client.Connector {
	w.t.Helper()
	if w.talker == "" {
		w.talker = w.upload("parley").Digest
	}
	var c client.Connector
	w.post("/api/connectors", `{"name":"`+w.name()+`","module":"`+w.talker+`","config":{"devices":["d1"]},
		"grants":[{"group":"serial","resources":["/dev/ttyLOCK"],"rights":["read","write"],
		"interlock":{"tags":[{"tag":"rate","max":9},{"tag":"echo","method":"echo"}],"second_person":true}}]}`, &c)
	w.mark(c.ID)
	w.post("/api/connectors/"+c.ID+"/activate", "", &c)
	w.until("the device", func() bool {
		return strings.Contains(string(w.call(http.MethodGet, "/api/connectors/"+c.ID+"/devices", "").body), `"d1"`)
	})
	return c
}

// pendingWrite is a write that waits for a second person.
func (w *world) pendingWrite() client.PendingWrite {
	w.t.Helper()
	c := w.locked()
	if p := w.call(http.MethodPost, "/api/connectors/"+c.ID+"/attributes", `{"device":"d1","data":{"rate":7}}`); p.status != http.StatusConflict {
		w.t.Fatalf("the write does not wait: %d %s", p.status, p.body)
	}
	var list client.Writes
	w.call(http.MethodGet, "/api/writes", "").ok(http.StatusOK, &list)
	for _, p := range list.Waiting {
		if p.ConnectorID == c.ID {
			w.mark(p.ID)
			return p
		}
	}
	w.t.Fatalf("no write waits: %+v", list)
	return client.PendingWrite{}
}

// sessionOf is the cookie of a new user with this role.
func (w *world) sessionOf(role identity.Role) map[string]string {
	w.t.Helper()
	var u client.NewUser
	w.post("/api/users", `{"name":"`+w.name()+`","role":"`+string(role)+`"}`, &u)
	w.call(http.MethodPost, "/api/users/"+u.Name+"/password", `{"password":"`+goodPassword+`"}`).ok(http.StatusNoContent, nil)
	cookie := cookieOf(w.call(http.MethodPost, "/api/login",
		`{"tenant":"plant","name":"`+u.Name+`","password":"`+goodPassword+`"}`, header("Authorization", "")))
	return map[string]string{"Authorization": "", "Cookie": cookie, "Origin": w.http.URL}
}

func (w *world) override() client.Override {
	w.t.Helper()
	var o client.Override
	w.post("/api/writes/overrides", `{"connector":"`+w.locked().ID+`","reason":"`+w.name()+`","for":"1m"}`, &o)
	w.mark(o.ID)
	return o
}

func writeRows() map[string]row {
	twin := func(query string) func(*world) call {
		return func(w *world) call {
			return call{path: []string{w.parley().ID, "d1"}, query: query, want: http.StatusOK}
		}
	}
	return map[string]row{
		"get-twin": {role: identity.Viewer, call: twin(""), more: []func(*world) call{
			func(w *world) call { return call{path: []string{w.parley().ID, "none"}, want: http.StatusNotFound} },
		}},
		"get-history": {role: identity.Viewer, call: twin("tag=t&since=2026-01-01T00:00:00Z&newest=5"), more: []func(*world) call{
			func(w *world) call {
				return call{path: []string{w.parley().ID, "d1"}, query: "since=yesterday", want: http.StatusUnprocessableEntity}
			},
		}},
		"set-desired": {role: identity.Operator, call: func(w *world) call {
			return call{path: []string{w.parley().ID, "d1"}, body: `{"desired":{"rate":7}}`, want: http.StatusOK, header: map[string]string{"If-Match": "*"}}
		}, more: []func(*world) call{func(w *world) call {
			return call{path: []string{w.locked().ID, "d1"}, body: `{"desired":{"rate":10}}`, want: http.StatusOK}
		}}},
		"list-writes": list(identity.Viewer),
		"approve-write": {
			role: identity.Operator, // and a user, which a token is not
			call: func(w *world) call { return call{path: []string{w.pendingWrite().ID}, want: http.StatusConflict} },
			more: []func(*world) call{func(w *world) call {
				return call{path: []string{w.pendingWrite().ID}, want: http.StatusOK, header: w.sessionOf(identity.Admin)} // a token asked
			}},
		},
		"create-override": {role: identity.Admin, call: func(w *world) call {
			return call{body: `{"connector":"` + w.locked().ID + `","tags":["rate"],"reason":"a test","for":"10m"}`, want: http.StatusCreated}
		}, foreign: foreignAbsent, more: []func(*world) call{func(w *world) call {
			return call{body: `{"connector":"` + w.locked().ID + `","reason":"a test","for":"48h"}`, want: http.StatusUnprocessableEntity}
		}}},
		"end-override": {role: identity.Admin, call: func(w *world) call {
			return call{path: []string{w.override().ID}, want: http.StatusNoContent, header: map[string]string{"If-Match": "*"}}
		}},
	}
}
