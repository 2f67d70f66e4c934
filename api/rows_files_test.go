package api

import (
	"net/http"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/identity"
)

// keyFile is a new file of plant's own.
func (w *world) keyFile() client.File {
	w.t.Helper()
	kind, body := formOf([2]string{"file", "key of " + w.name()})
	p := w.call(http.MethodPost, "/api/files", body, header("Content-Type", kind))
	var f client.File
	p.ok(http.StatusCreated, &f)
	w.marks = append(w.marks, f.ID)
	return f
}

func fileRows() map[string]row {
	one := func(w *world) call { return call{path: []string{w.keyFile().ID}, want: http.StatusOK} }
	return map[string]row{
		"list-files": {role: identity.Operator, call: func(w *world) call {
			w.keyFile()
			return call{want: http.StatusOK}
		}},
		"get-file":         {role: identity.Operator, call: one},
		"get-file-content": {role: identity.Admin, call: one},
		"delete-file": {role: identity.Admin, call: func(w *world) call {
			return call{path: []string{w.keyFile().ID}, header: map[string]string{"If-Match": "*"}, want: http.StatusNoContent}
		}},
		"create-file": {
			role: identity.Admin,
			call: func(w *world) call {
				return call{query: "name=" + w.name() + ".pem", kind: "application/x-pem-file", body: "-----BEGIN", want: http.StatusCreated}
			},
			more: []func(*world) call{
				func(*world) call {
					kind, body := formOf([2]string{"file", "text"})
					return call{kind: kind, body: body, want: http.StatusCreated}
				},
				func(*world) call {
					kind, body := formOf([2]string{"other", "text"})
					return call{kind: kind, body: body, want: http.StatusBadRequest}
				},
				func(*world) call {
					return call{query: "name=x", kind: "text/plain", body: string(make([]byte, 300<<10)), want: http.StatusRequestEntityTooLarge}
				},
				func(*world) call {
					return call{query: "name=x", kind: "text/plain", body: string(make([]byte, 193<<10)), want: http.StatusRequestEntityTooLarge}
				},
				func(*world) call {
					return call{kind: "text/plain", body: "no name", want: http.StatusUnprocessableEntity}
				},
			},
		},
	}
}
