package supervisor

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// What is told again is one notification, until somebody has seen to it; of too
// many, one that was seen to goes first, and then the one that was told longest ago.
func TestNotificationsAreKept(t *testing.T) {
	kept := memory.New()
	defer func() { _ = kept.Close() }()
	space, err := kept.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	tell := func(key string, at int64) {
		t.Helper()
		raw, err := json.Marshal(spec.Notice{Severity: "info", Title: key, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		err = space.Update(t.Context(), func(w store.Writer) error {
			b := &outbox.Block{Connector: "con_1", Received: at}
			if done, err := applyNotification(w, b, outbox.KV{Key: "state of its own"}); done || err != nil {
				t.Errorf("a guest's own state: %t, %v", done, err)
			}
			_, err := applyNotification(w, b, outbox.KV{Key: spec.NotificationPrefix + key, Value: raw})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func() map[string]spec.Notification {
		t.Helper()
		all := map[string]spec.Notification{}
		err := space.View(t.Context(), func(r store.Reader) error {
			list, err := r.List(store.Notifications, "", "", store.MaxList)
			for _, e := range list {
				var n spec.Notification
				if err := json.Unmarshal(e.Value, &n); err != nil {
					return err
				}
				all[n.Key] = n
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	see := func(key string) {
		t.Helper()
		n := read()[key]
		n.Acknowledged, n.AcknowledgedBy = time.Unix(9, 0), "ann"
		raw, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		if err := space.Update(t.Context(), func(w store.Writer) error { _, err := w.Put(store.Notifications, n.ID, raw); return err }); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxNotifications {
		tell(fmt.Sprintf("k%03d", i), int64(i+1))
	}
	tell("k000", 1000)
	if n := read()["k000"]; n.Count != 2 || n.First.UnixNano() != 1 || n.Last.UnixNano() != 1000 {
		t.Errorf("told again: %+v", n)
	}
	see("k050")
	tell("k050", 1001)
	if n := read()["k050"]; n.Count != 1 || !n.Acknowledged.IsZero() || n.AcknowledgedBy != "" || n.First.UnixNano() != 1001 {
		t.Errorf("told again after somebody had seen to it: %+v", n)
	}
	see("k070")
	tell("new1", 2000) // in the place of k070
	tell("new2", 2001) // in that of k001
	all := read()
	_, seen := all["k070"]
	_, oldest := all["k001"]
	if len(all) != maxNotifications || seen || oldest {
		t.Errorf("%d are kept; the one that was seen to: %t, the oldest: %t", len(all), seen, oldest)
	}
}
