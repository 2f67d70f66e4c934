package supervisor

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// lane is one part of a connector with a life of its own: its actor, its
// crashes, its back-off. What it should be is the runner's to say.
type lane struct {
	*Tenant

	of      *runner
	id      string // the connector's
	name    string // "": the connector's one lane
	host    laneHost
	changed chan struct{} // holds a token when the goal may have changed
	gone    chan struct{} // closed at the end

	crashes []time.Time   // within the window
	backoff time.Duration // of the next restart

	// Guarded by the runner's mu.
	want     *goal  // nil: it is to end
	parting  string // why it is to end
	actor    *actor.Actor
	last     lifecycle.Status      // when there is no actor
	handled  uint64                // revision that has been acted upon
	followed uint64                // request to connect anew that it has come to
	spurned  uint64                // revision that could not take over
	did      map[string]abi.Device // what its guest made of devices; without an id: none
}

// goal is what a lane should be.
type goal struct {
	spec    *spec.Connector
	devices []abi.Device // that its guest is told of
	reopen  bool         // whether another list of devices means another guest
	polls   polls
	anew    uint64 // counts the requests to connect anew
	own     *ownPlans
}

// newLane starts a lane. The runner's mu is held.
func (r *runner) newLane(name string, want *goal) *lane {
	l := &lane{
		Tenant: r.Tenant, of: r, id: r.id, name: name,
		changed: make(chan struct{}, 1), gone: make(chan struct{}), want: want, parting: abi.ReasonRequested,
		last: lifecycle.Status{State: lifecycle.Stopped, Since: time.Now()}, did: map[string]abi.Device{},
	}
	l.host = laneHost{r.host, l}
	r.lanes[name] = l
	r.super.runners.Go(func() { l.run(r.super.kill) })
	return l
}

func (l *lane) poke() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// desired is what the lane should be now; nil: nothing.
func (l *lane) desired() *goal {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	return l.want
}

// leaving is why the guest has to close.
func (l *lane) leaving() string {
	if l.stopping() {
		return abi.ReasonStop
	}
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	return l.parting
}

func (l *lane) stopping() bool { return l.super.ending.Err() != nil }

// run goes on until the lane is not desired any more, or the supervisor stops.
func (l *lane) run(ctx context.Context) {
	for {
		want := l.desired()
		if l.stopping() || want == nil {
			if l.leave() {
				return
			}
			continue
		}
		l.live(ctx, want)
	}
}

// leave takes the lane out of its connector, unless it is wanted again.
func (l *lane) leave() bool {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.want != nil && !l.stopping() {
		return false
	}
	delete(l.of.lanes, l.name)
	if len(l.of.lanes) == 0 || l.name == "" {
		l.of.last = l.last
	}
	close(l.gone)
	l.of.poke()
	return true
}

// live runs one actor until it is not desired any more, or has to be made
// anew.
func (l *lane) live(ctx context.Context, want *goal) {
	err := l.of.replayLane(ctx, l.name)
	var epoch uint64
	if err == nil {
		epoch, err = l.of.epoch(ctx)
	}
	if err != nil {
		l.fail(err)
		l.sleep(l.super.cfg.Restart.Max, want)
		return
	}
	a := l.newActor(l, epoch)
	l.of.mu.Lock()
	l.actor = a
	l.of.mu.Unlock()
	a.Move(lifecycle.Start, nil)
	life := &life{lane: l, actor: a, reason: abi.ReasonStart, anew: want.anew}
	life.run(ctx, want)
	if err := a.Close(ctx); err != nil {
		l.notes.Warn("session not closed", "connector", l.id, "lane", l.name, "error", err)
	}
	l.of.mu.Lock()
	l.last, l.actor = a.Status(), nil
	l.of.mu.Unlock()
}

// current is the lane's actor; nil: there is none.
func (l *lane) current() *actor.Actor {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	return l.actor
}

// status is what is known of the lane now, with nothing masked.
func (l *lane) status() lifecycle.Status {
	l.of.mu.Lock()
	a, last := l.actor, l.last
	l.of.mu.Unlock()
	if a != nil {
		return a.Status()
	}
	return last
}

// sleep waits for the time to pass or the goal to become another than the one
// that was seen.
func (l *lane) sleep(d time.Duration, seen *goal) {
	t := time.NewTimer(d)
	defer t.Stop()
	l.rest(t.C, seen)
}

// rest waits until it is over, the goal is another than the one that was seen, or
// the supervisor stops. A word that the goal may have changed ends it only if it
// has: such a word may be of before, and would cut a back-off short.
func (l *lane) rest(over <-chan time.Time, seen *goal) {
	for {
		select {
		case <-over:
			return
		case <-l.changed:
			if !l.desired().still(seen) {
				return
			}
		case <-l.super.ending.Done():
			return
		}
	}
}

// fail shows why there is no actor.
func (l *lane) fail(err error) {
	l.of.mu.Lock()
	failedStatus(&l.last, err)
	s := l.last
	l.of.mu.Unlock()
	l.host.Report(s)
}

// handle notes that a revision has been acted upon, whatever came of it.
func (l *lane) handle(revision uint64) {
	l.of.mu.Lock()
	l.handled = max(l.handled, revision)
	l.of.mu.Unlock()
	l.of.laneHandled(l)
}

// spurn notes that a revision could not take over here; 0: that it is to be
// tried again.
func (l *lane) spurn(revision uint64) {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.spurned = revision
}

// crashed counts a crash and reports whether it is one too many.
func (l *lane) crashed(now time.Time) bool {
	policy := l.super.cfg.Restart
	kept := l.crashes[:0]
	for _, at := range l.crashes {
		if now.Sub(at) < policy.Window {
			kept = append(kept, at)
		}
	}
	l.crashes = append(kept, now)
	return len(l.crashes) >= policy.Crash
}

// wait is the next back-off: doubled each time, within its bounds, with a
// fifth of jitter so that connectors that fail together do not come back
// together.
func (l *lane) wait() time.Duration {
	policy := l.super.cfg.Restart
	l.backoff = min(max(l.backoff*2, policy.Min), policy.Max)
	return time.Duration(float64(l.backoff) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // jitter needs no secrecy
}
