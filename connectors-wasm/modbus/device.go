package main

import (
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

// device is one unit on the bus.
type device struct {
	unit

	id     string
	reads  []read
	next   int           // the read that comes next
	left   int           // reads of this round
	last   map[int]known // by the place of the item
	silent int           // polls in a row without an answer
	good   bool          // a read of this round has worked
	reason *abi.Error    // of the first read of it that did not work
	broken *abi.Error    // the reason of the last round when it told nothing; nil: it told something

	began    time.Time     // the last poll
	booked   bool          // whether it said when the next is to be
	interval time.Duration // between polls, where it did not
}

// known is what was told last of an item.
type known struct {
	value abi.Value
	bad   bool // and is not so any more, perhaps
}

// begin begins a round of reads, unless one is to be gone on with.
func (d *device) begin(now time.Time) {
	if !d.booked && !d.began.IsZero() {
		d.interval = now.Sub(d.began)
	}
	d.began, d.booked = now, false
	if d.left == 0 {
		d.left, d.good, d.reason = len(d.reads), false, nil
	}
}

// end ends a round: one of which no read has worked says why.
func (d *device) end() {
	if !d.good {
		d.broken = d.reason
	}
}

// changed keeps a value, and reports whether it differs from the one that was told
// last.
func (d *device) changed(i int, it *item, v abi.Value) bool {
	last, ok := d.last[i]
	if ok && !last.bad && it.onChange && near(v, last.value, it.Deadband) {
		return false
	}
	d.last[i] = known{value: v}
	return true
}

// misfit is a device whose config does not hold: it is left out, and the others work.
type misfit struct {
	id     string
	reason error
	tags   []string // of it, as far as they can be read
	told   bool
}

// tell says once that nothing is known of the device, and why.
func (m *misfit) tell(step *snaprail.Step) {
	if m.told {
		return
	}
	m.told = true
	now := time.Now().UnixNano()
	text := abi.Point{Name: "config_error", Value: abi.String(m.reason.Error()), Quality: badConfiguration}
	event := step.Record(abi.KindEvent, m.id, now)
	event.Points = append(event.Points, text)
	var points []abi.Point
	for _, tag := range m.tags {
		points = append(points, abi.Point{Name: tag, Quality: badConfiguration})
	}
	if len(points) > 0 {
		step.Telemetry(m.id, now, points...)
	}
}
