package supervisor

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/device"
	"github.com/snaprail/snaprail/runtime/device/twin"
	"github.com/snaprail/snaprail/runtime/interlock"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// gatedSpace lets one write wait that was asked to.
type gatedSpace struct {
	store.Space
	waits   chan struct{} // holds a token for each write that is to wait
	reached chan struct{} // gets one when a write waits
	open    chan struct{}
}

func (g *gatedSpace) Update(ctx context.Context, do func(store.Writer) error) error {
	select {
	case <-g.waits:
		g.reached <- struct{}{}
		<-g.open
	default:
	}
	return g.Space.Update(ctx, do)
}

// bare is a tenant of a server that has stopped: with a log and a store, and
// nothing that runs.
func bare(t *testing.T) (*Tenant, *gatedSpace) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	s := New(ctx, Config{Log: slog.New(slog.DiscardHandler)})
	s.stopped = true
	backend := memory.New()
	t.Cleanup(func() { _ = backend.Close() })
	space, err := backend.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	gated := &gatedSpace{Space: space, waits: make(chan struct{}, 1), reached: make(chan struct{}), open: make(chan struct{})}
	log, err := outbox.Open(t.TempDir(), outbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	ten := &Tenant{
		name: "plant", super: s, space: gated, log: log, notes: s.cfg.Log, devices: device.NewBook(0, 0),
		runners: map[string]*runner{}, journals: map[string]*Journal{},
	}
	ten.interlocks = interlock.New(interlock.Config{})
	ten.twins = twin.New(twin.Config{Space: space, Outbox: log})
	return ten, gated
}

// TestLanesHaveStatesOfTheirOwn, whatever the order in which their blocks come to
// the store, and a removed device's is forgotten.
func TestLanesHaveStatesOfTheirOwn(t *testing.T) {
	ten, _ := bare(t)
	r := ten.newRunner("c")
	names := []string{"d2", "d1", "", strings.Repeat("l", 256)}
	key, size := strings.Repeat("k", 256), 0
	for i, name := range names {
		b := &outbox.Block{Seq: uint64(20 - i), Connector: "c", Lane: name, KV: []outbox.KV{{Key: key, Value: []byte("of " + name)}}}
		grown, err := ten.apply(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		r.host.kept.Add(uint64(grown))
	}
	for _, name := range names {
		value, found, err := laneHost{r.host, &lane{name: name}}.Lookup(t.Context(), key)
		if err != nil || !found || string(value) != "of "+name {
			t.Errorf("lane %.8q: %q, %v, %v", name, value, found, err)
		}
		size += len(key) + len(value)
	}
	kept := r.host.Kept()
	if err := r.host.countKept(t.Context()); err != nil || kept != uint64(size) || r.host.Kept() != kept {
		t.Errorf("%d bytes are kept, %d were counted on the way and %d at the start (%v)", size, kept, r.host.Kept(), err)
	}
	if err := r.forgetLane(t.Context(), "d1"); err != nil {
		t.Fatal(err)
	}
	if _, found, err := r.host.lookup(t.Context(), "d1", key); err != nil || found {
		t.Errorf("the state of a removed device: %v, %v", found, err)
	}
	if want := kept - uint64(len(key)+len("of d1")); r.host.Kept() != want {
		t.Errorf("%d bytes are kept, want %d", r.host.Kept(), want)
	}
	if err := ten.Purge(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if err := r.host.countKept(t.Context()); err != nil || r.host.Kept() != 0 {
		t.Errorf("of a deleted connector %d bytes are kept (%v)", r.host.Kept(), err)
	}
}

// TestDevicesFollowTheLog: of two lanes that change one device at the same time,
// the last in the log decides, even when the store takes the first one's late.
func TestDevicesFollowTheLog(t *testing.T) {
	ten, space := bare(t)
	h := ten.newHost("c")
	space.waits <- struct{}{}
	var done [2]chan uint64
	for i, lane := range []string{"d1", "d2"} {
		done[i] = make(chan uint64, 1)
		name := "of " + lane
		b := &outbox.Block{
			Connector: "c", Lane: lane, Epoch: uint64(i + 1), Received: time.Now().UnixNano(),
			Devices: []abi.DeviceChange{{Change: abi.ChangePut, ID: "shared", Name: name}},
		}
		go func() {
			sequence, err := h.Commit(t.Context(), b)
			if err != nil {
				t.Error(err)
			}
			done[i] <- sequence
		}()
		if i == 0 {
			<-space.reached
		}
	}
	select {
	case second := <-done[1]:
		t.Errorf("block %d is in the store before the one in front of it", second)
		done[1] <- second
	case <-time.After(200 * time.Millisecond):
	}
	close(space.open)
	if first, second := <-done[0], <-done[1]; first >= second {
		t.Errorf("the blocks are %d and %d", first, second)
	}
	var got string
	if err := space.View(t.Context(), func(r store.Reader) error {
		d, err := ten.devices.Get(r, "c", "shared")
		got = d.Name
		return err
	}); err != nil || got != "of d2" {
		t.Errorf("the device is %q, %v", got, err)
	}
}
