package supervisor

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxNotifications bounds what is kept of one connector: the one that was told
// longest ago goes, one that somebody has seen to before others.
const maxNotifications = 100

// applyNotification keeps what a step has to say to people. done reports whether kv
// is that.
func applyNotification(w store.Writer, b *outbox.Block, kv outbox.KV) (done bool, err error) {
	name, ok := strings.CutPrefix(kv.Key, spec.NotificationPrefix)
	if !ok {
		return false, nil
	}
	n := spec.Notification{ID: b.Connector + "." + name, Connector: b.Connector}
	told := time.Unix(0, b.Received).UTC()
	e, err := w.Get(store.Notifications, n.ID)
	switch {
	case fault.Is(err, fault.NotFound):
		if err := makeRoom(w, b.Connector); err != nil {
			return true, err
		}
	case err != nil:
		return true, err
	default:
		if err := json.Unmarshal(e.Value, &n); err != nil {
			return true, fault.Wrap(fault.Integrity, err, "notification %s", n.ID)
		}
	}
	if !n.Acknowledged.IsZero() || n.Count == 0 {
		n.First, n.Count, n.Acknowledged, n.AcknowledgedBy = told, 0, time.Time{}, ""
	}
	n.Last, n.Count, n.Notice = told, n.Count+1, spec.Notice{}
	if err := json.Unmarshal(kv.Value, &n.Notice); err != nil {
		return true, fault.Wrap(fault.Invalid, err, "a notification")
	}
	raw, err := json.Marshal(n)
	if err != nil {
		return true, fault.Wrap(fault.Internal, err, "notification %s", n.ID)
	}
	_, err = w.Put(store.Notifications, n.ID, raw)
	return true, err
}

// makeRoom deletes one of a connector's notifications, if there are as many as are
// kept.
func makeRoom(w store.Writer, connector string) error {
	list, err := w.List(store.Notifications, connector+".", "", maxNotifications)
	if err != nil || len(list) < maxNotifications {
		return err
	}
	var oldest spec.Notification
	for _, e := range list {
		var n spec.Notification
		if err := json.Unmarshal(e.Value, &n); err != nil {
			return fault.Wrap(fault.Integrity, err, "notification %s", e.ID)
		}
		seen, was := !n.Acknowledged.IsZero(), !oldest.Acknowledged.IsZero()
		if oldest.ID == "" || seen && !was || seen == was && n.Last.Before(oldest.Last) {
			oldest = n
		}
	}
	return w.Delete(store.Notifications, oldest.ID)
}
