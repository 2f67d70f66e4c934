package engine

import (
	"time"

	"github.com/tetratelabs/wazero/api"
)

// The clocks of WASI.
const (
	clockRealtime  = 0
	clockMonotonic = 1
)

// clockStep is how far a read moves the clocks, in ns, so that a loop that
// waits for time to pass ends.
const clockStep = 100

// clock is the guest's time. It stands still while the guest runs, but for a
// step at each read; it moves on at each entry point, host call and sleep. It
// never goes back, and falls in with the host's time again where steps or
// sleeps had put it ahead.
type clock struct {
	wall, mono int64 // ns
}

func (c *clock) tick(started time.Time) time.Duration { return c.set(time.Now(), started) }

// set answers the time since the engine was started.
func (c *clock) set(now, started time.Time) time.Duration {
	since := now.Sub(started)
	mono := int64(since)
	ahead := max(c.mono-mono, 0)
	c.mono, c.wall = mono+ahead, now.UnixNano()+ahead
	return since
}

func (c *clock) advance(ns int64) {
	c.mono += ns
	c.wall += ns
}

func (c *clock) read(id uint32) (ns int64, ok bool) {
	c.advance(clockStep)
	return c.at(id)
}

func (c *clock) at(id uint32) (ns int64, ok bool) {
	switch id {
	case clockRealtime:
		return c.wall, true
	case clockMonotonic:
		return c.mono, true
	}
	return 0, false
}

// clockResGet (id, result) answers the step of the clock.
func clockResGet(i *Instance, p []uint64) errno {
	if _, ok := i.wasi.clock.at(api.DecodeU32(p[0])); !ok {
		return einval
	}
	return i.put64(p[1], clockStep)
}

// clockTimeGet (id, precision, result) answers ns since 1970, or since the
// engine was started.
func clockTimeGet(i *Instance, p []uint64) errno {
	ns, ok := i.wasi.clock.read(api.DecodeU32(p[0]))
	if !ok {
		return einval
	}
	return i.put64(p[2], uint64(ns))
}

// sleep waits until ns have passed for the guest. It ends the guest at the
// call's deadline.
func (i *Instance) sleep(ns int64) {
	w, began := &i.wasi, i.engine.now()
	until := w.clock.mono + ns
	i.rests()
	i.fuel.wait(time.Duration(ns), i.meter.Done(), nil)
	i.returned(began, w.clock.tick(i.engine.started))
	w.clock.advance(max(until-w.clock.mono, 0))
}
