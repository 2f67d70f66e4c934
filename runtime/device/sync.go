package device

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Sync brings the devices of a connector in step with its manager and with the
// platform, and keeps the report. Upstream is compared by hash, so that only
// what differs is told. It ends early when the other side cannot be reached any
// more, and the report says so; an error is one of the book.
func (k *Keeper) Sync(ctx context.Context, connector, reason string, out Outside) (report Report, err error) {
	report = Report{Connector: connector, Reason: reason, Started: time.Now().UTC(), Failed: []Failure{}, NeedsAction: []Action{}}
	err = k.syncManager(ctx, &report, out)
	if err == nil && out.Upstream == nil {
		report.NoPlatform, err = true, noPlatform()
	}
	if err == nil {
		err = k.syncUpstream(ctx, &report, out)
	}
	if err != nil {
		report.Error = fault.Clip(fault.Of(err).Text, 512)
		if fault.Is(err, fault.Internal) || fault.Is(err, fault.Integrity) {
			return report, err
		}
	}
	report.Ended = time.Now().UTC()
	return report, k.space.Update(context.WithoutCancel(ctx), func(w store.Writer) error {
		if _, err := w.Get(store.Connectors, connector); err != nil {
			return err // gone meanwhile: nothing of it stays
		}
		return saveReport(w, &report)
	})
}

// syncManager takes in what the manager has and the book has not, and gives it
// what it lacks. What both have is as the book has it.
func (k *Keeper) syncManager(ctx context.Context, report *Report, out Outside) error {
	if out.Manager == nil {
		return nil
	}
	has, err := out.Manager.Devices(ctx)
	if err != nil {
		report.fail("", "devices", err)
		return err
	}
	known := make(map[string]string, len(has)) // id → hash
	for i := range has {
		known[has[i].ID] = described(&has[i])
		if err := k.adopt(ctx, report, &has[i]); err != nil {
			return err
		}
	}
	all, err := k.all(ctx, report.Connector)
	if err != nil {
		return err
	}
	local := Outside{Manager: out.Manager}
	for i := range all {
		d := &all[i]
		hash, there := known[d.ID]
		if there != d.Held { // somebody has changed it behind our back, or a word was lost
			if err := k.space.Update(ctx, func(w store.Writer) error { return k.book.Kept(w, d, there) }); err != nil {
				return err
			}
		}
		if d.Gone() == !there && (d.Gone() || hash == d.Hash) {
			continue
		}
		a, err := k.Tell(ctx, d.Connector, d.ID, local)
		if err != nil {
			return err
		}
		if !a.Local {
			report.fail(d.ID, "manager", a.Err)
			if away(a.Err) {
				return a.Err
			}
		}
	}
	return nil
}

// adopt takes a device of the manager's into the book, unless it is there or has
// been taken away.
func (k *Keeper) adopt(ctx context.Context, report *Report, d *spec.Device) error {
	adopted := false
	err := k.space.Update(ctx, func(w store.Writer) error {
		adopted = false
		_, found, err := k.book.Lookup(w, d.Connector, d.ID)
		if err != nil || found {
			return err
		}
		put, err := k.book.Put(w, *d, time.Now())
		if err != nil {
			return err
		}
		adopted = true
		return k.book.Kept(w, &put, true)
	})
	switch {
	case fault.Is(err, fault.Invalid), fault.Is(err, fault.TooLarge), fault.Is(err, fault.Exhausted):
		report.fail(d.ID, "adopt", err)
		return nil
	case adopted:
		report.Adopted.add(d.ID)
	}
	return err
}

// Adopt asks the manager for one device that the book does not have, and takes it
// in. fault.DeviceUnknown: the manager has none either.
func (k *Keeper) Adopt(ctx context.Context, connector, id string, m Manager) (d spec.Device, err error) {
	d, err = m.Get(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && d.ID != id {
		return d, unknown(connector, id)
	}
	if err != nil {
		return d, err
	}
	var report Report
	if err := k.adopt(ctx, &report, &d); err != nil {
		return d, err
	}
	err = k.space.View(ctx, func(r store.Reader) (err error) {
		d, err = k.book.Get(r, connector, id)
		return err
	})
	return d, err
}

// all are the devices of a connector without what is large in them.
func (k *Keeper) all(ctx context.Context, connector string) (all []spec.Device, err error) {
	err = k.space.View(ctx, func(r store.Reader) error {
		for d, err := range k.book.All(r, connector) {
			if err != nil {
				return err
			}
			all = append(all, spec.Device{
				Connector: d.Connector, ID: d.ID, UUID: d.UUID, State: d.State, Hash: d.Hash, Registered: d.Registered, Known: d.Known, Held: d.Held,
			})
		}
		return nil
	})
	return all, err
}

// syncUpstream compares hashes and tells the platform what differs.
func (k *Keeper) syncUpstream(ctx context.Context, report *Report, out Outside) error {
	has, err := out.Upstream.Devices(ctx)
	if err != nil {
		report.fail("", "devices", err)
		return err
	}
	there := make(map[string]*spec.Device, len(has))
	for i := range has {
		there[has[i].ID] = &has[i]
	}
	all, err := k.all(ctx, report.Connector)
	if err != nil {
		return err
	}
	for i := range all {
		d, up := &all[i], there[all[i].ID]
		delete(there, d.ID)
		if err := k.compare(ctx, report, out, d, up); err != nil {
			return err
		}
	}
	for i := range has {
		if up := &has[i]; there[up.ID] != nil && up.State != spec.DeviceDisconnected {
			report.need(up.ID, "upstream knows the device, and it is not here: add it here, or delete it there")
		}
	}
	return nil
}

// compare brings one device in step. up is the platform's; nil: it knows none.
func (k *Keeper) compare(ctx context.Context, report *Report, out Outside, d, up *spec.Device) error {
	word := Word{Known: up != nil}
	switch {
	case up == nil: // what is gone here, too, is done with
	case d.State == spec.DeviceDisconnected:
		word.Registered = up.State == spec.DeviceDisconnected
	case !d.Gone():
		word.Registered = up.State != spec.DeviceDisconnected && described(up) == d.Hash
	}
	if word != (Word{Known: d.Known, Registered: d.Registered}) || d.Gone() && up == nil {
		if err := k.space.Update(ctx, func(w store.Writer) error { return k.book.Told(w, d, word) }); err != nil {
			return err
		}
	}
	if word.Registered {
		report.Unchanged++
		return nil
	}
	if d.Gone() && up == nil {
		return nil
	}
	a, err := k.Tell(ctx, d.Connector, d.ID, Outside{Upstream: out.Upstream, Types: out.Types})
	if err != nil {
		return err
	}
	done, operation := outcome(report, d, up != nil)
	if a.Upstream {
		done.add(d.ID)
		return nil
	}
	report.fail(d.ID, operation, a.Err)
	if away(a.Err) {
		return a.Err
	}
	if d.State == spec.DeviceDeleted {
		return k.retain(ctx, report, out, d, up)
	}
	return nil
}

func outcome(report *Report, d *spec.Device, known bool) (done *Devices, operation string) {
	switch {
	case d.State == spec.DeviceDeleted:
		return &report.Deleted, "delete_device"
	case d.State == spec.DeviceDisconnected:
		return &report.Disconnected, "disconnect_device"
	case known:
		return &report.Updated, "update_device"
	}
	return &report.Added, "register_device"
}

// retain makes a device that the platform will not delete a disconnected one
// there. It stays deleted here, so that the next sync tries again.
func (k *Keeper) retain(ctx context.Context, report *Report, out Outside, d, up *spec.Device) error {
	if up.State != spec.DeviceDisconnected {
		if err := out.Upstream.Disconnect(ctx, d); err != nil {
			report.fail(d.ID, "disconnect_device", err)
			if away(err) {
				return err
			}
			report.need(d.ID, "it was deleted here, and upstream neither deletes nor disconnects it: delete it there")
			return nil
		}
		report.Disconnected.add(d.ID)
	}
	report.need(d.ID, "it was deleted here, and upstream keeps it as disconnected: delete it there")
	return nil
}
