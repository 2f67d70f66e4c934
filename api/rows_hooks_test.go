package api

import (
	"net/http"
	"strings"

	"github.com/snaprail/snaprail/api/client"
)

// hooked is a connector that takes requests of every method.
func (w *world) hooked() client.Connector {
	w.t.Helper()
	if w.door.ID == "" {
		body := `{"name":"` + w.name() + `","module":"` + w.upload("webhook").Digest + `","config":{"format":"raw","methods":["` + strings.Join(hookMethods(), `","`) + `"]},
			"grants":[{"group":"hooks","resources":["path:/**"],"rights":["read"],"reason":"tests"}]}`
		w.post("/api/connectors", body, &w.door)
		w.post("/api/connectors/"+w.door.ID+"/activate", "", &w.door)
	}
	return w.door
}

// hookRows are of requests that come in for connectors, whoever sends them: no
// tenant is asked for, so that none is another.
func hookRows() map[string]row {
	rows := map[string]row{}
	for _, method := range hookMethods() {
		rows["hook-"+strings.ToLower(method)] = row{foreign: foreignShared, call: func(w *world) call {
			return call{path: []string{w.hooked().ID, "in"}, want: http.StatusAccepted}
		}, more: []func(*world) call{
			func(w *world) call {
				w.hooked()
				return call{path: []string{"con_none", "in"}, want: http.StatusNotFound}
			},
		}}
		rows["hook-root-"+strings.ToLower(method)] = row{foreign: foreignShared, call: func(w *world) call {
			return call{path: []string{w.hooked().ID}, want: http.StatusAccepted}
		}}
	}
	return rows
}
