package api

import (
	"net/http"
	"strings"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/identity"
)

// rows are all operations of the API, by operationId.
//
// Whoever adds a route adds a row to a table of their own area here (or to one
// in a file of their own, which rows joins). A row is the lowest role that may
// make the call, and a function that makes what the call needs in the tenant
// plant and returns the call with the status that a good one is answered with.
// Path has the values of the path's parameters, each the id of something that
// belongs to plant. That is all: both walks find the route in the router and
// in the document by themselves, and see to
//
//   - the answer's status, type and body against the document;
//   - 401 without a credential, 403 role_required for each lower role, 404 for
//     another tenant;
//   - 428 and 412 where If-Match is needed, 400, 413, 415, 421 and 422 where
//     they can come, and each of them in the document;
//   - the ETag of what is read singly, and the paging of lists.
//
// What makes something that another tenant must never see by its name takes
// that from w.name(), or passes it through w.mark().
func rows() map[string]row {
	all := map[string]row{}
	for _, area := range []map[string]row{
		plainRows(), moduleRows(), connectorRows(), configRows(), fileRows(), applyRows(), typeRows(), converterRows(), categoryRows(), deviceRows(), streamRows(), tenantRows(), identityRows(), secretRows(), oauthRows(), setRows(), messageRows(), writeRows(), deploymentRows(), hookRows(), notificationRows(), quarantineRows(),
	} {
		for id, r := range area {
			if _, twice := all[id]; twice {
				panic("two rows for " + id)
			}
			all[id] = r
		}
	}
	return all
}

// plain is a row of what anybody may ask for.
func plain() row {
	return row{call: func(*world) call { return call{want: http.StatusOK} }}
}

// list is a row of a list.
func list(role identity.Role) row {
	return row{role: role, call: func(w *world) call {
		w.connector()
		return call{want: http.StatusOK}
	}}
}

func plainRows() map[string]row {
	return map[string]row{
		"get-healthz": plain(), "head-healthz": plain(), "get-readyz": plain(), "head-readyz": plain(),
		"get-version": plain(), "get-openapi": plain(), "get-openapi-yaml": plain(), "get-docs": plain(),
		"get-style": plain(), "get-metrics": plain(),
		"get-status-page": {
			call: func(*world) call { return call{want: http.StatusOK} },
			more: []func(*world) call{
				func(w *world) call { return call{query: "token=" + w.token, want: http.StatusSeeOther} },
				func(*world) call { return call{query: "token=none", want: http.StatusUnauthorized} },
			},
		},
	}
}

func moduleRows() map[string]row {
	one := func(w *world) call { return call{path: []string{w.module().Digest}, want: http.StatusOK} }
	return map[string]row{
		"list-modules": list(identity.Viewer),
		"get-module":   {role: identity.Viewer, call: one},
		"compare-module": {role: identity.Viewer, call: func(w *world) call {
			return call{path: []string{w.module().Digest}, query: "from=" + w.module().Digest, want: http.StatusOK}
		}},
		"delete-module": {role: identity.Admin, call: func(w *world) call {
			return call{path: []string{w.module().Digest}, header: map[string]string{"If-Match": "*"}, want: http.StatusNoContent}
		}},
		"create-module": {
			role: identity.Admin,
			call: func(w *world) call {
				return call{kind: "application/wasm", body: string(w.freshModule()), want: http.StatusCreated}
			},
			more: []func(*world) call{
				func(w *world) call {
					w.upload("filetail")
					return call{kind: "application/octet-stream", body: string(guest(w.t, "filetail")), want: http.StatusOK}
				},
				func(w *world) call {
					kind, body := formOf([2]string{"module", string(w.freshModule())})
					return call{kind: kind, body: body, want: http.StatusCreated}
				},
				func(*world) call {
					return call{kind: "application/json", body: `{"wasm":[]}`, want: http.StatusUnprocessableEntity}
				},
				func(*world) call {
					return call{kind: "application/wasm", body: "no module", want: http.StatusUnprocessableEntity}
				},
			},
		},
	}
}

func connectorRows() map[string]row {
	read := func(w *world) call { return call{path: []string{w.connector().ID}, want: http.StatusOK} }
	started := func(w *world) call { return call{path: []string{w.running().ID}, want: http.StatusOK} }
	return map[string]row{
		"list-connectors": list(identity.Viewer),
		"create-connector": {
			role: identity.Admin,
			call: func(w *world) call { return call{body: w.connectorBody(), want: http.StatusCreated} },
		},
		"get-connector": {role: identity.Viewer, call: read},
		"get-default-connector": {role: identity.Viewer, foreign: foreignAbsent, call: func(w *world) call {
			body := strings.Replace(w.connectorBody(), "{", `{"is_default":true,`, 1)
			var c client.Connector
			w.post("/api/connectors", body, &c)
			w.post("/api/connectors/"+w.mark(c.ID)+"/activate", "", &c)
			return call{query: "category=" + c.Category, want: http.StatusOK}
		}},
		"get-connector-status": {role: identity.Viewer, call: started},
		"get-connector-logs": {role: identity.Viewer, call: started, more: []func(*world) call{
			func(w *world) call {
				return call{path: []string{w.running().ID}, query: "follow=true", want: http.StatusOK, stream: true}
			},
			func(w *world) call {
				return call{
					path: []string{w.running().ID}, query: "follow=true", want: http.StatusOK, stream: true,
					header: map[string]string{"Accept": typeLines},
				}
			},
		}},
		"update-connector": {role: identity.Admin, call: func(w *world) call {
			c := w.connector()
			return call{path: []string{c.ID}, body: w.connectorBody(), want: http.StatusOK, header: map[string]string{"If-Match": etag(c.Revision)}}
		}},
		"delete-connector": {role: identity.Admin, call: func(w *world) call {
			return call{path: []string{w.connector().ID}, want: http.StatusNoContent}
		}},
		"test-connector":       {role: identity.Operator, call: read},
		"activate-connector":   {role: identity.Operator, call: read},
		"deactivate-connector": {role: identity.Operator, call: started},
		"reconnect-connector":  {role: identity.Operator, call: started},
		"list-connector-lanes": {role: identity.Viewer, call: started},
	}
}

func streamRows() map[string]row {
	return map[string]row{
		"stream-records": {
			role: identity.Viewer, foreign: foreignAbsent,
			call: func(w *world) call {
				return call{query: "connector=" + w.running().ID, want: http.StatusOK, stream: true}
			},
			more: []func(*world) call{
				func(*world) call {
					return call{query: "from=now", want: http.StatusOK, stream: true, header: map[string]string{"Accept": typeLines}}
				},
				func(*world) call { return call{query: "from=nowhere", want: http.StatusUnprocessableEntity} },
				func(*world) call {
					return call{query: "from=now&format=cloudevents", want: http.StatusOK, stream: true}
				},
				func(w *world) call {
					return call{query: "topic=/sources/" + w.running().Name, want: http.StatusOK, stream: true}
				},
				func(*world) call { return call{query: "topic=/sources/none", want: http.StatusNotFound} },
				func(*world) call { return call{query: "format=xml", want: http.StatusUnprocessableEntity} },
			},
		},
	}
}

func tenantRows() map[string]row {
	return map[string]row{
		"list-audit": list(identity.Admin),
		"get-limits": list(identity.Viewer),
	}
}
