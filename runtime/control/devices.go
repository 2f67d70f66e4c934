package control

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Devices is a page of the devices of a connector, or of all when it is "".
func (t *Tenant) Devices(ctx context.Context, connector string, p Page) (list []spec.Device, next string, err error) {
	if err := t.may(ctx, identity.Devices, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		prefix := ""
		if connector != "" {
			c, err := find(r, connector)
			if err != nil {
				return err
			}
			prefix = c.ID + "\x00"
		}
		entries, err := r.List(store.Devices, prefix, strings.Replace(p.After, "/", "\x00", 1), limit)
		if err != nil {
			return err
		}
		list = make([]spec.Device, len(entries))
		for i, e := range entries {
			if err := json.Unmarshal(e.Value, &list[i]); err != nil {
				return fault.Wrap(fault.Integrity, err, "device")
			}
		}
		if len(entries) == limit {
			next = strings.Replace(entries[limit-1].ID, "\x00", "/", 1)
		}
		return nil
	})
	return list, next, err
}
