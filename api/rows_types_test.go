package api

import (
	"fmt"
	"net/http"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/identity"
)

// category is a new category of plant's own.
func (w *world) category() client.Category {
	w.t.Helper()
	var c client.Category
	w.post("/api/categories", w.categoryBody(), &c)
	w.mark(c.Name)
	return c
}

// categoryBody is the body of a good category that is not there yet.
func (w *world) categoryBody() string {
	w.n++
	name := fmt.Sprintf("plants_kind_%04d", w.n) // no mark: whoever sends this has it
	return `{"name":"` + name + `","operations":[{"name":"lift","parameters":["what"],"optional":["how_far"]}]}`
}

// shelf is a new connector of the category storage that runs.
func (w *world) shelf() client.Connector {
	w.t.Helper()
	var c client.Connector
	w.post("/api/connectors", `{"name":"`+w.name()+`","module":"`+w.upload("kvstore").Digest+`"}`, &c)
	w.post("/api/connectors/"+w.mark(c.ID)+"/activate", "", &c)
	return c
}

func typeRows() map[string]row {
	one := func(w *world) call {
		w.upload("filetail")
		return call{path: []string{"telemetry", "filetail"}, want: http.StatusOK}
	}
	return map[string]row{
		"list-types": {role: identity.Viewer, call: func(w *world) call {
			w.upload("filetail")
			return call{query: "category=telemetry", want: http.StatusOK}
		}},
		"get-type": {role: identity.Viewer, call: one, more: []func(*world) call{
			func(*world) call {
				return call{path: []string{"storage", "local_files"}, want: http.StatusOK}
			},
			func(*world) call { return call{path: []string{"storage", "none"}, want: http.StatusNotFound} },
		}},
		"head-type": {role: identity.Viewer, call: one, more: []func(*world) call{
			func(*world) call { return call{path: []string{"storage", "none"}, want: http.StatusNotFound} },
		}},
	}
}

func categoryRows() map[string]row {
	return map[string]row{
		"list-categories": {role: identity.Viewer, call: func(w *world) call {
			w.category()
			return call{want: http.StatusOK}
		}},
		"get-category": {
			role: identity.Viewer, call: func(w *world) call { return call{path: []string{w.category().Name}, want: http.StatusOK} },
			more: []func(*world) call{func(*world) call { return call{path: []string{"email"}, want: http.StatusOK} }},
		},
		"create-category": {role: identity.Admin, call: func(w *world) call {
			return call{body: w.categoryBody(), want: http.StatusCreated}
		}},
		"update-category": {role: identity.Admin, call: func(w *world) call {
			c := w.category()
			return call{path: []string{c.Name}, body: `{"display_name":"Other"}`, want: http.StatusOK, header: map[string]string{"If-Match": etag(c.Revision)}}
		}},
		"delete-category": {role: identity.Admin, call: func(w *world) call {
			c := w.category()
			return call{path: []string{c.Name}, want: http.StatusNoContent, header: map[string]string{"If-Match": etag(c.Revision)}}
		}},
		"call-category": {
			role: identity.Operator, foreign: foreignShared,
			call: func(*world) call {
				return call{path: []string{"email", "send_message"}, body: `{"to":"a@example.com","subject":"s","body":"b"}`, want: http.StatusOK}
			},
			more: []func(*world) call{
				func(*world) call {
					return call{path: []string{"email", "fly"}, body: `{}`, want: http.StatusNotImplemented}
				},
				func(*world) call {
					return call{path: []string{"telemetry", "read"}, body: `{}`, want: http.StatusNotImplemented}
				},
				func(w *world) call {
					return call{path: []string{w.category().Name, "lift"}, body: `{"what":"it"}`, want: http.StatusNotFound}
				},
				func(*world) call {
					return call{path: []string{"email", "send_message"}, body: `{"to":"a@example.com"}`, want: http.StatusUnprocessableEntity}
				},
			},
		},
		"call-connector": {
			role: identity.Operator,
			call: func(w *world) call {
				return call{path: []string{w.shelf().ID, "put"}, body: `{"path":"a","data":"aGk="}`, want: http.StatusOK}
			},
			more: []func(*world) call{
				func(w *world) call { // draft
					return call{path: []string{w.connector().ID, "put"}, body: `{}`, want: http.StatusNotImplemented}
				},
				func(w *world) call {
					return call{path: []string{w.shelf().ID, "put"}, query: "wait_ms=1", body: `{"path":"sleep 200ms","data":""}`, want: http.StatusGatewayTimeout}
				},
				func(w *world) call {
					return call{path: []string{w.shelf().ID, "get"}, body: `{"path":"nowhere"}`, want: http.StatusNotFound}
				},
			},
		},
	}
}

// lined is a type of connectors and the digest of a converter for them.
func (w *world) lined() (converter string) {
	w.t.Helper()
	w.upload("serialline")
	return w.upload("textframe").Digest
}

// typeConverter gives the type of lined its converter.
func (w *world) typeConverter() {
	w.t.Helper()
	p := w.call(http.MethodPut, "/api/types/telemetry/serialline/converter", w.converterBody(), header("If-Match", "*"))
	p.ok(http.StatusOK, nil)
}

func (w *world) converterBody() string {
	return `{"module":"` + w.lined() + `","config":{"fields":[{"name":"v","from":0,"to":2,"type":"int"}]}}`
}

func converterRows() map[string]row {
	typed := []string{"telemetry", "serialline"}
	any := map[string]string{"If-Match": "*"}
	return map[string]row{
		"get-type-converter": {role: identity.Viewer, call: func(w *world) call {
			w.typeConverter()
			return call{path: typed, want: http.StatusOK}
		}, more: []func(*world) call{func(*world) call {
			return call{path: []string{"telemetry", "filetail"}, want: http.StatusNotFound}
		}}},
		"put-type-converter": {role: identity.Admin, call: func(w *world) call {
			return call{path: typed, body: w.converterBody(), header: any, want: http.StatusOK}
		}, more: []func(*world) call{
			func(w *world) call {
				return call{path: typed, body: `{"module":"` + w.lined() + `","config":{"fields":1}}`, header: any, want: http.StatusUnprocessableEntity}
			},
			func(w *world) call {
				return call{path: typed, body: w.converterBody(), header: map[string]string{"If-Match": `"77"`}, want: http.StatusPreconditionFailed}
			},
		}},
		"delete-type-converter": {role: identity.Admin, call: func(w *world) call {
			w.typeConverter()
			return call{path: typed, header: any, want: http.StatusNoContent}
		}},
		"preview-converter": {role: identity.Operator, call: func(w *world) call {
			return call{body: `{"converter":` + w.converterBody() + `,"samples":[{"device":"d","payload":"42"}]}`, want: http.StatusOK}
		}, more: []func(*world) call{
			func(*world) call { return call{body: `{}`, want: http.StatusUnprocessableEntity} },
			func(*world) call {
				return call{body: `{"connector":"con_01ARZ3NDEKTSV4RRFFQ69G5FAV"}`, want: http.StatusNotFound}
			},
		}},
	}
}
