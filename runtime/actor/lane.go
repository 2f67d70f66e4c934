package actor

import (
	"cmp"
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
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

func (l *lane) pollTime() time.Time {
	if l.version.Manifest.Mode != abi.ModePoll {
		return time.Time{}
	}
	if t := l.turns.first(); t != nil {
		return t.due
	}
	return time.Time{}
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

// guestsFault reports whether the guest, which is still alive, is to blame.
func guestsFault(err error) bool {
	return fault.Is(err, fault.Guest) || fault.Is(err, fault.Unsupported) || tooMuch(err)
}

// heldBack reports whether the tenant has nothing left for a call that has not
// begun, or for a converter: it is nobody's fault, and passes.
func heldBack(err error) bool {
	return fault.Is(err, fault.TenantCPU) || fault.Is(err, fault.TenantMemory)
}

// retryAfter is how long to wait before a step that failed is tried again; 0:
// it is not.
func retryAfter(err error) time.Duration {
	wait := fault.Of(err).RetryAfter
	if heldBack(err) {
		wait = max(wait, heldBackWait)
	}
	return wait
}

// heldBackWait is how long a step waits that the tenant had nothing left for.
const heldBackWait = time.Second

// tooMuch reports whether the guest answered more than is taken.
func tooMuch(err error) bool {
	return fault.Is(err, fault.TooLarge) || fault.Is(err, fault.GuestOutput)
}

// ask calls poll, for the lane or for one of its devices.
func (l *lane) ask(ctx context.Context, t *turn) error {
	l.firing = nil
	l.inbox.batch = l.inbox.batch[:0]
	l.encoded = abi.PollInput{Cursor: l.cursor, Device: t.Device}.Append(l.encoded[:0])
	out, err := l.call(ctx, abi.EntryPoll, l.encoded)
	if err == nil {
		err = l.commit(ctx, out, nil, nil)
	}
	if err == nil {
		t.asked = time.Duration(min(l.view.NextPollMS, maxRetryAfterMS)) * time.Millisecond
		l.polled(t, t.asked)
		l.pollsAgain()
		return nil
	}
	l.guest.stage.take()
	if l.guest.inst.State() == engine.Dead || !guestsFault(err) && !heldBack(err) {
		return err
	}
	// Nothing was taken from the source, so nothing is lost: ask again later.
	if l.pollFailed(err) {
		l.env.line(abi.LogError, FromHost, "", "poll failed: "+err.Error())
	}
	l.polled(t, t.asked)
	t.due = later(t.due, time.Now().Add(max(retryAfter(err), min(firstPollPause<<min(l.failed-1, 6), lastPollPause))))
	return nil
}

// A poll that failed is tried again at its interval, and not before a pause that
// doubles with each failure in a row.
const (
	firstPollPause = 500 * time.Millisecond
	lastPollPause  = 10 * time.Second
)

// failedPolls in a row make a connector degraded.
const failedPolls = 3

// pollFailed counts a poll that failed, and shows it when that goes on. It reports
// whether there is news in it: what the state says already, the log need not say with
// each poll.
func (l *lane) pollFailed(err error) (news bool) {
	if l.failed++; l.failed < failedPolls {
		return true
	}
	text := "polls fail: " + fault.Of(err).Text
	l.mu.Lock()
	told := l.failing == text
	l.failing = text
	l.mu.Unlock()
	if !told {
		l.Move(lifecycle.Down, fault.New(fault.ResourceUnavailable, "%s", text).WithHint("%s", fault.Of(err).Advice()))
	}
	return !told
}

// pollsAgain ends a row of failures.
func (l *lane) pollsAgain() {
	if l.failed == 0 {
		return
	}
	l.failed = 0
	l.mu.Lock()
	shown := l.failing != ""
	l.failing = ""
	l.mu.Unlock()
	if !shown {
		return
	}
	if up, _ := l.allUp(); up {
		l.Move(lifecycle.Up, nil)
	}
}

// observe follows the sessions' condition through their events, each once.
func (l *lane) observe(batch []input) {
	for i := range batch {
		e := &batch[i].event
		if !batch[i].fresh {
			continue
		}
		switch s := l.inbox.intakes[batch[i].intake].session; e.Type {
		case abi.EventDown:
			l.outages.begin(s, e)
			l.Move(lifecycle.Down, e.Err)
		case abi.EventUp:
			l.outages.end(s, e)
			l.outlet.retry()
			if up, _ := l.allUp(); up {
				l.Move(lifecycle.Up, nil)
			}
		case abi.EventGap:
			l.outages.dropped(s, e)
		default: // data, and what concerns the guest alone
		}
	}
}

// allUp reports whether all sessions work, else why one does not.
func (a *Actor) allUp() (up bool, reason string) {
	for _, s := range a.env.sessions.status() {
		if !s.Up {
			return false, s.Resource + ": " + s.Reason
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	reason = cmp.Or(a.status.Delivery.Held, a.failing)
	return reason == "", reason
}

// showSessions makes the state tell the truth after a move to running: a
// session may have been down for long.
func (a *Actor) showSessions() {
	if up, reason := a.allUp(); !up {
		a.Move(lifecycle.Down, fault.New(fault.ResourceUnavailable, "%s", reason))
	}
}

// Keep notes that the old version goes on. cause, if any, says why the new one
// could not take over.
func (a *Actor) Keep(cause error) {
	a.Move(lifecycle.Kept, cause)
	if cause == nil {
		a.showSessions()
	} else if up, _ := a.allUp(); !up {
		a.Move(lifecycle.Down, cause)
	}
}

// Renumber notes that a newer revision of the spec changes nothing that the
// guest could notice: it runs already. A reason that an update left is over.
func (a *Actor) Renumber(revision uint64) {
	a.mu.Lock()
	a.status.Revision = revision
	a.mu.Unlock()
	a.Keep(nil)
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
