package api

import (
	"net/http"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/identity"
)

// device is a new device of a connector of plant's own.
func (w *world) device() (connector, id string) {
	w.t.Helper()
	c := w.connector()
	id = w.name()
	var r client.DeviceResult
	w.post("/api/connectors/"+c.ID+"/devices", `{"id":"`+id+`","type":"file","name":"Meter","tags":{"site":"north"}}`, &r)
	w.marks = append(w.marks, r.Device.UUID)
	return c.ID, id
}

func deviceRows() map[string]row {
	const settings = `{"type":"file","name":"Roof"}`
	of := func(w *world, c call) call {
		connector, id := w.device()
		c.path = append([]string{connector, id}, c.path...)
		return c
	}
	stale := map[string]string{"If-Match": `"77"`}
	return map[string]row{
		"list-devices": list(identity.Viewer),
		"list-connector-devices": {role: identity.Viewer, call: func(w *world) call {
			connector, _ := w.device()
			return call{path: []string{connector}, want: http.StatusOK}
		}},
		"get-device": {role: identity.Viewer, call: func(w *world) call { return of(w, call{want: http.StatusOK}) }, more: []func(*world) call{
			func(w *world) call {
				return call{path: []string{w.connector().ID, "none"}, want: http.StatusNotFound}
			},
		}},
		"add-device": {role: identity.Admin, call: func(w *world) call {
			return call{path: []string{w.connector().ID}, body: `{"id":"` + w.name() + `","type":"file","name":"Roof"}`, want: http.StatusCreated}
		}, more: []func(*world) call{
			func(w *world) call {
				connector, id := w.device()
				return call{path: []string{connector}, body: `{"id":"` + id + `","type":"file","name":"Roof"}`, want: http.StatusConflict}
			},
			func(w *world) call {
				return call{path: []string{w.connector().ID}, body: settings, want: http.StatusUnprocessableEntity}
			},
			func(w *world) call {
				return call{path: []string{w.connector().ID}, query: "wait=false", body: `{"id":"` + w.name() + `","type":"file","name":"Roof"}`, want: http.StatusCreated}
			},
			func(w *world) call {
				return call{path: []string{w.connector().ID}, query: "timeout=1h", body: `{"id":"x","type":"file","name":"Roof"}`, want: http.StatusUnprocessableEntity}
			},
		}},
		"update-device": {role: identity.Admin, call: func(w *world) call { return of(w, call{body: settings, want: http.StatusOK}) }, more: []func(*world) call{
			func(w *world) call {
				return of(w, call{header: stale, body: settings, want: http.StatusPreconditionFailed})
			},
			func(w *world) call {
				return call{path: []string{w.connector().ID, "none"}, body: settings, want: http.StatusNotFound}
			},
		}},
		"disconnect-device": {role: identity.Admin, call: func(w *world) call { return of(w, call{want: http.StatusOK}) }},
		"delete-device":     {role: identity.Admin, call: func(w *world) call { return of(w, call{want: http.StatusOK}) }},
		"add-tag": {role: identity.Admin, call: func(w *world) call {
			return of(w, call{body: `{"tag":"floor","value":"2"}`, want: http.StatusCreated})
		}, more: []func(*world) call{
			func(w *world) call { return of(w, call{body: `{"tag":"site","value":"2"}`, want: http.StatusConflict}) },
		}},
		"change-tag": {role: identity.Admin, call: func(w *world) call {
			return of(w, call{path: []string{"site"}, body: `{"value":"south"}`, want: http.StatusOK})
		}, more: []func(*world) call{
			func(w *world) call {
				return of(w, call{path: []string{"none"}, body: `{"value":"south"}`, want: http.StatusNotFound})
			},
		}},
		"remove-tag": {role: identity.Admin, call: func(w *world) call { return of(w, call{path: []string{"site"}, want: http.StatusOK}) }},
		"sync-devices": {role: identity.Operator, foreign: foreignAbsent, call: func(w *world) call {
			connector, _ := w.device()
			return call{body: `{"connector":"` + connector + `"}`, want: http.StatusOK}
		}},
		"get-device-report": {role: identity.Viewer, call: func(w *world) call {
			connector, _ := w.device()
			w.call(http.MethodPost, "/api/devices/sync", `{"connector":"`+connector+`"}`).ok(http.StatusOK, nil)
			return call{path: []string{connector}, want: http.StatusOK}
		}, more: []func(*world) call{
			func(w *world) call { return call{path: []string{w.connector().ID}, want: http.StatusNotFound} },
		}},
	}
}
