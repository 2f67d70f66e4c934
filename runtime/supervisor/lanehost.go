package supervisor

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// laneHost is the node as one lane of a connector sees it.
type laneHost struct {
	*host

	lane *lane
}

var _ actor.Host = laneHost{}

// Commit implements actor.Host. What the lane's guest changes of its own devices
// it knows, and is not opened again for.
func (h laneHost) Commit(ctx context.Context, b *outbox.Block) (uint64, error) {
	sequence, err := h.host.Commit(ctx, b)
	if err == nil && len(b.Devices) > 0 {
		h.lane.own(h.super.kill, b.Devices) //nolint:contextcheck // the block is durable already
	}
	return sequence, err
}

// Lookup implements actor.Host: each lane has a state of its own.
func (h laneHost) Lookup(ctx context.Context, key string) (value []byte, found bool, err error) {
	return h.lookup(ctx, h.lane.name, key)
}

// Line implements actor.Host.
func (h laneHost) Line(level abi.LogLevel, source, target, text string) {
	if h.lane.name != "" {
		text = "[" + h.lane.name + "] " + text
	}
	h.host.Line(level, source, target, text)
}

// Report implements actor.Host. Of many lanes, those that start and run are not
// worth a line each.
func (h laneHost) Report(s lifecycle.Status) {
	if h.lane.name == "" {
		h.host.Report(s)
		return
	}
	if s.Reason != "" {
		h.journal.add(abi.LogInfo, actor.FromHost, "state", "["+h.lane.name+"] "+describe(s))
		h.notes.Log(h.super.kill, slogLevel(abi.LogWarning), "state", "lane", h.lane.name, "state", s.State,
			"reason", s.Reason, "code", s.Code, "generation", s.Generation)
	} else {
		h.notes.Log(h.super.kill, slogLevel(abi.LogDebug), "state", "lane", h.lane.name, "state", s.State, "generation", s.Generation)
	}
	h.moved()
}

// own notes what devices became by a change of the lane's own guest.
func (l *lane) own(ctx context.Context, changes []abi.DeviceChange) {
	now := make(map[string]abi.Device, len(changes))
	err := l.space.View(ctx, func(r store.Reader) error {
		clear(now)
		for i := range changes {
			id := changes[i].ID
			e, err := r.Get(store.Devices, within(l.id, id))
			if fault.Is(err, fault.NotFound) {
				now[id] = abi.Device{}
				continue
			}
			var d spec.Device
			if err == nil {
				err = json.Unmarshal(e.Value, &d)
			}
			if err != nil {
				return err
			}
			now[id] = abi.Device{}
			if served(&d) {
				now[id] = toldOf(&d)
			}
		}
		return nil
	})
	if err != nil { // the guest is opened again for what it did itself, which costs it little
		l.notes.Warn("a lane's own devices cannot be read", "connector", l.id, "lane", l.name, "error", err)
		return
	}
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	maps.Copy(l.did, now)
	l.of.pokeDevices()
}
