package supervisor

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// life is a lane's actor with the guest runs that follow each other in it.
type life struct {
	*lane
	actor   *actor.Actor
	reason  string // why the next guest is opened
	anew    uint64 // of the requests to connect anew that were followed
	version actor.Version
	release func(context.Context)
	seen    *goal  // that was acted upon last
	refused uint64 // revision that could not take over
	revoked bool   // the running version holds what was taken away from the connector
	swap    *swapping
	again   <-chan time.Time // when what was refused for a while is tried again; nil: never
}

// swapping is a swap under way, on a goroutine of its own, so that the runner
// hears of a stop and of a newer spec meanwhile.
type swapping struct {
	spec    *spec.Connector
	version actor.Version
	release func(context.Context)
	cancel  context.CancelFunc
	done    chan error // gets one result
	// converters says that the guest stays and its converters alone change.
	converters bool
	// anew says that the same revision is begun once more, so that it is not
	// handled when it is called off.
	anew bool
}

// healthy is how long a guest must have run for its past crashes not to
// lengthen the next back-off.
const healthy = time.Minute

// run starts guest after guest until the lane is not desired any more, cannot
// work as configured, or the actor itself has to be made anew.
func (l *life) run(ctx context.Context, want *goal) {
	defer func() {
		if l.release != nil {
			l.release(context.WithoutCancel(ctx))
		}
	}()
	for {
		l.seen = want
		again, opened, began := "", l.actor.Status().Generation, time.Now()
		revision, err := want.spec.Revision, l.load(ctx, want)
		if err == nil {
			again, err = l.guest(ctx)
			revision = l.version.Connector.Revision
		}
		l.handle(revision)
		if err == nil {
			l.actor.Move(lifecycle.Finished, nil)
			if again == "" {
				return
			}
		} else {
			if time.Since(began) > healthy {
				l.backoff = 0
			}
			lost := l.actor.Status().Generation > opened && time.Since(began) > l.super.cfg.Restart.Min
			if again = l.recover(err, lost); again == "" {
				return
			}
		}
		if want = l.desired(); l.stopping() || want == nil {
			l.actor.Move(lifecycle.Stop, nil)
			l.actor.Move(lifecycle.Finished, nil)
			return // run reads it again
		}
		if err == nil {
			l.actor.Disconnect(ctx)
			l.actor.Move(lifecycle.Start, nil)
		}
		if want.anew != l.anew && again != abi.ReasonReconnect { // asked for while there was no guest
			again = abi.ReasonReconnect
		}
		l.reason, l.anew = again, want.anew
	}
}

// load compiles what the goal names, unless it is what is loaded already, or
// what has been tried beside it and could not take over.
func (l *life) load(ctx context.Context, want *goal) error {
	c := want.spec
	if l.release == nil || l.version.Connector.Revision != c.Revision && l.refused != c.Revision {
		v, release, err := l.of.version(ctx, c)
		if err != nil {
			return err
		}
		l.become(ctx, v, release)
	}
	l.told(want)
	return nil
}

func (l *life) become(ctx context.Context, v actor.Version, release func(context.Context)) {
	if l.release != nil {
		l.release(context.WithoutCancel(ctx))
	}
	l.version, l.release = v, release
	if !v.Manifest.Delivers() { // any more: retention need not wait for it
		delivery.Forget(l.log, l.id)
	}
}

// told makes the lane's devices and polls those of its next guest.
func (l *life) told(want *goal) {
	l.version.Devices, l.version.Polls = want.devices, want.polls
}

// guest runs one guest to its end and swaps it when the goal changes. again is
// why another is to be opened at once; "": none is.
func (l *life) guest(ctx context.Context) (again string, err error) {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	stop := make(chan struct{})
	ended := make(chan error, 1)
	version, reason := l.version, l.reason // as they are now: both may change before it runs
	go func() { ended <- l.actor.Run(ctx, stop, version, reason) }()
	l.handle(l.version.Connector.Revision)
	l.follow(l.anew)
	for {
		var swapped <-chan error
		if l.swap != nil {
			swapped = l.swap.done
		}
		select {
		case err := <-ended:
			l.callOff(ctx)
			return "", err
		case err := <-swapped:
			if l.swapped(ctx, err); l.revoked {
				return "", l.finishLast(ctx, abi.ReasonRequested, kill, stop, ended)
			}
		case <-l.super.ending.Done():
			return "", l.finishLast(ctx, abi.ReasonStop, kill, stop, ended)
		case <-l.again:
			l.again, l.refused = nil, 0
			l.spurn(0)
			l.poke()
		case <-l.changed:
			want := l.desired()
			if want == nil {
				return "", l.finishLast(ctx, l.leaving(), kill, stop, ended)
			}
			l.seen = want
			if why := l.reconnects(want); why != "" {
				return why, l.finish(ctx, why, kill, stop, ended)
			}
			l.update(ctx, want)
		}
	}
}

// reconnects is why the guest is to close before the next one opens; "": it
// is not.
func (l *life) reconnects(want *goal) string {
	c := want.spec
	switch {
	case want.anew != l.anew:
		return abi.ReasonReconnect
	case c.OnChange == spec.ChangeReconnect && c.Revision != l.refused && (!same(&l.version.Connector, c) || !l.knows(want)):
		return abi.ReasonConfigChanged
	}
	return ""
}

// finishLast is finish with the lane's last guest.
func (l *life) finishLast(ctx context.Context, reason string, kill func(), stop chan struct{}, ended <-chan error) error {
	l.actor.Leave()
	return l.finish(ctx, reason, kill, stop, ended)
}

// finish asks the guest to stop and kills it when it takes too long (I6).
func (l *life) finish(ctx context.Context, reason string, kill func(), stop chan struct{}, ended <-chan error) error {
	l.actor.Move(lifecycle.Stop, nil)
	l.actor.Part(reason)
	close(stop)
	l.callOff(ctx)
	t := time.NewTimer(stopTimeout)
	defer t.Stop()
	var err error
	select {
	case err = <-ended:
	case <-t.C:
		kill()
		err = <-ended
	}
	if err != nil {
		l.host.Line(abi.LogWarning, actor.FromHost, "", "stopped with: "+err.Error())
	}
	return nil
}

// update starts to put a new version in the place of the one that runs. A swap
// that is under way is called off: it would put in what is not wanted any more.
func (l *life) update(ctx context.Context, want *goal) {
	c := want.spec
	if s := l.swap; s != nil {
		s.anew = s.spec.Revision == c.Revision
	}
	l.callOff(ctx)
	if c.Revision != l.refused {
		l.again = nil
	}
	knows := l.knows(want)
	switch {
	case c.Revision == l.refused && knows:
		l.handle(c.Revision)
		return
	case same(&l.version.Connector, c) && knows:
		l.told(want)
		l.actor.Schedule(want.polls)
		if l.name != "" { // the runner gives them to all lanes at once
			l.converted(c)
			return
		}
		l.convertAs(ctx, c, want.own)
		return
	}
	l.actor.Move(lifecycle.Update, nil)
	ctx, cancel := context.WithCancel(ctx)
	s := &swapping{spec: c, cancel: cancel, done: make(chan error, 1)}
	l.swap = s
	go func() { s.done <- l.replace(ctx, s, want) }()
}

// replace makes the new version and swaps the guest for one of it, some lanes
// at a time.
func (l *life) replace(ctx context.Context, s *swapping, want *goal) (err error) {
	select {
	case l.of.rolling <- struct{}{}:
		defer func() { <-l.of.rolling }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.version, s.release, err = l.of.version(ctx, want.spec); err != nil {
		return err
	}
	s.version.Devices, s.version.Polls = want.devices, want.polls
	return l.actor.Swap(ctx, s.version)
}

// callOff ends a swap that is under way, or takes its result if it has one.
func (l *life) callOff(ctx context.Context) {
	if l.swap != nil {
		l.swap.cancel()
		l.swapped(ctx, <-l.swap.done)
	}
}

// swapped takes the result of a swap. If it failed the old version goes on, and
// the status says so, unless it holds a grant that was taken away: then it ends,
// and its sessions with it. A swap that was called off, or whose lane had
// ended, is no failure of the new version.
func (l *life) swapped(ctx context.Context, err error) {
	s := l.swap
	l.swap = nil
	s.cancel()
	if err == nil && s.converters {
		l.converted(s.spec)
		return
	}
	if err == nil {
		l.become(ctx, s.version, s.release)
		l.handle(s.spec.Revision)
		return
	}
	if s.release != nil {
		s.release(context.WithoutCancel(ctx))
	}
	f := fault.Of(err)
	switch f.Kind {
	case fault.WrongState, fault.Canceled:
		if l.actor.Keep(nil); s.anew {
			return
		}
	default:
		if takesAway(l.version.Connector.Grants, s.spec.Grants) {
			l.revoked = true
			return
		}
		l.refused = s.spec.Revision
		l.spurn(s.spec.Revision)
		if f.Kind.Info().Retry { // memory may become free, a port may come back
			l.again = time.After(l.super.cfg.Restart.Max)
		}
		l.actor.Keep(fault.Wrap(f.Kind, err,
			"revision %d could not take over, revision %d goes on", s.spec.Revision, l.version.Connector.Revision))
	}
	l.handle(s.spec.Revision)
}

// recover decides what follows a failure: a restart after a while, or none
// until the goal changes. It answers the reason of the next opening, or none
// when the actor itself must be made anew. After a connection that worked and
// was lost, the first restart does not wait.
func (l *life) recover(err error, worked bool) string {
	f := fault.Of(err)
	switch f.Kind {
	case fault.GuestTrap, fault.GuestDeadline, fault.GuestMemory, fault.GuestStack, fault.GuestTable,
		fault.Invalid, fault.TooLarge, fault.GuestOutput:
		if l.crashed(time.Now()) {
			l.actor.Move(lifecycle.GiveUp, fault.Wrap(f.Kind, err, "crashed %d times within %s, not started again",
				len(l.crashes), l.super.cfg.Restart.Window))
			l.untilChanged()
			l.actor.Move(lifecycle.Start, nil)
			return abi.ReasonRestart
		}
	case fault.CapabilityNotGranted, fault.ImportUnknown, fault.ImportUndeclared, fault.ConfigInvalid,
		fault.Integrity, fault.NotFound, fault.Unsupported:
		l.actor.Move(lifecycle.Reject, err)
		l.untilChanged()
		l.actor.Move(lifecycle.Start, nil)
		return abi.ReasonRestart
	case fault.Internal, fault.LogFailed, fault.Canceled:
		// What the actor believes of the log may be wrong now.
		l.actor.Move(lifecycle.Crash, err)
		l.sleep(l.wait(), l.seen)
		return ""
	default: // a guest that said no: a port that is away, a refused config
	}
	l.actor.Move(lifecycle.Crash, err)
	reason := abi.ReasonRestart
	if actor.Lost(err) && worked {
		reason = abi.ReasonLost
	} else {
		l.sleep(max(l.wait(), f.RetryAfter), l.seen)
	}
	l.actor.Move(lifecycle.Retry, nil)
	return reason
}

// untilChanged waits until the goal has changed; then past crashes are forgiven.
func (l *life) untilChanged() {
	l.rest(nil, l.seen)
	l.crashes, l.backoff = nil, 0
}
