package actor

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// DeviceReader is a Host that knows the connector's devices: those that are here.
// It is safe for concurrent use.
type DeviceReader interface {
	Device(ctx context.Context, id string) (d abi.Device, found bool, err error)
	// Devices are those behind after in the order of their ids, no more than
	// limit; more says whether there are others behind them.
	Devices(ctx context.Context, after string, limit int) (list []abi.Device, more bool, err error)
}

// maxStagedDevices bounds the changes of devices that one step stages, in bytes.
const maxStagedDevices = 256 << 10

// staged holds the device changes of the step that runs, on top of what is
// committed. They become durable with the step's block, or are dropped with it.
type staged struct {
	reader  DeviceReader
	types   []string // that the module serves; none: any
	changes []abi.DeviceChange
	bytes   int
}

// holds reports whether any change is staged.
func (s *staged) holds() bool { return len(s.changes) > 0 }

// Device implements capability.Devices.
func (s *staged) Device(ctx context.Context, id string) (d abi.Device, found bool, err error) {
	if d, found, err = s.reader.Device(ctx, id); err != nil {
		return d, false, err
	}
	for i := range s.changes {
		if c := &s.changes[i]; c.ID == id {
			d, found = changed(d, c)
		}
	}
	return d, found, nil
}

// Devices implements capability.Devices.
func (s *staged) Devices(ctx context.Context, after string, limit int) (list []abi.Device, more bool, err error) {
	for {
		base, rest, err := s.reader.Devices(ctx, after, limit)
		if err != nil {
			return nil, false, err
		}
		upTo := "" // as far as the page goes
		if rest && len(base) > 0 {
			upTo = base[len(base)-1].ID
		}
		list = s.over(base, after, upTo)
		if len(list) > 0 || !rest || len(base) == 0 {
			more = rest || len(list) > limit
			return list[:min(len(list), limit)], more, nil
		}
		after = upTo // all of the page has been taken away
	}
}

// over is a page with what is staged of it.
func (s *staged) over(base []abi.Device, after, upTo string) []abi.Device {
	for i := range s.changes {
		c := &s.changes[i]
		if c.ID <= after || upTo != "" && c.ID > upTo {
			continue
		}
		at, found := slices.BinarySearchFunc(base, c.ID, func(d abi.Device, id string) int { return strings.Compare(d.ID, id) })
		var d abi.Device
		if found {
			d = base[at]
		}
		switch d, here := changed(d, c); {
		case here && found:
			base[at] = d
		case here:
			base = slices.Insert(base, at, d)
		case found:
			base = slices.Delete(base, at, at+1)
		}
	}
	return base
}

// Change implements capability.Devices. The change is copied.
func (s *staged) Change(_ context.Context, c abi.DeviceChange) error {
	if c.Change == abi.ChangePut && len(s.types) > 0 && !slices.Contains(s.types, c.Type) {
		return fault.New(fault.Invalid, "devices: the type %.64q is none that the module serves", c.Type).
			WithHint("its manifest names: %s", strings.Join(s.types, ", "))
	}
	raw := c.Append(nil)
	if len(s.changes) >= maxDevices || s.bytes+len(raw) > maxStagedDevices {
		return fault.New(fault.TooLarge, "devices: one step may change %d devices in %d bytes", maxDevices, maxStagedDevices).
			WithHint("change less in one step, or emit in between")
	}
	var own abi.DeviceChange // of bytes that nobody else writes to
	if err := own.Decode(raw); err != nil {
		return fault.Wrap(fault.Invalid, err, "devices")
	}
	s.changes, s.bytes = append(s.changes, own), s.bytes+len(raw)
	return nil
}

// take hands over what is staged, before what the outcome asks for, and starts
// anew.
func (s *staged) take(outcome []abi.DeviceChange) []abi.DeviceChange {
	all := s.changes
	s.changes, s.bytes = nil, 0
	if len(all) == 0 {
		return outcome
	}
	return append(all, outcome...)
}

// changed is a device after a change, and whether it is still here.
func changed(d abi.Device, c *abi.DeviceChange) (abi.Device, bool) {
	if c.Change != abi.ChangePut {
		return abi.Device{}, false
	}
	if d.State == "" {
		d.State = "connected"
	}
	d.ID, d.Type, d.Name = c.ID, c.Type, c.Name
	if c.Tags != nil {
		d.Tags = c.Tags.Tags
	}
	if c.Attributes != nil {
		d.Attributes = bytes.Clone(c.Attributes)
	}
	if c.Endpoint != nil {
		d.Endpoint = *c.Endpoint
	}
	if c.Config != nil {
		d.Config = bytes.Clone(c.Config)
	}
	d.Hash = d.Sum()
	return d, true
}
