package api

import (
	"net/http"
	"strings"

	"github.com/snaprail/snaprail/runtime/identity"
)

// secret is the name of a new secret of plant's own.
func (w *world) secret() string {
	w.t.Helper()
	name := w.name()
	w.call(http.MethodPut, "/api/secrets/"+name, `{"value":"value of `+name+`"}`, header("If-Match", "*")).ok(http.StatusOK, nil)
	w.mark("value of " + name)
	return name
}

func secretRows() map[string]row {
	whichever := map[string]string{"If-Match": "*"}
	return map[string]row{
		"list-secrets": {role: identity.Operator, call: func(w *world) call {
			w.secret()
			return call{want: http.StatusOK}
		}},
		"get-secret": {role: identity.Operator, call: func(w *world) call {
			return call{path: []string{w.secret()}, want: http.StatusOK}
		}},
		"put-secret": {
			role: identity.Admin, foreign: foreignShared,
			call: func(w *world) call {
				w.secret()
				return call{path: []string{"of-everybody"}, header: whichever, body: `{"value":"another value"}`, want: http.StatusOK}
			},
			more: []func(*world) call{
				func(w *world) call {
					return call{path: []string{w.name()}, header: whichever, body: `{"value":"1234"}`, want: http.StatusOK}
				},
				func(*world) call {
					return call{path: []string{"-no-name"}, header: whichever, body: `{"value":"a value"}`, want: http.StatusUnprocessableEntity}
				},
				func(w *world) call {
					return call{path: []string{w.name()}, header: whichever, body: `{"value":"` + strings.Repeat("ü", 40<<10) + `"}`, want: http.StatusUnprocessableEntity}
				},
			},
		},
		"delete-secret": {role: identity.Admin, call: func(w *world) call {
			return call{path: []string{w.secret()}, header: whichever, want: http.StatusNoContent}
		}},
	}
}
