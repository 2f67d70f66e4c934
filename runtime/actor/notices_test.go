package actor

import (
	"strconv"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// listening is an actor with an inbox of a guest that holds no session.
func listening() (*Actor, *inbox, *guest) {
	a := &Actor{env: &surroundings{sessions: newSessions(), notices: &notices{}}}
	g := &guest{surroundings: a.env}
	b := &inbox{}
	b.attach(g)
	return a, b, g
}

func notice(name string) abi.Event {
	return abi.Event{Type: abi.EventDevice, Name: name, Data: []byte("{}"), Err: fault.ToABI(fault.New(fault.Timeout, "late"))}
}

// TestNotices: a notice wakes the lane, comes as an event without a session, and
// comes again until it is settled, also to the next guest.
func TestNotices(t *testing.T) {
	a, b, g := listening()
	if !a.Notify(notice("a")) || !a.Notify(notice("b")) {
		t.Fatal("not taken")
	}
	select {
	case <-a.env.sessions.wake:
	default:
		t.Error("nobody was woken")
	}
	now := time.Now()
	if batch := b.gather(now, 10); len(batch) != 2 {
		t.Fatalf("%d in the batch", len(batch))
	}
	events := b.events(nil, nil, now)
	if e := events[0]; e.Name != "a" || e.Handle != 0 || e.Time == 0 || e.Err == nil || string(e.Data) != "{}" || e.Type != abi.EventDevice {
		t.Errorf("the guest gets %+v", e)
	}
	b.settle(0, abi.Verdict{}, now)
	b.settle(1, abi.Verdict{Decision: abi.DecisionRetry}, now)
	b.acknowledge()
	if b.rest() != 0 {
		t.Error("a notice holds no session up")
	}
	b.attach(g)
	if batch := b.gather(now, 10); len(batch) != 1 || batch[0].event.Name != "b" {
		t.Errorf("the next guest gets %v", batch)
	}
	next := &inbox{}
	next.attach(g) // after a crash: nothing is known of what was handed out
	if batch := next.gather(now, 10); len(batch) != 1 || batch[0].event.Name != "b" {
		t.Errorf("after a crash it gets %v", batch)
	}
	if !next.replayable() {
		t.Error("a notice is no gap")
	}
}

func TestNoticesAreBounded(t *testing.T) {
	a, b, _ := listening()
	for i := range maxNotices {
		if !a.Notify(notice(strconv.Itoa(i))) {
			t.Fatal(i)
		}
	}
	if a.Notify(notice("one more")) {
		t.Error("one too many was taken")
	}
	now := time.Now()
	for i := range b.gather(now, abi.MaxItems) {
		b.settle(i, abi.Verdict{}, now)
	}
	b.acknowledge()
	if !a.Notify(notice("again")) {
		t.Error("there is room again")
	}
}

// TestUnheardNotices: a guest without a handler for events has done nothing
// wrong.
func TestUnheardNotices(t *testing.T) {
	a, b, _ := listening()
	a.Notify(notice("a"))
	b.gather(time.Now(), 10)
	if !b.unheard(fault.New(fault.Unsupported, "no on_events")) || b.unheard(fault.New(fault.Guest, "no")) {
		t.Error("only a missing handler is no fault")
	}
	b.intakes[0].session = &session{}
	if b.unheard(fault.New(fault.Unsupported, "no on_events")) {
		t.Error("data of a session is not passed over")
	}
}
