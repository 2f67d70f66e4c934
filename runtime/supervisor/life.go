package supervisor

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// life is one actor with the guest runs that follow each other in it.
type life struct {
	*runner
	actor   *actor.Actor
	reason  string // why the next guest is opened
	version actor.Version
	release func(context.Context)
	tried   uint64 // revision of the last swap that was tried
}

// healthy is how long a guest must have run for its past crashes not to
// lengthen the next back-off.
const healthy = time.Minute

// run starts guest after guest until the connector is not desired any more,
// cannot work as configured, or the actor itself has to be made anew.
func (l *life) run(ctx context.Context, c *spec.Connector) {
	defer func() {
		if l.release != nil {
			l.release(context.WithoutCancel(ctx))
		}
	}()
	for {
		started := time.Now()
		err := l.load(ctx, c)
		if err == nil {
			c, err = l.guest(ctx)
		}
		l.handle(c.Revision)
		if err == nil {
			l.actor.Move(lifecycle.Finished, nil)
			return
		}
		if time.Since(started) > healthy {
			l.backoff = 0
		}
		if !l.recover(err) {
			return
		}
		if l.stopping() {
			l.actor.Move(lifecycle.Stop, nil)
			l.actor.Move(lifecycle.Finished, nil)
			return
		}
		want, err := l.desired(ctx, l.id)
		if err != nil || want == nil {
			l.actor.Move(lifecycle.Stop, nil)
			l.actor.Move(lifecycle.Finished, nil)
			return // run reads it again
		}
		c = want
		l.reason = abi.ReasonRestart
	}
}

// load compiles what the spec names, unless it is what is loaded already.
func (l *life) load(ctx context.Context, c *spec.Connector) error {
	if l.release != nil && l.version.Connector.Revision == c.Revision {
		return nil
	}
	v, release, err := l.Tenant.version(ctx, c)
	if err != nil {
		return err
	}
	l.become(ctx, v, release)
	return nil
}

func (l *life) become(ctx context.Context, v actor.Version, release func(context.Context)) {
	if l.release != nil {
		l.release(context.WithoutCancel(ctx))
	}
	l.version, l.release = v, release
}

// guest runs one guest to its end and swaps it when the spec changes. It
// returns the spec that it ended with.
func (l *life) guest(ctx context.Context) (*spec.Connector, error) {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	stop := make(chan struct{})
	ended := make(chan error, 1)
	go func() { ended <- l.actor.Run(ctx, stop, l.version, l.reason) }()
	l.handle(l.version.Connector.Revision)
	for {
		select {
		case err := <-ended:
			return &l.version.Connector, err
		case <-l.super.ending.Done():
			return &l.version.Connector, l.finish(kill, stop, ended)
		case <-l.changed:
			c, err := l.desired(ctx, l.id)
			if err != nil {
				l.host.Line(abi.LogError, actor.FromHost, "store", "the spec cannot be read; going on with the old one: "+err.Error())
				continue
			}
			if c == nil {
				return &l.version.Connector, l.finish(kill, stop, ended)
			}
			l.swap(ctx, c)
			l.handle(c.Revision)
		}
	}
}

// finish asks the guest to stop and kills it when it takes too long (I6).
func (l *life) finish(kill func(), stop chan struct{}, ended <-chan error) error {
	l.actor.Move(lifecycle.Stop, nil)
	close(stop)
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

// swap puts the new version in the place of the one that runs. If that fails
// the old one goes on, and the status says so.
func (l *life) swap(ctx context.Context, c *spec.Connector) {
	if c.Revision == l.version.Connector.Revision || c.Revision == l.tried {
		return
	}
	l.tried = c.Revision
	if same(&l.version.Connector, c) {
		return // nothing that a guest could notice has changed
	}
	l.actor.Move(lifecycle.Update, nil)
	// A swap may take as long as opening a port does; a stop does not wait.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.super.ending, cancel)() //nolint:contextcheck // the supervisor's end is another's life
	v, release, err := l.Tenant.version(ctx, c)
	if err == nil {
		err = l.actor.Swap(ctx, v)
		if fault.Is(err, fault.WrongState) {
			err = nil // no guest runs now: the next start takes the new version
		}
		if err != nil {
			release(context.WithoutCancel(ctx))
		}
	}
	if err != nil {
		l.actor.Move(lifecycle.Kept, fault.Wrap(fault.Of(err).Kind, err,
			"revision %d could not take over, revision %d goes on", c.Revision, l.version.Connector.Revision))
		return
	}
	l.become(ctx, v, release)
}

// recover decides what follows a failure: a restart after a while, or none
// until the spec changes. It reports false when the actor itself must be made
// anew.
func (l *life) recover(err error) bool {
	f := fault.Of(err)
	wait := l.wait()
	switch f.Kind {
	case fault.GuestTrap, fault.GuestDeadline, fault.GuestMemory:
		if l.crashed(time.Now()) {
			l.actor.Move(lifecycle.GiveUp, fault.Wrap(f.Kind, err, "crashed %d times within %s, not started again",
				len(l.crashes), l.super.cfg.Restart.Window))
			l.untilChanged()
			l.actor.Move(lifecycle.Start, nil)
			return true
		}
	case fault.CapabilityNotGranted, fault.ImportUnknown, fault.ImportUndeclared, fault.ConfigInvalid,
		fault.Integrity, fault.NotFound, fault.Unsupported:
		l.actor.Move(lifecycle.Reject, err)
		l.untilChanged()
		l.actor.Move(lifecycle.Start, nil)
		return true
	case fault.Internal, fault.LogFailed, fault.Canceled:
		// What the actor believes of the log may be wrong now.
		l.actor.Move(lifecycle.Crash, err)
		l.sleep(wait)
		return false
	default: // a guest that said no: a port that is away, a refused config
	}
	l.actor.Move(lifecycle.Crash, err)
	l.sleep(max(wait, f.RetryAfter))
	l.actor.Move(lifecycle.Retry, nil)
	return true
}

// untilChanged waits until the spec may have changed; then past crashes are
// forgiven.
func (l *life) untilChanged() {
	select {
	case <-l.changed:
	case <-l.super.ending.Done():
	}
	l.crashes, l.backoff = nil, 0
}
