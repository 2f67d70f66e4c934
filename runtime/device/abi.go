package device

import (
	"bytes"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// ToABI is a device as its connector's guest sees it.
func ToABI(d *spec.Device) abi.Device {
	state := d.State
	if state == "" {
		state = spec.DeviceConnected
	}
	of := abi.Device{
		ID: d.ID, Type: d.Type, Name: d.Name, UUID: d.UUID, Attributes: d.Attributes, Endpoint: d.Endpoint,
		Config: d.Config, Hash: d.Hash, State: string(state),
	}
	for _, name := range sorted(d.Tags) {
		of.Tags = append(of.Tags, abi.Header{Name: name, Value: []byte(d.Tags[name])})
	}
	return of
}

// Hash is the device's hash, as abi.Device.Sum has it.
func Hash(d *spec.Device) string {
	of := ToABI(d)
	return of.Sum()
}

// Apply does what a guest's step asks for with one device. changed is false when
// it was so already: to take away what is not there is no error. What cannot be
// kept is fault.Invalid, fault.TooLarge or fault.Exhausted.
func (b *Book) Apply(w store.Writer, connector string, c *abi.DeviceChange, at time.Time) (changed bool, err error) {
	state := spec.DeviceState("")
	switch c.Change {
	case abi.ChangePut:
	case abi.ChangeRemove:
		state = spec.DeviceDeleted
	case abi.ChangeDisconnect:
		state = spec.DeviceDisconnected
	default:
		return false, nil // of a newer contract
	}
	if state != "" {
		_, err = b.Leave(w, connector, c.ID, state, at)
		if fault.Is(err, fault.DeviceUnknown) {
			return false, nil
		}
		return err == nil, err
	}
	d, _, err := b.Lookup(w, connector, c.ID)
	if err != nil {
		return false, err
	}
	before := d.Revision
	d.Connector = connector
	Merge(&d, c)
	after, err := b.Put(w, d, at)
	return err == nil && after.Revision != before, err
}

// Merge puts what a change says into a device. What it does not say stays.
func Merge(d *spec.Device, c *abi.DeviceChange) {
	d.ID, d.Type, d.Name = c.ID, c.Type, c.Name
	if c.Tags != nil {
		d.Tags = nil
		for _, tag := range c.Tags.Tags {
			if d.Tags == nil {
				d.Tags = map[string]string{}
			}
			d.Tags[tag.Name] = string(tag.Value)
		}
	}
	if c.Attributes != nil {
		d.Attributes = object(c.Attributes)
	}
	if c.Endpoint != nil {
		d.Endpoint = *c.Endpoint
	}
	if c.Config != nil {
		d.Config = object(c.Config)
	}
}

// object is a copy of a JSON object; an empty one is none. Of what is no object
// Validate says so.
func object(raw []byte) []byte {
	if canonical, err := abi.Canonical(raw); err == nil && string(canonical) == "{}" {
		return nil
	}
	return bytes.Clone(raw)
}
