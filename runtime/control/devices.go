package control

import (
	"context"
	"fmt"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/device"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Patience is how long a caller waits for what upstream says of a device.
type Patience struct {
	Wait  time.Duration // up to 5 minutes; 0: 10 seconds
	Later bool          // do not wait at all: upstream is told afterwards
}

// DeviceResult is a device after a change, and what came of the change: here
// first, and then upstream, whether upstream can be reached or not.
type DeviceResult struct {
	spec.Device
	device.Answer

	// Pending says that upstream has not been told yet, as nobody waits for it.
	Pending bool
}

// The time that a caller waits for upstream.
const (
	usualPatience = 10 * time.Second
	mostPatience  = 5 * time.Minute
)

func (p Patience) bound(ctx context.Context) (context.Context, context.CancelFunc, error) {
	switch {
	case p.Wait < 0 || p.Wait > mostPatience:
		return nil, nil, fault.New(fault.Invalid, "a caller waits 1ms to %s for upstream", mostPatience)
	case p.Wait == 0:
		p.Wait = usualPatience
	}
	ctx, cancel := context.WithTimeout(ctx, p.Wait)
	return ctx, cancel, nil
}

// Devices is a page of the devices of a connector, or of all when it is "". Those
// that are gone here, and of which upstream has still to be told, are among them.
func (t *Tenant) Devices(ctx context.Context, connector string, p Page) (list []spec.Device, next string, err error) {
	if err := t.may(ctx, identity.Devices, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		of := ""
		if connector != "" {
			c, err := find(r, connector)
			if err != nil {
				return err
			}
			of = c.ID
		}
		list, next, err = t.runtime.Devices().List(r, of, p.After, limit)
		return err
	})
	return list, next, err
}

// Device is one device of a connector, whether it is here or upstream has still
// to let go of it. A connector whose devices are kept by a manager of the user's
// own asks that manager for one that it has not seen. fault.DeviceUnknown: there
// is none.
func (t *Tenant) Device(ctx context.Context, connector, id string) (d spec.Device, err error) {
	if err := t.may(ctx, identity.Devices, identity.Read); err != nil {
		return d, err
	}
	c, err := t.read(ctx, connector)
	if err != nil {
		return d, err
	}
	found := false
	err = t.space.View(ctx, func(r store.Reader) (err error) {
		d, found, err = t.runtime.Devices().Lookup(r, c.ID, id)
		return err
	})
	if err != nil || found {
		return d, err
	}
	ctx, cancel, err := Patience{}.bound(ctx)
	if err != nil {
		return d, err
	}
	defer cancel()
	return t.runtime.AdoptDevice(ctx, c.ID, id)
}

// AddDevice adds a device to a connector, here first and then upstream. It has an
// id and a type that the connector's module serves; its name is its id if it has
// none. fault.Exists: the connector has the device already.
func (t *Tenant) AddDevice(ctx context.Context, connector string, d spec.Device, p Patience) (DeviceResult, error) {
	return t.changeDevice(ctx, connector, d.ID, p, identity.DeviceCreate, func(w store.Writer, c *spec.Connector, at time.Time) (spec.Device, error) {
		switch _, err := t.runtime.Devices().Get(w, c.ID, d.ID); {
		case fault.Is(err, fault.DeviceUnknown):
			return t.putDevice(w, c, d, at)
		case err != nil:
			return d, err
		}
		return d, fault.New(fault.Exists, "the connector %s has a device %.64q already", c.Name, d.ID).
			WithHint("Update it, or delete it first.")
	})
}

// UpdateDevice replaces what a caller may set of a device that is here. revision
// is the one that the caller read (If-Match); 0: whatever is there.
func (t *Tenant) UpdateDevice(ctx context.Context, connector, id string, d spec.Device, revision uint64, p Patience) (DeviceResult, error) {
	d.ID = id
	return t.changeDevice(ctx, connector, id, p, identity.DeviceUpdate, func(w store.Writer, c *spec.Connector, at time.Time) (spec.Device, error) {
		if err := t.checkDevice(w, c, &d); err != nil {
			return d, err
		}
		return t.runtime.Devices().Change(w, c.ID, id, revision, at, func(is *spec.Device) error {
			is.Type, is.Name, is.Tags, is.Attributes = d.Type, d.Name, d.Tags, d.Attributes
			is.Endpoint, is.Config, is.Poll = d.Endpoint, d.Config, d.Poll
			is.Converter, is.AttributeUpdates, is.Mapping = d.Converter, d.AttributeUpdates, d.Mapping
			return nil
		})
	})
}

// DisconnectDevice takes a device away from here and leaves it upstream, as
// disconnected, for people to act on.
func (t *Tenant) DisconnectDevice(ctx context.Context, connector, id string, revision uint64, p Patience) (DeviceResult, error) {
	return t.leaveDevice(ctx, connector, id, revision, p, identity.DeviceDisconnect, spec.DeviceDisconnected)
}

// DeleteDevice deletes a device, here and upstream. What upstream could not be
// told it is told with the next sync.
func (t *Tenant) DeleteDevice(ctx context.Context, connector, id string, revision uint64, p Patience) (DeviceResult, error) {
	return t.leaveDevice(ctx, connector, id, revision, p, identity.DeviceDelete, spec.DeviceDeleted)
}

func (t *Tenant) leaveDevice(ctx context.Context, connector, id string, revision uint64, p Patience, did identity.Action, state spec.DeviceState) (DeviceResult, error) {
	return t.changeDevice(ctx, connector, id, p, did, func(w store.Writer, c *spec.Connector, at time.Time) (spec.Device, error) {
		d, found, err := t.runtime.Devices().Lookup(w, c.ID, id)
		if err == nil && found && revision != 0 && revision != d.Revision {
			err = fault.New(fault.StaleRevision, "device %.64q is at revision %d, not %d", id, d.Revision, revision)
		}
		if err != nil {
			return d, err
		}
		return t.runtime.Devices().Leave(w, c.ID, id, state, at)
	})
}

// AddTag gives a device a tag that it does not have (fault.TagExists).
func (t *Tenant) AddTag(ctx context.Context, connector, id, name, value string, revision uint64, p Patience) (DeviceResult, error) {
	return t.changeDevice(ctx, connector, id, p, identity.DeviceUpdate, func(w store.Writer, c *spec.Connector, at time.Time) (spec.Device, error) {
		return t.runtime.Devices().AddTag(w, c.ID, id, name, value, revision, at)
	})
}

// ChangeTag changes a tag that a device has (fault.TagMissing).
func (t *Tenant) ChangeTag(ctx context.Context, connector, id, name, value string, revision uint64, p Patience) (DeviceResult, error) {
	return t.changeDevice(ctx, connector, id, p, identity.DeviceUpdate, func(w store.Writer, c *spec.Connector, at time.Time) (spec.Device, error) {
		return t.runtime.Devices().ChangeTag(w, c.ID, id, name, value, revision, at)
	})
}

// RemoveTag takes a tag from a device that has it (fault.TagMissing).
func (t *Tenant) RemoveTag(ctx context.Context, connector, id, name string, revision uint64, p Patience) (DeviceResult, error) {
	return t.changeDevice(ctx, connector, id, p, identity.DeviceUpdate, func(w store.Writer, c *spec.Connector, at time.Time) (spec.Device, error) {
		return t.runtime.Devices().RemoveTag(w, c.ID, id, name, revision, at)
	})
}

// changeDevice is one change of a device: written here, with its event, and then
// told upstream.
func (t *Tenant) changeDevice(ctx context.Context, connector, id string, p Patience, did identity.Action,
	do func(store.Writer, *spec.Connector, time.Time) (spec.Device, error),
) (out DeviceResult, err error) {
	if err := t.may(ctx, identity.Devices, identity.Write); err != nil {
		return out, err
	}
	wait, cancel, err := p.bound(ctx)
	if err != nil {
		return out, err
	}
	defer cancel()
	at := time.Now()
	var c spec.Connector
	err = t.space.UpdateAhead(ctx, func(w store.Writer) (err error) {
		if c, err = find(w, connector); err != nil {
			return err
		}
		if out.Device, err = do(w, &c, at); err != nil {
			return err
		}
		e := t.event(did, &c)
		e.On = id
		return identity.Append(w, e)
	})
	if err != nil {
		if c.ID != "" && !fault.Is(err, fault.NotFound) {
			t.refusal(did, &c, err)
		}
		return out, err
	}
	if did == identity.DeviceDelete {
		t.runtime.Twins().Drop(c.ID, id)
	}
	if p.Later {
		t.runtime.TellLater(c.ID, id)
		out.Local, out.Pending = true, true
		return out, nil
	}
	t.runtime.DevicesChanged(c.ID, id)
	if out.Answer, err = t.runtime.TellDevice(wait, c.ID, id); err != nil {
		return out, err
	}
	return out, t.space.View(ctx, func(r store.Reader) error {
		d, found, err := t.runtime.Devices().Lookup(r, c.ID, id)
		if found {
			out.Device = d
		}
		return err
	})
}

// putDevice adds a device that has been asked for.
func (t *Tenant) putDevice(w store.Writer, c *spec.Connector, d spec.Device, at time.Time) (spec.Device, error) {
	if err := t.checkDevice(w, c, &d); err != nil {
		return d, err
	}
	d.Connector = c.ID
	return t.runtime.Devices().Put(w, d, at)
}

// checkDevice checks what a person says of a device: all that is required, a type
// that the module serves, a converter that is one.
func (t *Tenant) checkDevice(r store.Reader, c *spec.Connector, d *spec.Device) error {
	if d.Name == "" {
		d.Name = d.ID
	}
	var bad []fault.Field
	for pointer, text := range map[string]string{"/id": d.ID, "/type": d.Type} {
		if text == "" {
			bad = append(bad, fault.Field{Pointer: pointer, Detail: "is required"})
		}
	}
	if i := d.Poll.Interval; i < 0 || i > 0 && time.Duration(i) < minInterval {
		bad = append(bad, fault.Field{Pointer: "/poll/interval", Detail: "is at least " + minInterval.String()})
	}
	checkMapping("/mapping", d.Mapping, func(pointer, format string, args ...any) {
		bad = append(bad, fault.Field{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
	})
	if len(bad) > 0 {
		return fault.New(fault.Invalid, "the device is not valid: %s", summary(bad)).WithFields(bad...)
	}
	if !c.Remote {
		m, err := moduleOf(r, c.Module)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err := (device.Outside{Types: m.Manifest.DeviceTypes}).CheckType(d); err != nil {
			return fault.Of(err).WithFields(fault.Field{Pointer: "/type", Detail: "is none that the connector's module serves"})
		}
	}
	return t.checkDeviceConverter(r, d)
}

func (t *Tenant) checkDeviceConverter(r store.Reader, d *spec.Device) error {
	if d.Converter == nil {
		return nil
	}
	wrong := func(detail string) error {
		return fault.New(fault.Invalid, "the device is not valid: /converter/module %s", detail).
			WithFields(fault.Field{Pointer: "/converter/module", Detail: detail})
	}
	modules := []string{d.Converter.Module}
	for _, stage := range d.Converter.Then {
		modules = append(modules, stage.Module)
	}
	for _, digest := range modules {
		if digest == "" || len(digest) > store.MaxID {
			return wrong("is the digest of a module")
		}
		m, err := moduleOf(r, digest)
		switch {
		case fault.Is(err, fault.NotFound):
			return wrong("is no module that was uploaded")
		case err != nil:
			return err
		case m.Manifest.Kind != abi.KindConverter:
			return wrong("is no converter")
		}
	}
	return t.fittingConverter(r, d.Converter)
}
