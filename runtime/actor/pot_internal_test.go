package actor

import (
	"context"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// opener is a group whose sessions do nothing.
type opener struct{ capability.Group }

func (opener) Name() string { return "opener" }

func (opener) Open(context.Context, capability.Scope, []byte) (capability.Session, error) {
	return opened{}, nil
}

type opened struct{}

func (opened) Call(context.Context, string, []byte, []byte) ([]byte, error) { return nil, nil }

func (opened) Close(context.Context) error { return nil }

// TestLanesShareWhatTheyHold: of sessions, timers, jobs and notices all lanes of
// a connector have no more than there is for the connector, and what one gives
// back another may have.
func TestLanesShareWhatTheyHold(t *testing.T) {
	common := pots{sessions: newPot(2), timers: newPot(3), waiting: newPot(8)}
	newLane := func() *lane {
		a := &Actor{env: &surroundings{sessions: newSessions(), notices: &notices{common: common.waiting}}, pots: common, post: newPost()}
		a.env.sessions.common, a.timers.common = common.sessions, common.timers
		return &lane{Actor: a}
	}
	one, two := newLane(), newLane()

	open := func(l *lane, key string) (*session, error) {
		return l.env.sessions.open(t.Context(), opener{}, capability.Target{Key: key}, capability.Scope{}, nil)
	}
	s, err := open(one, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(two, "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := open(two, "b"); !fault.Is(err, fault.Exhausted) {
		t.Errorf("a third session: %v", err)
	}
	one.env.sessions.release(s)
	if err := one.env.sessions.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := open(two, "b"); err != nil {
		t.Errorf("in the place of one that was closed: %v", err)
	}

	timersOf := func(names ...string) (all []abi.Timer) {
		for _, name := range names {
			all = append(all, abi.Timer{Name: name, AfterMS: 1})
		}
		return all
	}
	one.timers.apply(timersOf("a", "b"), time.Now())
	if err := two.timers.check(timersOf("a", "b")); !fault.Is(err, fault.TooLarge) {
		t.Errorf("four timers: %v", err)
	}
	if err := one.timers.check(timersOf("b", "c")); err != nil {
		t.Errorf("three timers: %v", err)
	}
	one.timers.advance([]string{"a"}, time.Now().Add(time.Minute))
	if err := two.timers.check(timersOf("a", "b")); err != nil {
		t.Errorf("when one has rung: %v", err)
	}

	one.pots.waiting.add(4) // a job's input
	if err := two.checkJobs([]abi.Job{{Name: "job", Input: make([]byte, 5)}}); !fault.Is(err, fault.TooLarge) {
		t.Errorf("jobs with nine bytes: %v", err)
	}
	if !two.Notify(abi.Event{Data: make([]byte, 4)}) {
		t.Error("a notice was not taken")
	}
	if one.Notify(abi.Event{Data: make([]byte, 1)}) {
		t.Error("nine bytes wait")
	}
	two.env.notices.Take(nil, 1, 8)
	two.env.notices.Ack(1)
	if !one.Notify(abi.Event{Data: make([]byte, 4)}) {
		t.Error("a notice was not taken when another was settled")
	}
	one.pots.waiting.give(4)
	for _, l := range []*lane{one, two} {
		for _, s := range l.env.sessions.order {
			l.env.sessions.release(s)
		}
		l.env.notices.close()
		l.timers.close()
		if err := l.env.sessions.sweep(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for name, p := range map[string]*pot{"sessions": common.sessions, "timers": common.timers, "bytes": common.waiting} {
		if n := p.used.Load(); n != 0 {
			t.Errorf("%d %s are left when all lanes have ended", n, name)
		}
	}
}
