package supervisor

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/device"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxFollowed bounds the devices that wait for a word outside. Of what is beyond
// it the next sync tells.
const maxFollowed = 4096

// following is what has to be told outside, and is told by one goroutine, which
// lives for as long as there is anything.
type following struct {
	mu      sync.Mutex
	devices []followed
	syncs   []string // connectors
	busy    bool
}

type followed struct{ connector, device string }

// follow lets what a step has changed of a connector's devices become true: in
// its lanes, with its manager, and upstream. It waits for nothing.
func (t *Tenant) follow(connector string, devices []string) {
	t.DevicesChanged(connector, devices...)
	f := &t.following
	f.mu.Lock()
	for _, id := range devices {
		if len(f.devices) < maxFollowed {
			f.devices = append(f.devices, followed{connector, id})
		}
	}
	f.mu.Unlock()
	t.goFollow()
}

// TellLater lets a change of a device become true, as one of a guest's does: in
// the connector's lanes, with its manager, and upstream. It waits for nothing.
func (t *Tenant) TellLater(connector, device string) { t.follow(connector, []string{device}) }

// syncSoon brings the devices of connectors in step.
func (t *Tenant) syncSoon(connectors []string) {
	f := &t.following
	f.mu.Lock()
	for _, id := range connectors {
		waits := false
		for _, other := range f.syncs {
			waits = waits || other == id
		}
		if !waits {
			f.syncs = append(f.syncs, id)
		}
	}
	f.mu.Unlock()
	t.goFollow()
}

func (t *Tenant) goFollow() {
	t.super.mu.Lock()
	defer t.super.mu.Unlock()
	if t.super.stopped || t.leaving {
		return
	}
	f := &t.following
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy || len(f.devices)+len(f.syncs) == 0 {
		return
	}
	f.busy = true
	t.super.runners.Go(t.followAll)
}

// next is what is to be told next. False: there is nothing, and the goroutine
// ends.
func (f *following) next(ended bool) (d followed, sync string, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case ended || len(f.devices)+len(f.syncs) == 0:
		f.busy, f.devices, f.syncs = false, nil, nil
		return d, "", false
	case len(f.devices) > 0:
		d = f.devices[0]
		f.devices = f.devices[1:]
	default:
		sync = f.syncs[0]
		f.syncs = f.syncs[1:]
	}
	return d, sync, true
}

func (t *Tenant) followAll() {
	ctx, cancel := context.WithCancel(t.super.ending)
	defer cancel()
	for {
		d, id, more := t.following.next(ctx.Err() != nil)
		switch {
		case !more:
			return
		case id != "":
			if _, err := t.SyncDevices(ctx, id, "start"); err != nil {
				t.notes.Warn("devices are not in step", "connector", id, "error", err)
			}
		default:
			t.tellOf(ctx, d)
		}
	}
}

// tellOf tells the outside of one device, and the connector's guest what came of
// it.
func (t *Tenant) tellOf(ctx context.Context, d followed) {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	out, err := t.outside(ctx, d.connector)
	if err != nil || out.Manager == nil && out.Upstream == nil {
		return // the connector is gone, or nobody has to know
	}
	a, err := t.keeper.Tell(ctx, d.connector, d.device, out)
	t.DevicesChanged(d.connector, d.device)
	if err != nil {
		t.notes.Warn("upstream was not told of a device", "connector", d.connector, "device", d.device, "error", err)
		return
	}
	t.TellGuest(d.connector, d.device, a)
}

// TellGuest hands upstream's word on a device to the connector's guest, as an
// event, if one runs that takes events.
func (t *Tenant) TellGuest(connector, id string, a device.Answer) {
	raw, err := json.Marshal(a)
	if err != nil {
		return
	}
	e := abi.Event{Type: abi.EventDevice, Name: id, Data: raw}
	if a.Err != nil {
		e.Err = fault.ToABI(a.Err)
	}
	t.mu.Lock()
	r, ok := t.runners[connector]
	t.mu.Unlock()
	if ok && !r.notify(id, e) {
		t.Journal(connector).add(abi.LogWarning, actor.FromHost, "devices", "nobody takes upstream's word on "+fault.Clip(id, 64))
	}
}

// notify hands an event to the lane that serves the device, else to any. False:
// none takes it.
func (r *runner) notify(id string, e abi.Event) bool {
	l, err := r.laneFor(id)
	var a *actor.Actor
	if err == nil {
		r.mu.Lock()
		a = l.actor
		r.mu.Unlock()
	} else {
		a = r.some()
	}
	return a != nil && a.Notify(e)
}

// cameUp lets the devices that have to do with a connector catch up, when it has
// begun to work: all, when it is the platform; those that it keeps, when it is a
// manager.
func (t *Tenant) cameUp(ctx context.Context, id string) {
	var theirs []string
	err := t.space.View(ctx, func(r store.Reader) error {
		theirs = nil
		c, err := stored[spec.Connector](r, store.Connectors, id)
		if err != nil || c.Category != device.CategoryPlatform && c.Category != device.CategoryManager {
			return err
		}
		upstream := c.Category == device.CategoryPlatform && c.Default
		for e, err := range store.All(r, store.Connectors, "") {
			if err != nil {
				return err
			}
			other, err := stored[spec.Connector](r, store.Connectors, e.ID)
			if err != nil || e.ID == id {
				continue // a damaged one says so itself
			}
			if keeps := string(other.DeviceManager) == id; !keeps && !upstream {
				continue
			} else if keeps {
				theirs = append(theirs, e.ID)
				continue
			}
			some, err := r.List(store.Devices, within(e.ID, ""), "", 1)
			if err != nil {
				return err
			}
			if len(some) > 0 {
				theirs = append(theirs, e.ID)
			}
		}
		return nil
	})
	if err != nil && !fault.Is(err, fault.NotFound) {
		t.notes.Warn("devices are not in step", "connector", id, "error", err)
	}
	if len(theirs) > 0 {
		t.syncSoon(theirs)
	}
}
