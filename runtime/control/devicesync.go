package control

import (
	"context"

	"github.com/snaprail/snaprail/runtime/device"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// DeviceReport is what a sync of a connector's devices came to.
type DeviceReport = device.Report

// SyncDevices brings the devices of a connector, or of all that have any when it
// is "", in step with their managers and with the platform, and answers what came
// of it. It waits as Patience says; what is not done by then is done by the next
// sync.
func (t *Tenant) SyncDevices(ctx context.Context, connector string, p Patience) (reports []DeviceReport, err error) {
	if err := t.may(ctx, identity.Devices, identity.Use); err != nil {
		return nil, err
	}
	wait, cancel, err := p.bound(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	var those []spec.Connector
	err = t.space.Update(ctx, func(w store.Writer) error {
		if those, err = t.withDevices(w, connector); err != nil {
			return err
		}
		events := make([]identity.Event, len(those))
		for i := range those {
			events[i] = t.event(identity.DeviceSync, &those[i])
		}
		return identity.Append(w, events...)
	})
	if err != nil {
		return nil, err
	}
	for i := range those {
		report, err := t.runtime.SyncDevices(wait, those[i].ID, "requested")
		if err != nil {
			return reports, err
		}
		reports = append(reports, report)
	}
	return reports, nil
}

// mostSynced bounds the connectors that one call brings in step.
const mostSynced = 100

func (t *Tenant) withDevices(r store.Reader, connector string) (those []spec.Connector, err error) {
	if connector != "" {
		c, err := find(r, connector)
		return []spec.Connector{c}, err
	}
	for e, err := range store.All(r, store.Connectors, "") {
		if err != nil {
			return nil, err
		}
		c, err := find(r, e.ID)
		if err != nil {
			return nil, err
		}
		some, err := r.List(store.Devices, c.ID+"\x00", "", 1)
		if err != nil {
			return nil, err
		}
		if len(some) == 0 && !c.DeviceManager.Own() {
			continue
		}
		if len(those) == mostSynced {
			return nil, fault.New(fault.TooLarge, "more than %d connectors have devices", mostSynced).
				WithHint("Name a connector.")
		}
		those = append(those, c)
	}
	return those, nil
}

// DeviceReport is what the last sync of a connector's devices came to.
// fault.NotFound: there was none.
func (t *Tenant) DeviceReport(ctx context.Context, connector string) (report DeviceReport, err error) {
	if err := t.may(ctx, identity.Devices, identity.Read); err != nil {
		return report, err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		c, err := find(r, connector)
		if err == nil {
			report, err = device.LastReport(r, c.ID)
		}
		return err
	})
	return report, err
}
