package control_test

import (
	"encoding/json"
	"testing"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// TestAcknowledgementIsInTheTrail once, with the connector that the notification is
// of, whether or not that is there any more.
func TestAcknowledgementIsInTheTrail(t *testing.T) {
	r := newRig(t)
	c := r.create(control.ConnectorInput{Name: "oven", Module: r.tiny("connector", "oven", "")})
	space, err := r.store.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []struct{ connector, name string }{{c.ID, "oven"}, {"con_gone", ""}} {
		n := spec.Notification{Notice: spec.Notice{Title: "too hot"}, ID: of.connector + ".1", Connector: of.connector}
		raw, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		err = space.Update(t.Context(), func(w store.Writer) error {
			_, err := w.Put(store.Notifications, n.ID, raw)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time changes nothing
			if got, err := r.Acknowledge(t.Context(), n.ID); err != nil || got.Acknowledged.IsZero() {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		events, _, err := r.Audit(t.Context(), control.AuditQuery{Connector: of.connector, Action: "notification"}, control.Page{})
		if err != nil || len(events) != 1 {
			t.Fatalf("%+v, %v", events, err)
		}
		if e := events[0]; e.Action != identity.NotificationAck || e.On != n.ID || e.Name != of.name || e.Detail != "too hot" || e.Outcome != identity.Done || e.Count != 1 {
			t.Errorf("%+v", e)
		}
	}
}
