package api

import (
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/identity"
)

// carrying is a connector that delivers, with the file that its records come from.
func (w *world) carrying() client.Connector {
	w.t.Helper()
	if w.carrier.ID == "" {
		var source client.Connector
		w.poured = w.file("line 0\n")
		w.post("/api/connectors", tailSpec(w.name(), w.filetail(), w.poured), &source)
		w.post("/api/connectors/"+source.ID+"/activate", "", nil)
		body := `{"name":"` + w.name() + `","module":"` + w.upload("carrier").Digest + `","feed":{"from":["` + source.Name + `"],"start":"oldest"}}`
		w.post("/api/connectors", body, &w.carrier)
		w.post("/api/connectors/"+w.carrier.ID+"/activate", "", &w.carrier)
		w.mark(w.carrier.ID)
	}
	return w.carrier
}

// quarantined is the position of a record that the carrier has refused just now.
func (w *world) quarantined() (position string) {
	w.t.Helper()
	c := w.carrying()
	w.n++
	text := "reject " + strconv.Itoa(w.n)
	f, err := os.OpenFile(w.poured, os.O_APPEND|os.O_WRONLY, 0)
	w.must(err)
	_, err = f.WriteString(text + "\n")
	w.must(err)
	w.must(f.Close())
	w.until("the refused record", func() bool {
		var page client.QuarantineList
		w.call(http.MethodGet, "/api/connectors/"+c.ID+"/quarantine", "").ok(http.StatusOK, &page)
		if len(page.Items) == 0 || !strings.Contains(page.Items[0].Summary, text) {
			return false
		}
		position = page.Items[0].Position
		return true
	})
	return position
}

func quarantineRows() map[string]row {
	one := func(want int) func(*world) call {
		return func(w *world) call {
			at := w.quarantined()
			return call{path: []string{w.carrying().ID, at}, want: want}
		}
	}
	rewind := func(to string, want int) func(*world) call {
		return func(w *world) call {
			c := w.carrying()
			return call{path: []string{c.ID}, body: `{"to":"` + to + `"}`, want: want, header: map[string]string{"If-Match": etag(c.Revision)}}
		}
	}
	return map[string]row{
		"rewind-connector-feed": {role: identity.Operator, call: rewind("now", http.StatusOK), more: []func(*world) call{
			rewind("1999-12-31T23:59:59Z", http.StatusOK),
			rewind("yesterday", http.StatusUnprocessableEntity),
			func(w *world) call {
				return call{path: []string{w.connector().ID}, body: `{"to":"oldest"}`, want: http.StatusNotImplemented}
			},
		}},
		"list-quarantine": {role: identity.Viewer, call: func(w *world) call {
			w.quarantined()
			w.quarantined()
			return call{path: []string{w.carrying().ID}, want: http.StatusOK}
		}},
		"get-quarantined":   {role: identity.Viewer, call: one(http.StatusOK)},
		"retry-quarantined": {role: identity.Operator, call: one(http.StatusOK)},
		"retry-quarantine": {role: identity.Operator, call: func(w *world) call {
			return call{path: []string{w.carrying().ID}, body: `{"positions":["` + w.quarantined() + `","999999.0"]}`, want: http.StatusOK}
		}, more: []func(*world) call{func(w *world) call {
			return call{path: []string{w.carrying().ID}, body: `{"positions":[]}`, want: http.StatusUnprocessableEntity}
		}}},
		"drop-quarantined": {role: identity.Operator, call: one(http.StatusNoContent)},
		"drop-quarantine": {role: identity.Operator, call: func(w *world) call {
			at := w.quarantined()
			return call{path: []string{w.carrying().ID}, query: "through=" + at, want: http.StatusOK}
		}},
	}
}
