package snaprail

import (
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Device is a thing behind the connector, with tags and extension attributes.
// Those that open is handed are abi.Devices: snaprail.Device{Device: d}.
type Device struct {
	abi.Device
}

// NewDevice is a device with what every device has.
func NewDevice(id, deviceType, name string) *Device {
	return &Device{abi.Device{ID: id, Type: deviceType, Name: name}}
}

// Hash is the SHA-1 over what the device is, as the host and the platform have
// it: see abi.Device.Sum.
func (d *Device) Hash() string { return d.Sum() }

// AddTag adds a tag. A tag that is there already is an error with the code
// tag_exists.
func (d *Device) AddTag(name, value string) error {
	if d.tag(name) >= 0 {
		return misuse("tag_exists", "the device "+d.ID+" has the tag "+name+" already", "Change it instead.")
	}
	d.Tags = append(d.Tags, abi.Header{Name: name, Value: []byte(value)})
	return nil
}

// ChangeTag changes a tag. One that is not there is an error with the code
// tag_missing.
func (d *Device) ChangeTag(name, value string) error {
	i := d.tag(name)
	if i < 0 {
		return d.missing(name)
	}
	d.Tags[i].Value = []byte(value)
	return nil
}

// RemoveTag removes a tag. One that is not there is an error with the code
// tag_missing.
func (d *Device) RemoveTag(name string) error {
	i := d.tag(name)
	if i < 0 {
		return d.missing(name)
	}
	d.Tags = slices.Delete(d.Tags, i, i+1)
	return nil
}

// Tag is the value of a tag, if the device has it.
func (d *Device) Tag(name string) (value string, found bool) {
	if i := d.tag(name); i >= 0 {
		return string(d.Tags[i].Value), true
	}
	return "", false
}

func (d *Device) tag(name string) int {
	return slices.IndexFunc(d.Tags, func(tag abi.Header) bool { return tag.Name == name })
}

func (d *Device) missing(name string) error {
	return misuse("tag_missing", "the device "+d.ID+" has no tag "+name, "Add it first.")
}

// Put adds a device of the connector, or replaces what is known of it: its type,
// name and tags, and of its attributes, endpoint and config those that are set.
func (s *Step) Put(d *Device) {
	change := abi.DeviceChange{
		Change: abi.ChangePut, ID: d.ID, Type: d.Type, Name: d.Name,
		Tags: &abi.DeviceTags{Tags: slices.Clone(d.Tags)}, Attributes: d.Attributes, Config: d.Config,
	}
	if d.Endpoint != "" {
		change.Endpoint = new(d.Endpoint)
	}
	s.change(change)
}

// DisconnectDevice forgets a device of the connector, which upstream keeps as
// disconnected.
func (s *Step) DisconnectDevice(id string) {
	s.change(abi.DeviceChange{Change: abi.ChangeDisconnect, ID: id})
}
