package control

import (
	"context"
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Notifications is a page of what connectors have to say to people, by id; without
// all, of what nobody has acknowledged.
func (t *Tenant) Notifications(ctx context.Context, p Page, all bool) (list []spec.Notification, next string, err error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		list, next = nil, ""
		for after := p.After; len(list) < limit; {
			entries, err := r.List(store.Notifications, "", after, store.MaxList)
			if err != nil {
				return err
			}
			for _, e := range entries {
				n, err := notification(e)
				if err != nil {
					return err
				}
				if after = e.ID; all || n.Acknowledged.IsZero() {
					list = append(list, n)
				}
				if len(list) == limit {
					next = e.ID
					return nil
				}
			}
			if len(entries) < store.MaxList {
				return nil
			}
		}
		return nil
	})
	return list, next, err
}

// Acknowledge says that somebody has seen to a notification. One that was
// acknowledged already stays as it is. Who was the first is in the audit trail.
func (t *Tenant) Acknowledge(ctx context.Context, id string) (n spec.Notification, err error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return n, err
	}
	if id == "" || len(id) > store.MaxID {
		return n, fault.New(fault.NotFound, "no notification %q", fault.Clip(id, 64))
	}
	err = t.space.Update(ctx, func(w store.Writer) error {
		e, err := w.Get(store.Notifications, id)
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.NotFound, "no notification %q", fault.Clip(id, 64))
		}
		if err != nil {
			return err
		}
		if n, err = notification(e); err != nil || !n.Acknowledged.IsZero() {
			return err
		}
		n.Acknowledged, n.AcknowledgedBy = time.Now().UTC(), t.who.ID
		raw, err := json.Marshal(n)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "notification %s", id)
		}
		if _, err = w.Put(store.Notifications, id, raw); err != nil {
			return err
		}
		c, err := find(w, n.Connector)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		event := t.event(identity.NotificationAck, &c)
		event.Connector, event.On, event.Detail = n.Connector, id, n.Title
		return identity.Append(w, event)
	})
	return n, err
}

func notification(e store.Entry) (n spec.Notification, err error) {
	if err := json.Unmarshal(e.Value, &n); err != nil {
		return n, fault.Wrap(fault.Integrity, err, "notification %s", e.ID)
	}
	return n, nil
}
