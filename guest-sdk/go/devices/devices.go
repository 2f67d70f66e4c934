// Package devices is the connector's own devices, as the host keeps them (group
// devices). What changes here takes effect with the step that changes it, and a
// handler that fails has changed nothing. A read sees the changes of its own
// step.
//
// A change takes effect here first. The platform upstream, if there is one, is
// told afterwards: its word comes as an abi.EventDevice with the device's id as
// its name, and {"local":true,"upstream":true} as its data.
package devices

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Get is a device of the connector, if there is one.
func Get(id string) (d abi.Device, found bool, err error) {
	page, err := ask(hostGet, abi.DeviceQuery{ID: id})
	if err != nil || len(page.Devices) == 0 {
		return d, false, err
	}
	return page.Devices[0], true, nil
}

// All calls fn with each device of the connector, in the order of their ids,
// until it answers false. The device is valid until fn returns.
func All(fn func(*abi.Device) bool) error {
	for after := ""; ; {
		page, err := ask(hostList, abi.DeviceQuery{After: after})
		if err != nil {
			return err
		}
		for i := range page.Devices {
			after = page.Devices[i].ID
			if !fn(&page.Devices[i]) {
				return nil
			}
		}
		if !page.More || len(page.Devices) == 0 {
			return nil
		}
	}
}

// Put adds a device, or replaces what is known of it. Tags, attributes, endpoint
// and config that are not set in the change stay as they are. Every device has an
// id, a type and a name.
func Put(change abi.DeviceChange) error {
	change.Change = abi.ChangePut
	return tell(hostPut, change)
}

// Add is Put of all of a device.
func Add(d *abi.Device) error {
	return Put(abi.DeviceChange{
		ID: d.ID, Type: d.Type, Name: d.Name, Tags: &abi.DeviceTags{Tags: d.Tags},
		Attributes: whole(d.Attributes), Endpoint: &d.Endpoint, Config: whole(d.Config),
	})
}

// whole makes no object one that takes the place of what is there.
func whole(object []byte) []byte {
	if object == nil {
		return []byte{}
	}
	return object
}

// Disconnect takes a device away from here, and leaves it upstream as
// disconnected, for people to act on. One that is not here is an error.
func Disconnect(id string) error { return tell(hostDisconnect, abi.DeviceChange{ID: id}) }

// Remove deletes a device here and upstream. One that is not here is an error.
func Remove(id string) error { return tell(hostRemove, abi.DeviceChange{ID: id}) }

func tell(host func([]byte) ([]byte, error), change abi.DeviceChange) error {
	_, err := host(change.Append(hostcall.Request()))
	return err
}

func ask(host func([]byte) ([]byte, error), query abi.DeviceQuery) (page abi.DevicePage, err error) {
	reply, err := host(query.Append(hostcall.Request()))
	if err != nil {
		return page, err
	}
	return page, page.Decode(reply)
}
