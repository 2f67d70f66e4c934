package supervisor

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/device"
	"github.com/snaprail/snaprail/runtime/spec"
)

// polls are when the devices of a lane are asked.
type polls []actor.Poll

// equal reports whether a lane has nothing to do to come from one goal to the
// other.
func (g *goal) equal(o *goal) bool {
	return g != nil && o != nil && g.spec.Revision == o.spec.Revision && g.anew == o.anew &&
		slices.Equal(g.polls, o.polls) && (!g.reopen || sameDevices(g.devices, o.devices))
}

// still reports whether nothing at all has changed from one goal to the other, so
// that what failed then would fail now.
func (g *goal) still(o *goal) bool {
	return g.equal(o) && g.own == o.own && sameDevices(g.devices, o.devices)
}

// sameDevices reports whether a guest that was told of one list knows the other.
func sameDevices(a, b []abi.Device) bool {
	return slices.EqualFunc(a, b, func(x, y abi.Device) bool {
		return x.ID == y.ID && x.Hash == y.Hash && x.Endpoint == y.Endpoint && bytes.Equal(x.Config, y.Config)
	})
}

// served reports whether a lane serves the device.
func served(d *spec.Device) bool { return d.State == "" || d.State == spec.DeviceConnected }

func toldOf(d *spec.Device) abi.Device { return device.ToABI(d) }

// pollsOf are the schedules of a lane: of each of its devices, where the module
// is asked for each by itself, else one. own is set when the lane is one
// device's.
func pollsOf(c *spec.Connector, devices []*spec.Device, own, each bool) polls {
	switch {
	case own && len(devices) == 1:
		return polls{{Interval: devices[0].Poll.Interval.Or(time.Duration(c.Poll.Interval))}}
	case each:
		all := make(polls, len(devices))
		for i := range devices {
			all[i] = actor.Poll{Device: devices[i].ID, Interval: devices[i].Poll.Interval.Or(time.Duration(c.Poll.Interval))}
		}
		return all
	}
	return polls{{Interval: time.Duration(c.Poll.Interval)}}
}

// knows reports whether the guest that runs knows the devices of a goal, or
// need not: what it changed itself it knows.
func (l *life) knows(want *goal) bool {
	if !want.reopen || sameDevices(l.version.Devices, want.devices) {
		return true
	}
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	known := slices.Clone(l.version.Devices)
	for i := range want.devices {
		d := &want.devices[i]
		own, ok := l.did[d.ID]
		if !ok || !sameDevices([]abi.Device{own}, []abi.Device{*d}) {
			continue
		}
		at := slices.IndexFunc(known, func(k abi.Device) bool { return k.ID == d.ID })
		if at < 0 {
			known = append(known, *d)
		} else {
			known[at] = *d
		}
	}
	known = slices.DeleteFunc(known, func(k abi.Device) bool {
		own, ok := l.did[k.ID]
		return ok && own.ID == "" && !slices.ContainsFunc(want.devices, func(d abi.Device) bool { return d.ID == k.ID })
	})
	byID := func(a, b abi.Device) int { return strings.Compare(a.ID, b.ID) }
	slices.SortFunc(known, byID)
	if !sameDevices(known, slices.SortedFunc(slices.Values(want.devices), byID)) {
		return false
	}
	clear(l.did)
	l.version.Devices = want.devices
	return true
}
