package actor

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// at is a moment of the timers' tests, in milliseconds from their start.
func at(ms int) time.Time { return time.UnixMilli(int64(1_700_000_000_000 + ms)) }

func set(t *timers, ms int, wishes ...abi.Timer) { t.apply(wishes, at(ms)) }

// ring is a step that handled these timers; it answers what its block clears.
func ring(t *timers, ms int, names ...string) []abi.Timer {
	cleared := t.clearing(names)
	t.advance(names, at(ms))
	return cleared
}

func wantDue(t *testing.T, have *timers, ms int, want ...string) {
	t.Helper()
	if got := have.due(at(ms)); !slices.Equal(got, want) {
		t.Errorf("at %d ms %q are due, want %q", ms, got, want)
	}
}

func wantNext(t *testing.T, have *timers, ms int) {
	t.Helper()
	if got := have.next(); !got.Equal(at(ms)) {
		t.Errorf("the next timer is due at %d ms, want %d", got.Sub(at(0)).Milliseconds(), ms)
	}
}

func TestTimerRingsOnce(t *testing.T) {
	var all timers
	if !all.next().IsZero() {
		t.Error("no timer is set, and one is due")
	}
	set(&all, 0, abi.Timer{Name: "late", AfterMS: 50}, abi.Timer{Name: "soon", AfterMS: 20})
	wantNext(t, &all, 20)
	wantDue(t, &all, 19)
	wantDue(t, &all, 20, "soon")
	wantDue(t, &all, 50, "late", "soon")
	cleared := ring(&all, 20, "soon")
	if !slices.Equal(cleared, []abi.Timer{{Name: "soon", Clear: true}}) {
		t.Errorf("the block clears %+v, want the timer that rang", cleared)
	}
	wantDue(t, &all, 60, "late")
	wantNext(t, &all, 50)
}

// A timer that is set again counts from then, and one that is cleared does not
// ring.
func TestTimerIsReplacedAndCleared(t *testing.T) {
	var all timers
	set(&all, 0, abi.Timer{Name: "a", AfterMS: 20}, abi.Timer{Name: "b", AfterMS: 20})
	set(&all, 10, abi.Timer{Name: "a", AfterMS: 20})
	wantDue(t, &all, 20, "b")
	wantDue(t, &all, 30, "b", "a")
	set(&all, 30, abi.Timer{Name: "a", Clear: true}, abi.Timer{Name: "unknown", Clear: true})
	wantDue(t, &all, 99, "b")
	if cleared := ring(&all, 99, "a"); cleared != nil {
		t.Errorf("a timer that is gone is cleared again: %+v", cleared)
	}
}

// A repeating timer keeps its beat, and makes one late event of the ticks that
// it missed.
func TestTimerRepeats(t *testing.T) {
	var all timers
	set(&all, 0, abi.Timer{Name: "tick", AfterMS: 5, EveryMS: 100})
	for _, tt := range []struct{ now, next int }{{5, 105}, {105, 205}, {204, 205}, {250, 305}, {1004, 1005}, {1005, 1105}, {100_000_000, 100_000_005}} {
		if cleared := ring(&all, tt.now, "tick"); cleared != nil {
			t.Errorf("a repeating timer is cleared: %+v", cleared)
		}
		wantNext(t, &all, tt.next)
	}
	wantDue(t, &all, 100_000_004)
	wantDue(t, &all, 200_000_000, "tick")
}

func TestTimersAreNotTooFast(t *testing.T) {
	var all timers
	set(&all, 0, abi.Timer{Name: "busy", EveryMS: 1}, abi.Timer{Name: "never", AfterMS: 1 << 63, EveryMS: 1 << 63})
	ring(&all, 0, "busy")
	wantNext(t, &all, int(minEvery.Milliseconds()))
	wantDue(t, &all, int(longest.Milliseconds())-1, "busy")
	wantDue(t, &all, int(longest.Milliseconds()), "busy", "never")
}

// Timers come back from the log at the time that they were set for, whatever
// time it is now.
func TestTimersAreRestored(t *testing.T) {
	var all timers
	all.restore([]outbox.Timer{
		{Timer: abi.Timer{Name: "past", AfterMS: 10}, SetAt: at(0).UnixNano()},
		{Timer: abi.Timer{Name: "tick", AfterMS: 10, EveryMS: 100}, SetAt: at(0).UnixNano()},
		{Timer: abi.Timer{Name: "later", AfterMS: 900}, SetAt: at(200).UnixNano()},
	})
	wantDue(t, &all, 1050, "past", "tick")
	ring(&all, 1050, "past", "tick")
	wantNext(t, &all, 1100)
	wantDue(t, &all, 1110, "tick", "later")
}

// The bound is on the timers that there would be: at it, one can be set again
// and cleared, and no other can be added.
func TestTimersAreBounded(t *testing.T) {
	var all timers
	named := func(from, to int, clearing bool) (wishes []abi.Timer) {
		for i := from; i < to; i++ {
			wishes = append(wishes, abi.Timer{Name: fmt.Sprint(i), AfterMS: 10, Clear: clearing})
		}
		return wishes
	}
	for _, tt := range []struct {
		what   string
		wishes []abi.Timer
		ok     bool
	}{
		{"half of them", named(0, maxTimers/2, false), true},
		{"one too many", named(maxTimers/2, maxTimers+1, false), false},
		{"the other half", named(maxTimers/2, maxTimers, false), true},
		{"one more", named(maxTimers, maxTimers+1, false), false},
		{"all of them again", named(0, maxTimers, false), true},
		{"one in the place of another", append(named(0, 1, true), named(maxTimers, maxTimers+1, false)...), true},
		{"two in the place of one", append(named(1, 2, true), named(maxTimers+1, maxTimers+3, false)...), false},
		{"none of them", named(0, maxTimers, true), true},
	} {
		err := all.check(tt.wishes)
		if (err == nil) != tt.ok || (err != nil && !fault.Is(err, fault.TooLarge)) {
			t.Errorf("%s: %v", tt.what, err)
		}
		if tt.ok {
			set(&all, 0, tt.wishes...)
		}
	}
}
