package supervisor

import (
	"context"
	"encoding/json"

	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// forgetMemory forgets the devices that were to be kept until the server stops.
// They are in the store until then, so that a step's block and all that reads
// devices find them where they find all others.
func forgetMemory(ctx context.Context, space store.Space) error {
	var those []string
	if err := space.View(ctx, func(r store.Reader) error {
		those = nil
		for e, err := range store.All(r, store.Connectors, "") {
			if err != nil {
				return err
			}
			var c spec.Connector
			if json.Unmarshal(e.Value, &c) == nil && c.DeviceManager == spec.ManagerMemory {
				those = append(those, e.ID)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for _, id := range those {
		if err := store.Empty(ctx, space, store.Devices, within(id, "")); err != nil {
			return err
		}
		if err := store.Empty(ctx, space, store.DeviceSyncs, within(id, "")); err != nil {
			return err
		}
	}
	return nil
}
