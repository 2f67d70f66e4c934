package actor

import (
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// maxTimers bounds the timers of one lane.
const maxTimers = 256

// minEvery keeps a repeating timer from becoming a busy loop.
const minEvery = 10 * time.Millisecond

// timer is a wish of the guest to be woken.
type timer struct {
	name  string
	due   time.Time
	every time.Duration // 0: once
}

// timers are the connector's timers. They are durable with the block that set
// them, and survive guests.
type timers struct {
	common *pot // of the connector's lanes
	set    []timer
}

// apply takes over what a step asked for.
func (t *timers) apply(wishes []abi.Timer, now time.Time) {
	before := len(t.set)
	defer func() { t.common.add(len(t.set) - before) }()
	for _, w := range wishes {
		t.set = slices.DeleteFunc(t.set, func(have timer) bool { return have.name == w.Name })
		if w.Clear {
			continue
		}
		every := period(w.EveryMS)
		if every > 0 {
			every = max(every, minEvery)
		}
		t.set = append(t.set, timer{w.Name, now.Add(period(w.AfterMS)), every})
	}
}

// longest is the longest that a timer may be set for.
const longest = 366 * 24 * time.Hour

// period is a wish in milliseconds, within what a duration can hold.
func period(ms uint64) time.Duration {
	return time.Duration(min(ms, uint64(longest/time.Millisecond))) * time.Millisecond
}

// restore takes over the timers that the log knows, each at the time that it
// was set for. What fell due while nobody ran fires once, now.
func (t *timers) restore(set []outbox.Timer) {
	for _, w := range set {
		t.apply([]abi.Timer{w.Timer}, time.Unix(0, w.SetAt))
	}
}

// check refuses wishes that would leave more timers than the bound allows.
func (t *timers) check(wishes []abi.Timer) error {
	left := make(map[string]bool, len(t.set)+len(wishes))
	for _, have := range t.set {
		left[have.name] = true
	}
	for _, w := range wishes {
		if w.Clear {
			delete(left, w.Name)
		} else {
			left[w.Name] = true
		}
	}
	if len(left) > maxTimers {
		return fault.New(fault.TooLarge, "a connector's lane may have %d timers", maxTimers)
	}
	if more := len(left) - len(t.set); more > 0 && !t.common.has(more) {
		return fault.New(fault.TooLarge, "a connector may have %d timers in all its lanes", t.common.most)
	}
	return nil
}

// close gives back what the lanes share of them: they are in the log.
func (t *timers) close() {
	t.common.give(len(t.set))
	t.set = nil
}

// due lists the timers that are to fire.
func (t *timers) due(now time.Time) []string {
	var names []string
	for _, x := range t.set {
		if !x.due.After(now) {
			names = append(names, x.name)
		}
	}
	return names
}

// clearing lists the clearing of those named timers that ring once, for the
// block of the step that handled them.
func (t *timers) clearing(names []string) []abi.Timer {
	var cleared []abi.Timer
	for _, x := range t.set {
		if x.every == 0 && slices.Contains(names, x.name) {
			cleared = append(cleared, abi.Timer{Name: x.name, Clear: true})
		}
	}
	return cleared
}

// advance moves the named timers on, once their block is durable. Missed ticks
// are not made up for: one late event is enough.
func (t *timers) advance(names []string, now time.Time) {
	before := len(t.set)
	t.set = slices.DeleteFunc(t.set, func(x timer) bool { return x.every == 0 && slices.Contains(names, x.name) })
	t.common.give(before - len(t.set))
	for i := range t.set {
		x := &t.set[i]
		if late := now.Sub(x.due); late >= 0 && slices.Contains(names, x.name) {
			x.due = x.due.Add(late/x.every*x.every + x.every)
		}
	}
}

// next is when the earliest timer is due; zero: there is none.
func (t *timers) next() time.Time {
	var next time.Time
	for _, x := range t.set {
		if next.IsZero() || x.due.Before(next) {
			next = x.due
		}
	}
	return next
}
