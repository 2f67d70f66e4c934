// Command modbus is a connector that polls the registers of Modbus devices, over
// serial lines (RTU) and TCP, and writes to them what is sent to them. README.md
// says how to configure it.
package main

import (
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

var _ = snaprail.Register(&bus{})

func main() {}

// bus is one endpoint, a line or an address, with the devices behind it.
type bus struct {
	link    link
	devices []*device
	bad     []*misfit
}

// Open opens the endpoint, and plans what is read of each device. One whose config
// does not hold is left out, unless there is no other.
func (b *bus) Open(in *abi.OpenInput, _ *snaprail.Step) error {
	*b = bus{}
	if in.Lane == "" {
		if len(in.Devices) > 0 {
			return invalid(in.Devices[0].ID, "", "it has no endpoint: a serial port such as /dev/ttyUSB0, or host:port")
		}
		return nil // nobody is to be reached yet
	}
	c, err := readConfig(in)
	if err != nil {
		return err
	}
	for i := range in.Devices {
		d := &in.Devices[i]
		u, err := c.unitOf(d)
		if err != nil {
			log.Error(err.Error() + "; it is left out")
			b.bad = append(b.bad, &misfit{id: strings.Clone(d.ID), reason: err, tags: u.tags()})
			continue
		}
		b.devices = append(b.devices, &device{unit: u, id: d.ID, reads: u.plan(), last: map[int]known{}})
	}
	if len(b.devices) == 0 && len(b.bad) > 0 {
		return b.bad[0].reason
	}
	b.link, err = openLink(endpointOf(in), c)
	return err
}

// endpointOf is what the lane reaches: its own name, unless a manifest divides the
// connector otherwise.
func endpointOf(in *abi.OpenInput) string {
	if len(in.Devices) > 0 && in.Devices[0].Endpoint != "" {
		return in.Devices[0].Endpoint
	}
	return in.Lane
}

func (b *bus) device(id string) *device {
	for _, d := range b.devices {
		if d.id == id || id == "" && len(b.devices) == 1 && len(b.bad) == 0 {
			return d
		}
	}
	return nil
}

func (b *bus) misfit(id string) *misfit {
	for _, m := range b.bad {
		if m.id == id {
			return m
		}
	}
	return nil
}

// noDevice answers a message to a device that is not polled.
func (b *bus) noDevice(m *abi.Message, step *snaprail.Step) error {
	if bad := b.misfit(m.Device); bad != nil {
		return step.Fail(m, "invalid_config", "{0}", bad.reason.Error())
	}
	return step.Fail(m, "device_unknown", "there is no device {0} here", m.Device)
}

// OnEvents logs when the endpoint goes and comes back.
func (b *bus) OnEvents(events []abi.Event, _ *snaprail.Step) error {
	for i := range events {
		switch e := &events[i]; e.Type {
		case abi.EventUp:
			log.Info("the connection is back")
		case abi.EventDown:
			why := "no reason given"
			if e.Err != nil {
				why = e.Err.Error()
			}
			log.Warning("the connection is lost: " + why)
		default: // nothing that a poll would not notice
		}
	}
	return nil
}
