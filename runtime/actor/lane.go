package actor

import (
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

	idle    *time.Timer
	poll    time.Time // poll mode: when to ask next
	pending *installation
	down    []outage

	// Reused from step to step.
	events   abi.Events
	encoded  []byte
	view     abi.OutcomeView
	verdicts []abi.Verdict
	firing   []string
	stop     <-chan struct{}
	told     func() // run mode: notes that the guest was told to stop
	sequence uint64 // of the last block
}

// maxFiring leaves most of a batch to the sources when many timers are due.
const maxFiring = abi.MaxItems / 4

// defaultPoll is the interval in poll mode.
const defaultPoll = time.Second

// run drives the guest until stop is closed.
func (l *lane) run(ctx context.Context, stop <-chan struct{}) error {
	l.stop = stop
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
	case <-l.stop: // a closed stop wins over work
		return false, nil
	default:
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-l.stop:
		return false, nil
	case in := <-l.install:
		return true, l.swap(ctx, in)
	case <-l.env.sessions.wake:
	case <-l.idle.C:
	}
	return true, nil
}

// untilNext is how long nothing but a source can give the guest work.
func (l *lane) untilNext(now time.Time) time.Duration {
	next := now.Add(time.Hour)
	for _, t := range []time.Time{l.timers.next(), l.inbox.nextRetry(), l.pollTime()} {
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
	return l.poll
}

// step gives the guest one piece of work, if there is any.
func (l *lane) step(ctx context.Context) (worked bool, err error) {
	switch l.version.Manifest.Mode {
	case abi.ModeRun:
		return false, l.loop(ctx)
	case abi.ModePoll:
		if !time.Now().Before(l.poll) {
			return true, l.ask(ctx)
		}
	case abi.ModeEvent:
	}
	return l.deliver(ctx)
}

// deliver hands the guest what its sources and timers have for it.
func (l *lane) deliver(ctx context.Context) (worked bool, err error) {
	now := time.Now()
	if !l.gather(now) {
		return false, nil
	}
	out, err := l.guest.call(ctx, l.guest.callTimeout(), abi.EntryOnEvents, l.encoded)
	return true, l.finish(ctx, out, err)
}

// gather fills the batch and encodes it. It reports whether there is one.
func (l *lane) gather(now time.Time) bool {
	l.firing = l.timers.due(now)
	l.firing = l.firing[:min(len(l.firing), maxFiring)]
	batch := l.inbox.gather(now, abi.MaxItems-len(l.firing))
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
		return l.recordGaps(ctx)
	}
	l.guest.stage.take() // nothing of a failed step stays
	if l.guest.inst.State() == engine.Dead || !guestsFault(err) {
		return err
	}
	return l.refused(ctx, err)
}

// guestsFault reports whether the guest, which is still alive, is to blame.
func guestsFault(err error) bool {
	return fault.Is(err, fault.Guest) || fault.Is(err, fault.Unsupported) || fault.Is(err, fault.TooLarge)
}

// ask calls poll.
func (l *lane) ask(ctx context.Context) error {
	l.firing = nil
	l.inbox.batch = l.inbox.batch[:0]
	l.encoded = abi.PollInput{Cursor: l.cursor}.Append(l.encoded[:0])
	interval := l.version.Connector.Poll.Interval.Or(defaultPoll)
	out, err := l.guest.call(ctx, l.guest.callTimeout(), abi.EntryPoll, l.encoded)
	if err == nil {
		err = l.commit(ctx, out, nil, nil)
	}
	if err == nil {
		if l.view.NextPollMS > 0 {
			interval = time.Duration(min(l.view.NextPollMS, maxRetryAfterMS)) * time.Millisecond
		}
		l.poll = time.Now().Add(interval)
		return nil
	}
	l.guest.stage.take()
	if l.guest.inst.State() == engine.Dead || !guestsFault(err) {
		return err
	}
	// Nothing was taken from the source, so nothing is lost: ask again later.
	l.cfg.Host.Line(abi.LogError, FromHost, "", "poll failed: "+err.Error())
	l.poll = time.Now().Add(max(interval, fault.Of(err).RetryAfter))
	return nil
}

// observe follows the sessions' condition through their events.
func (l *lane) observe(batch []input) {
	for i := range batch {
		e := &batch[i].event
		switch e.Type {
		case abi.EventDown:
			l.outage(batch[i].feed, e)
			l.Move(lifecycle.Down, e.Err)
		case abi.EventUp:
			l.ended(batch[i].feed, e)
			if l.allUp() {
				l.Move(lifecycle.Up, nil)
			}
		case abi.EventGap:
			l.dropped(e)
		default: // data, and what concerns the guest alone
		}
	}
}

func (l *lane) allUp() bool {
	for _, s := range l.env.sessions.status() {
		if !s.Up {
			return false
		}
	}
	return true
}
