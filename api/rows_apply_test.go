package api

import (
	"net/http"

	"github.com/snaprail/snaprail/runtime/identity"
)

func applyRows() map[string]row {
	return map[string]row{
		"apply-documents": {
			role: identity.Admin,
			call: func(w *world) call {
				doc := w.connectorBody()
				return call{body: `{"documents":[{"kind":"connector",` + doc[1:] + `,{"kind":"secret","name":"absent"},` +
					`{"kind":"category",` + w.categoryBody()[1:] + `]}`, want: http.StatusOK}
			},
			more: []func(*world) call{
				func(w *world) call {
					doc := w.connectorBody()
					return call{query: "dry_run=true", body: `{"documents":[{"kind":"connector",` + doc[1:] + `]}`, want: http.StatusOK}
				},
				func(*world) call {
					return call{query: "prune=true", body: `{"documents":[]}`, want: http.StatusUnprocessableEntity}
				},
				func(*world) call {
					return call{body: `{"documents":[{"kind":"device","name":"x"}]}`, want: http.StatusUnprocessableEntity}
				},
			},
		},
		"export-documents": list(identity.Viewer),
	}
}
