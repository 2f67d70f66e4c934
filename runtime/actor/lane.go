package actor

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
)

// lane is one guest with its inbox, on one goroutine (I4).
type lane struct {
	*Actor
	guest   *guest
	version Version
	inbox   inbox

	stop       <-chan struct{}
	idle       *time.Timer
	turns      schedule // poll mode: when to ask next
	outlet     *outlet  // of a guest that delivers; nil: it does not
	repeats    repeats
	aloft      []*flight     // blocks on their way to the disk, oldest first
	hangar     []*flight     // memory of those to come
	failed     int           // polls in a row
	most       int           // inputs in a step, while larger ones make too much or take too long; 0: as many as may be
	slow       int           // so many took too long; 0: none did
	handed     int           // inputs of the step that is under way, or that the guest died of
	took       time.Duration // of the last call
	revived    []time.Time
	rehearsals rehearsals
	pending    *installation // run mode: waits for the guest to return
	broken     error         // run mode: a failure of the host's that ends the run

	// Reused from step to step.
	events   abi.Events
	encoded  []byte
	records  []byte // of the block
	view     abi.OutcomeView
	verdicts []abi.Verdict
	firing   []string
	mailed   []mailed // messages that the guest was handed
	served   int      // messages in a row
	told     func()   // run mode: notes that the guest was told to stop
	sequence uint64   // of the last block
	draining bool     // after a stop: no more timers
	fixed    bool     // the outcome may not move the cursor
}

// maxFiring leaves most of a batch to the sources when many timers are due.
const maxFiring = abi.MaxItems / 4

// run drives the guest until stop is closed.
func (l *lane) run(ctx context.Context) error {
	for worked := false; ; {
		goOn, err := l.attend(ctx, worked)
		if err != nil || !goOn {
			return err
		}
		if worked, err = l.step(ctx); err != nil {
			return err
		}
	}
}

// attend serves what is not the guest's work: stop, swap, and the wait for
// something to do. It waits only when the last step found nothing.
func (l *lane) attend(ctx context.Context, worked bool) (goOn bool, err error) {
	if l.stopping() { // a closed stop wins over work and over a swap
		return false, nil
	}
	if !worked { // nothing is to be done meanwhile
		if err := l.land(ctx); err != nil {
			return false, err
		}
	}
	if in := l.pending; in != nil {
		l.pending = nil
		return true, l.swap(ctx, *in)
	}
	if worked || l.version.Manifest.Mode == abi.ModeRun { // run mode waits in receive
		l.idle.Reset(0)
	} else {
		l.idle.Reset(l.untilNext(time.Now()))
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-l.stop:
		return false, nil
	case in := <-l.install:
		return true, l.swap(ctx, in)
	case r := <-l.calls:
		return true, l.serve(ctx, r)
	case d := <-l.deposits:
		return true, l.settleDeposit(ctx, d)
	case <-l.env.sessions.wake:
	case <-l.post.wake:
	case <-l.arrivals():
	case <-l.outlet.landing():
	case <-l.idle.C:
	}
	return true, nil
}

// untilNext is how long nothing but a source can give the guest work.
func (l *lane) untilNext(now time.Time) time.Duration {
	next := now.Add(time.Hour)
	for _, t := range [...]time.Time{l.timers.next(), l.inbox.nextRetry(), l.pollTime(), l.post.next(), l.outlet.next(), l.env.refusals.flush(now, false)} {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return max(next.Sub(now), 0)
}

// step gives the guest one piece of work, if there is any.
func (l *lane) step(ctx context.Context) (worked bool, err error) {
	if l.version.Manifest.Mode != abi.ModeRun { // which takes its messages by itself
		if worked, err := l.mail(ctx); worked || err != nil {
			return worked, err
		}
	}
	switch l.version.Manifest.Mode {
	case abi.ModeRun:
		return false, l.loop(ctx)
	case abi.ModePoll:
		now := time.Now()
		l.reschedule(now)
		if t := l.turns.first(); t != nil && !now.Before(t.due) {
			return true, l.ask(ctx, t)
		}
	case abi.ModeEvent, abi.ModeCall:
	}
	return l.carry(ctx)
}

// carry hands the guest what comes in, and what is to go out, by turns when there
// is always something of both.
func (l *lane) carry(ctx context.Context) (worked bool, err error) {
	if o := l.outlet; o != nil && o.yielded {
		o.yielded = false
		if worked, err := l.deliver(ctx); worked || err != nil {
			return worked, err
		}
	}
	worked, err = l.receiveEvents(ctx)
	switch {
	case l.outlet == nil || err != nil:
	case worked:
		l.outlet.yielded = true
	default:
		return l.deliver(ctx)
	}
	return worked, err
}

// receiveEvents hands the guest what its sources and timers have for it.
func (l *lane) receiveEvents(ctx context.Context) (worked bool, err error) {
	if m := l.version.Manifest.Mode; m == abi.ModeCall || m == "" { // a sink has none
		return l.pass(ctx)
	}
	now := time.Now()
	if !l.gather(now) {
		return false, nil
	}
	l.handed = len(l.inbox.batch) + len(l.firing)
	out, err := l.call(ctx, abi.EntryOnEvents, l.encoded)
	if err = l.finish(ctx, out, err); err == nil {
		l.handed = 0
	}
	return true, err
}

// gather fills the batch and encodes it. It reports whether there is one.
func (l *lane) gather(now time.Time) bool {
	if l.firing = l.timers.due(now); l.draining {
		l.firing = nil
	}
	l.firing = l.firing[:min(len(l.firing), maxFiring, l.room())]
	batch := l.inbox.gather(now, l.room()-len(l.firing))
	if len(batch)+len(l.firing) == 0 {
		return false
	}
	l.observe(batch)
	l.events.Events = l.inbox.events(l.events.Events, l.firing, now)
	l.encoded = l.events.Append(l.encoded[:0])
	return true
}

// finish ends a step: it commits the outcome, or keeps what a failed guest
// could not handle.
func (l *lane) finish(ctx context.Context, out []byte, err error) error {
	if err == nil {
		err = l.commit(ctx, out, l.inbox.batch, l.firing)
	}
	if err == nil {
		return nil
	}
	l.guest.stage.take() // nothing of a failed step stays
	if l.guest.inst.State() == engine.Dead || !guestsFault(err) && !heldBack(err) {
		return err
	}
	return l.refused(ctx, err)
}

// drainTime is how long a lane that was asked to stop works on what its
// sessions hold already.
const drainTime = 3 * time.Second

// drain hands the guest what the sessions held when the stop came, so that a
// stop loses nothing that was read. It reports whether nothing is left of it.
func (l *lane) drain(ctx context.Context) bool {
	l.draining = true
	left := 0
	for _, s := range l.env.sessions.status() {
		left += s.Buffered
	}
	left = max(left, l.inbox.rest())
	if l.version.Manifest.Mode == abi.ModeRun { // the guest has returned
		return left == 0
	}
	for until := time.Now().Add(drainTime); left > 0 && time.Now().Before(until); left -= len(l.events.Events) {
		worked, err := l.receiveEvents(ctx)
		if err != nil {
			return false
		}
		if !worked {
			break
		}
	}
	return l.inbox.rest() == 0
}
