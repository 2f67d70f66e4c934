package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// notification is one that nobody has acknowledged.
func (w *world) notification() spec.Notification {
	w.t.Helper()
	c := w.connector()
	n := spec.Notification{
		Notice: spec.Notice{Severity: "error", Title: w.mark("hot " + w.name()), Key: "hot"},
		ID:     w.mark(c.ID + ".0011"), Connector: c.ID, First: time.Unix(1, 0).UTC(), Last: time.Unix(2, 0).UTC(), Count: 2,
	}
	raw, err := json.Marshal(n)
	w.must(err)
	space, err := w.store.Tenant("plant")
	w.must(err)
	w.must(space.Update(w.t.Context(), func(wr store.Writer) error {
		_, err := wr.Put(store.Notifications, n.ID, raw)
		return err
	}))
	return n
}

func notificationRows() map[string]row {
	return map[string]row{
		"list-notifications": {role: identity.Viewer, call: func(w *world) call {
			w.notification()
			w.notification()
			return call{want: http.StatusOK}
		}},
		"acknowledge-notification": {role: identity.Operator, call: func(w *world) call {
			return call{path: []string{w.notification().ID}, want: http.StatusOK}
		}, more: []func(*world) call{func(w *world) call {
			id := w.notification().ID
			w.post("/api/notifications/"+id+"/acknowledge", "", nil)
			return call{path: []string{id}, want: http.StatusOK} // once more
		}}},
	}
}
