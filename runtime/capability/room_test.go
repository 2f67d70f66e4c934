package capability_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// hall is a purse that keeps places.
type hall struct{ *capability.Room }

func (hall) Request(context.Context) (func(), error) { return func() {}, nil }

func (h hall) Hold(n int64) error {
	if !h.Room.Hold(n) {
		return fault.New(fault.Exhausted, "full")
	}
	return nil
}

// TestRoomInTurn: room that comes back goes to those who wait, the first first, and
// whoever comes later does not pass them.
func TestRoomInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capability.NewRoom(10)
		var large, small, late capability.Turn
		ask := func(turn *capability.Turn, n int64, want bool) {
			t.Helper()
			if got := r.HoldInTurn(turn, n); got != want {
				t.Errorf("%d of %d held, and %d more: %v", r.Held(), 10, n, got)
			}
		}
		r.Hold(9)
		ask(&large, 8, false)
		ask(&small, 1, false) // there is 1, but it is not his turn
		r.Hold(-7)            // 8 are set aside for the first
		ask(&late, 1, false)
		ask(&small, 1, false)
		ask(&large, 8, true)
		r.Hold(-1)
		ask(&late, 1, false)
		ask(&small, 1, true)
		r.Hold(-1)
		ask(&late, 1, true)
		if r.Held() != 10 || r.Awaited() {
			t.Errorf("%d held, awaited: %v", r.Held(), r.Awaited())
		}
		ask(&large, 11, false)
		if r.Awaited() {
			t.Error("somebody waits for what cannot be")
		}
	})
}

// TestRoomOfTheAbsent: who does not ask again keeps neither a place nor what was set
// aside for him.
func TestRoomOfTheAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capability.NewRoom(10)
		var gone, other capability.Turn
		r.Hold(9)
		r.HoldInTurn(&gone, 5)
		if r.HoldInTurn(&other, 1) {
			t.Error("a place is not kept")
		}
		for range 11 {
			<-time.After(100 * time.Millisecond)
			r.HoldInTurn(&other, 1)
		}
		if r.Held() != 10 || r.Awaited() {
			t.Errorf("%d held; awaited: %v", r.Held(), r.Awaited())
		}
		r.HoldInTurn(&gone, 5)
		r.Hold(-9)
		if r.Held() != 6 {
			t.Fatalf("%d held, not 1 and 5 set aside", r.Held())
		}
		<-time.After(1100 * time.Millisecond)
		if r.Hold(-1); r.Held() != 0 {
			t.Errorf("%d set aside for one who is gone", r.Held())
		}
	})
}

// TestRoomThatNeverComes: who waits for what others never give back lets those behind
// him pass in the end.
func TestRoomThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := capability.NewRoom(10)
		var large, small capability.Turn
		r.Hold(5) // for good
		began := time.Now()
		for held := false; !held; {
			if r.HoldInTurn(&large, 8) {
				t.Fatal("there is room for all")
			}
			held = r.HoldInTurn(&small, 1)
			if <-time.After(50 * time.Millisecond); time.Since(began) > 10*time.Second {
				t.Fatal("the first in the line keeps all others out for ever")
			}
		}
		if !r.Awaited() {
			t.Error("the large one has no place any more")
		}
	})
}

// TestRoomForMore: who asks for more than what was set aside for him, and then for that
// again, as for a buffer of twice the size first, is not put behind others.
func TestRoomForMore(t *testing.T) {
	r := capability.NewRoom(10)
	var growing, later capability.Turn
	r.Hold(10)
	r.HoldInTurn(&growing, 2)
	r.HoldInTurn(&later, 3)
	r.Hold(-3) // 2 of it are set aside
	if r.HoldInTurn(&growing, 4) || r.HoldInTurn(&later, 3) {
		t.Error("there is more than there is")
	}
	if !r.HoldInTurn(&growing, 2) {
		t.Error("who asked for more has lost his turn")
	}
	if r.Hold(-2); !r.HoldInTurn(&later, 3) || r.Held() != 10 || r.Awaited() {
		t.Errorf("%d held; awaited: %v", r.Held(), r.Awaited())
	}
}

// TestPortionLeavesTheStep: where somebody waits, a buffer keeps nothing for what may
// come; one that needs nothing any more has no place.
func TestPortionLeavesTheStep(t *testing.T) {
	const free = 64 << 10
	h := hall{capability.NewRoom(4 * free)}
	p, other := capability.NewPortion(h), capability.NewPortion(h)
	if !p.Hold(5*free) || other.Hold(2*free) {
		t.Fatal("the purse has another size")
	}
	if p.Leave(4 * free); !other.Hold(2 * free) {
		t.Error("a step is kept from one who waits")
	}
	if p.Hold(5*free) || !h.Awaited() {
		t.Error("who came later has passed")
	}
	if !p.Hold(4*free) || h.Awaited() {
		t.Error("one who needs nothing waits")
	}
	p.End()
	other.End()
	if h.Held() != 0 {
		t.Errorf("%d are held", h.Held())
	}
}
