//go:build linux && !ppc64le

package serial

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

func scope(owner string) capability.Scope { return capability.Scope{Owner: owner} }

// countingDriver counts how often a port was looked for and opened.
type countingDriver struct {
	driver
	resolved, opened atomic.Int64
}

func (c *countingDriver) resolve(port string) (string, error) {
	c.resolved.Add(1)
	return c.driver.resolve(port)
}

func (c *countingDriver) open(real string, set settings) (device, error) {
	c.opened.Add(1)
	return c.driver.open(real, set)
}

func TestOneOwnerForEachPort(t *testing.T) {
	for name, g := range groups() {
		t.Run(name, func(t *testing.T) {
			r := plugged(t)
			s := opened(t, g, "weather", r.args())
			for name, port := range map[string]string{"link": r.link, "device": r.slave.Name()} {
				_, err := g.Open(t.Context(), scope("thief"), encoded(abi.SerialOpen{Port: port}))
				if !fault.Is(err, fault.PortInUse) || !strings.Contains(err.Error(), "weather") {
					t.Errorf("by its %s: got %v", name, err)
				}
			}
			closeSession(t, s)
			opened(t, g, "heir", r.args())
			if names := g.ports.open(); len(names) != 1 {
				t.Errorf("claimed: %v", names)
			}
		})
	}
}

// A swap with other settings: the new session takes the open port over.
func TestSameOwnerTakesOver(t *testing.T) {
	for name, d := range drivers() {
		t.Run(name, func(t *testing.T) {
			counted := &countingDriver{driver: d}
			g := newGroup(Config{}, counted)
			r := plugged(t)
			old := opened(t, g, "weather", r.args())
			candidate := opened(t, g, "weather", r.args(func(o *abi.SerialOpen) { o.BaudRate = 115200 }))
			if c := candidate.Condition(); c.Up || !strings.Contains(c.Reason, "other session") {
				t.Errorf("the candidate's condition is %+v", c)
			}
			r.send("1\n")
			expect(t, old, `"1\n"`)

			wrote := make(chan error, 1)
			go func() {
				_, err := write(t.Context(), candidate, "hello")
				wrote <- err
			}()
			closeSession(t, old)
			expect(t, candidate, "up")
			if err := <-wrote; err != nil {
				t.Errorf("a write that waited for the port: %v", err)
			}
			if got := r.receive(5); got != "hello" {
				t.Errorf("the device got %q", got)
			}
			r.send("2\n")
			expect(t, candidate, `"2\n"`)
			if n := counted.opened.Load(); n != 1 {
				t.Errorf("the port was opened %d times, want once", n)
			}
		})
	}
}

// Frames that were not acknowledged, and those that were read after them, go to
// the session that takes the port over.
func TestTakeOverLosesNothing(t *testing.T) {
	g := newGroup(Config{Frames: 4}, systemDriver())
	r := plugged(t)
	old := opened(t, g, "weather", r.args())
	candidate := opened(t, g, "weather", r.args(func(o *abi.SerialOpen) { o.MaxFrame = 64 }))
	r.send("1\n2\n3\n4\n5\n6\n7")
	eventually(t, "read", func() bool { return received(t, old) == 0 })
	taken(t, old, 3)
	old.Ack(1)
	closeSession(t, old)
	r.send("7\n")
	expect(t, candidate, `"2\n" "3\n" "4\n"`)
	expect(t, candidate, `"5\n" "6\n" up "77\n"`)
}

// A swap that is called off leaves the older session as it was.
func TestCandidateIsDropped(t *testing.T) {
	g := New(Config{})
	r := plugged(t)
	old := opened(t, g, "weather", r.args())
	candidate := opened(t, g, "weather", r.args(func(o *abi.SerialOpen) { o.BaudRate = 115200 }))
	if _, err := g.Open(t.Context(), scope("weather"), r.args(func(o *abi.SerialOpen) { o.BaudRate = 300 })); !fault.Is(err, fault.PortInUse) {
		t.Errorf("a third session of one port: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := write(ctx, candidate, "x"); !fault.Is(err, fault.ResourceUnavailable) {
		t.Errorf("the candidate wrote: %v", err)
	}
	closeSession(t, candidate)
	r.send("1\n")
	expect(t, old, `"1\n"`)
	if c := old.Condition(); c.Opens != 1 {
		t.Errorf("condition %+v", c)
	}
}

// The older session's port is away when the newer one takes its place.
func TestTakeOverOfAnAbsentPort(t *testing.T) {
	g := New(Config{})
	r := plugged(t)
	old := opened(t, g, "weather", r.args())
	candidate := opened(t, g, "weather", r.args(func(o *abi.SerialOpen) { o.BaudRate = 115200 }))
	r.unplug()
	expect(t, old, "down")
	closeSession(t, old)
	eventually(t, "looks for the port", func() bool { return strings.Contains(candidate.Condition().Reason, "not there") })
	r.plug()
	expect(t, candidate, "up")
}

// While a port is away its device is nobody's: after a replug that renumbers
// the devices, connectors with links do not lock each other out.
func TestRenumberedDevices(t *testing.T) {
	g := New(Config{})
	a, b := plugged(t), plugged(t)
	one := opened(t, g, "one", a.args())
	two := opened(t, g, "two", b.args())
	linkA, linkB := a.link, b.link
	a.unplug()
	b.unplug()
	expect(t, one, "down")
	expect(t, two, "down")
	a.link, b.link = linkB, linkA
	a.plug()
	b.plug()
	expect(t, one, "up")
	expect(t, two, "up")
	a.send("2\n")
	b.send("1\n")
	expect(t, one, `"1\n"`)
	expect(t, two, `"2\n"`)
}
