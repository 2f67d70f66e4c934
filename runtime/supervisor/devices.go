package supervisor

import (
	"context"
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/device"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Devices is the book of the tenant's devices.
func (t *Tenant) Devices() *device.Book { return t.devices }

// tellTime is how long an answer of a manager or of a platform is waited for
// when nobody waits for it here.
const tellTime = 10 * time.Second

// TellDevice tells the connector's manager and the platform of a device as it is
// in the book now, and answers what came of it. It waits until ctx ends; what is
// not told by then is told at the next sync.
func (t *Tenant) TellDevice(ctx context.Context, connector, id string) (device.Answer, error) {
	out, err := t.outside(ctx, connector)
	if err != nil {
		return device.Answer{}, err
	}
	a, err := t.keeper.Tell(ctx, connector, id, out)
	t.DevicesChanged(connector, id)
	return a, err
}

// AdoptDevice asks the connector's own manager, if it has one, for a device that
// is not in the book. fault.DeviceUnknown: nobody has it.
func (t *Tenant) AdoptDevice(ctx context.Context, connector, id string) (spec.Device, error) {
	out, err := t.outside(ctx, connector)
	if err != nil {
		return spec.Device{}, err
	}
	if out.Manager == nil {
		return spec.Device{}, fault.New(fault.DeviceUnknown, "the connector %.64s has no device %.64q", connector, id)
	}
	d, err := t.keeper.Adopt(ctx, connector, id, out.Manager)
	if err == nil {
		t.DevicesChanged(connector, id)
	}
	return d, err
}

// SyncDevices brings a connector's devices in step with its manager and with the
// platform: see device.Keeper.Sync.
func (t *Tenant) SyncDevices(ctx context.Context, connector, reason string) (device.Report, error) {
	out, err := t.outside(ctx, connector)
	if err != nil {
		return device.Report{}, err
	}
	report, err := t.keeper.Sync(ctx, connector, reason, out)
	t.DevicesChanged(connector)
	for _, need := range report.NeedsAction {
		t.Journal(connector).add(abi.LogWarning, actor.FromHost, "devices", need.Device+": "+need.Text)
	}
	return report, err
}

// outside is what the devices of a connector are kept in step with.
func (t *Tenant) outside(ctx context.Context, connector string) (out device.Outside, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		out = device.Outside{}
		c, err := stored[spec.Connector](r, store.Connectors, connector)
		if err != nil {
			return err
		}
		m, err := stored[spec.Module](r, store.Modules, c.Module)
		if err == nil {
			out.Types = m.Manifest.DeviceTypes
		} else if !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
			return err
		}
		if manager := string(c.DeviceManager); c.DeviceManager.Own() && manager != connector {
			out.Manager = keptBy{t, manager, connector}
		}
		e, err := r.Get(store.Defaults, device.CategoryPlatform)
		if fault.Is(err, fault.NotFound) || err == nil && string(e.Value) == connector {
			return nil
		}
		if err == nil {
			out.Upstream = platform{t, string(e.Value), connector}
		}
		return err
	})
	return out, err
}

// Device implements actor.DeviceReader.
func (h *host) Device(ctx context.Context, id string) (d abi.Device, found bool, err error) {
	err = h.space.View(ctx, func(r store.Reader) error {
		of, there, err := h.devices.Lookup(r, h.id, id)
		if found = there && !of.Gone(); found {
			d = device.ToABI(&of)
		}
		return err
	})
	return d, found, err
}

// Devices implements actor.DeviceReader.
func (h *host) Devices(ctx context.Context, after string, limit int) (list []abi.Device, more bool, err error) {
	err = h.space.View(ctx, func(r store.Reader) error {
		list, more = nil, false
		for d, err := range h.devices.Behind(r, h.id, after) {
			if err != nil {
				return err
			}
			if len(list) == limit {
				more = true
				return nil
			}
			list = append(list, device.ToABI(&d))
		}
		return nil
	})
	return list, more, err
}

var _ actor.DeviceReader = (*host)(nil)

// stored reads one value.
func stored[T any](r store.Reader, bucket store.Bucket, id string) (v T, err error) {
	e, err := r.Get(bucket, id)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(e.Value, &v); err != nil {
		return v, fault.Wrap(fault.Integrity, err, "%s %s", bucket, id)
	}
	return v, nil
}

// platform is upstream: the operations of a connector, for the devices of
// another one.
type platform struct {
	tenant        *Tenant
	id, connector string
}

func (p platform) Register(ctx context.Context, d *spec.Device) error {
	return p.send(ctx, "register_device", d)
}

func (p platform) Update(ctx context.Context, d *spec.Device) error {
	return p.send(ctx, "update_device", d)
}

func (p platform) Disconnect(ctx context.Context, d *spec.Device) error {
	_, err := p.tenant.operate(ctx, p.id, "disconnect_device", named{Connector: p.connector, ID: d.ID})
	return err
}

func (p platform) Delete(ctx context.Context, d *spec.Device) error {
	_, err := p.tenant.operate(ctx, p.id, "delete_device", named{Connector: p.connector, ID: d.ID})
	return err
}

func (p platform) Devices(ctx context.Context) ([]spec.Device, error) {
	out, err := p.tenant.operate(ctx, p.id, "devices", named{Connector: p.connector})
	if err != nil {
		return nil, err
	}
	return device.ReadDevices(out, p.connector)
}

func (p platform) send(ctx context.Context, operation string, d *spec.Device) error {
	_, err := p.tenant.operate(ctx, p.id, operation, described{p.connector, device.ForUpstream(d)})
	return err
}

// keptBy keeps the devices of a connector by the operations of another one.
type keptBy struct {
	tenant        *Tenant
	id, connector string
}

func (m keptBy) Add(ctx context.Context, d *spec.Device) error {
	_, err := m.tenant.operate(ctx, m.id, "add", described{m.connector, device.ForManager(d)})
	return err
}

func (m keptBy) Update(ctx context.Context, d *spec.Device) error {
	_, err := m.tenant.operate(ctx, m.id, "update", described{m.connector, device.ForManager(d)})
	return err
}

func (m keptBy) Remove(ctx context.Context, id string) error {
	_, err := m.tenant.operate(ctx, m.id, "remove", named{Connector: m.connector, ID: id})
	return err
}

func (m keptBy) Get(ctx context.Context, id string) (spec.Device, error) {
	out, err := m.tenant.operate(ctx, m.id, "get", named{Connector: m.connector, ID: id})
	if err != nil {
		return spec.Device{}, err
	}
	return device.ReadDevice(out, m.connector)
}

func (m keptBy) Devices(ctx context.Context) ([]spec.Device, error) {
	out, err := m.tenant.operate(ctx, m.id, "devices", named{Connector: m.connector})
	if err != nil {
		return nil, err
	}
	return device.ReadDevices(out, m.connector)
}

// The arguments of the operations, as the categories name them.
type (
	named struct {
		Connector string `json:"connector"`
		ID        string `json:"id,omitempty"`
	}
	described struct {
		Connector string          `json:"connector"`
		Device    device.Document `json:"device"`
	}
)

// operate calls an operation of a connector, and takes it at its word about what
// there is and what there is not.
func (t *Tenant) operate(ctx context.Context, id, operation string, args any) ([]byte, error) {
	in, err := json.Marshal(args)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "%s", operation)
	}
	out, err := t.Call(ctx, id, abi.OperationPrefix+operation, in)
	if f := fault.Of(err); f != nil && f.Kind == fault.Guest {
		switch f.Said {
		case abi.FaultNotFound:
			return nil, fault.Wrap(fault.NotFound, err, "%s", operation)
		case abi.FaultConflict:
			return nil, fault.Wrap(fault.Exists, err, "%s", operation)
		default: // as it is
		}
	}
	return out, err
}

// atOnceDevices bounds the devices that one transaction writes, each of which may
// have spec.MaxDevice bytes.
const atOnceDevices = 8

// applyDevices does what a block asks for with devices, some in a transaction, as
// all of them might be too much for one. It may be done again: what is so already
// changes nothing. What cannot be kept is left out, with a line in the log.
func (t *Tenant) applyDevices(ctx context.Context, b *outbox.Block) error {
	at := time.Unix(0, b.Received)
	var changed []string
	for from := 0; from < len(b.Devices); from += atOnceDevices {
		some := b.Devices[from:min(from+atOnceDevices, len(b.Devices))]
		var those []string
		err := t.space.Update(ctx, func(w store.Writer) error {
			those = those[:0]
			if done, err := watermark(w, b.Connector, b.Lane); err != nil || done >= b.Seq {
				return err
			}
			for i := range some {
				did, err := t.devices.Apply(w, b.Connector, &some[i], at)
				if neverApplies(err) || fault.Is(err, fault.Exhausted) {
					t.Journal(b.Connector).add(abi.LogError, actor.FromHost, "devices", "a change of a device is left out: "+err.Error())
					continue
				}
				if err != nil {
					return err
				}
				if did {
					those = append(those, some[i].ID)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		changed = append(changed, those...)
	}
	if len(changed) > 0 {
		t.follow(b.Connector, changed)
	}
	return nil
}
