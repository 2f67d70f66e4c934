package api

import (
	"net/http"

	"github.com/snaprail/snaprail/runtime/identity"
)

// configRows are those of what a connector is configured with.
func configRows() map[string]row {
	object := func(w *world) string { return `{"path":"` + w.file("line 0\n") + `"}` }
	return map[string]row{
		"patch-connector": {role: identity.Admin, call: func(w *world) call {
			return call{
				path: []string{w.connector().ID}, kind: mergePatch, body: `{"poll":{"interval":"2s"},"is_default":true}`, want: http.StatusOK,
			}
		}},
		"list-connector-params": {role: identity.Viewer, call: func(w *world) call {
			return call{path: []string{w.connector().ID}, want: http.StatusOK}
		}},
		"set-connector-params": {role: identity.Admin, call: func(w *world) call {
			return call{
				path: []string{w.connector().ID}, body: `{"params":[{"key":"path","value":"` + w.file("line 0\n") + `"}]}`, want: http.StatusOK,
			}
		}},
		"get-connector-config": {
			role: identity.Viewer,
			call: func(w *world) call { return call{path: []string{w.connector().ID}, want: http.StatusOK} },
			more: []func(*world) call{func(w *world) call {
				return call{path: []string{w.connector().ID}, query: "reveal=true", want: http.StatusOK}
			}},
		},
		"import-connector-config": {
			role: identity.Admin,
			call: func(w *world) call {
				return call{path: []string{w.connector().ID}, body: `{"json_data":` + object(w) + `}`, want: http.StatusOK}
			},
			more: []func(*world) call{
				func(w *world) call {
					kind, body := formOf([2]string{"file", object(w)})
					return call{path: []string{w.connector().ID}, kind: kind, body: body, want: http.StatusOK}
				},
				func(w *world) call {
					return call{path: []string{w.connector().ID}, body: `{"json_data":{}}`, want: http.StatusUnprocessableEntity}
				},
			},
		},
	}
}
