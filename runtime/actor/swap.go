package actor

import (
	"context"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// installation asks the lane to go on with another guest.
type installation struct {
	candidate *candidate
	done      chan error
}

// Swap puts a guest of the new version in the place of the one that runs. The
// new one is linked and opened while the old one works; then one pointer moves
// between two steps. After an error the old guest goes on as before.
// fault.WrongState means that no guest runs: start the new version instead.
func (a *Actor) Swap(ctx context.Context, v Version) error {
	c, err := a.prepare(ctx, v, abi.ReasonSwap)
	if err != nil {
		return err
	}
	a.mu.Lock()
	gone := a.lane
	a.mu.Unlock()
	in := installation{c, make(chan error, 1)}
	select {
	case a.install <- in:
		return <-in.done // the lane answers between two steps, or when it ends
	case <-gone:
		err = fault.New(fault.WrongState, "the guest stopped during the swap")
	case <-ctx.Done():
		err = ctx.Err()
	}
	a.discard(ctx, c.guest)
	return err
}

// swap is Swap's end, on the lane's goroutine, between two steps. It returns an
// error only when the lane cannot go on at all.
func (l *lane) swap(ctx context.Context, in installation) error {
	old, version, turns := l.guest, l.version, l.turns
	if err := l.land(ctx); err != nil {
		l.discard(ctx, in.candidate.guest)
		in.done <- err
		return err
	}
	err := l.takeOver(ctx, in.candidate)
	if err == nil {
		old.loop = nil // what it commits from now on would be the new guest's
		old.close(ctx, abi.ReasonSwap)
		err = l.env.sessions.sweep(ctx)
		if err != nil {
			l.cfg.Log.Warn("session not closed", "error", err)
		}
		l.Move(lifecycle.Swapped, nil)
		l.showSessions()
		in.done <- nil
		return l.settleGaps(ctx, l.guest.handles)
	}
	l.guest, l.version, l.turns = old, version, turns
	l.inbox.attach(old)
	if back := l.connect(ctx); back != nil { // the feed that it had a moment ago
		l.env.line(abi.LogError, FromHost, "", "the outbox cannot be read: "+back.Error())
	}
	l.discard(ctx, in.candidate.guest)
	in.done <- err
	if fault.Is(err, fault.LogFailed) || fault.Is(err, fault.Internal) {
		return err
	}
	return nil
}

// answer tells whoever waits for a swap that the lane has ended before it.
func (l *lane) answer(ctx context.Context) {
	if in := l.pending; in != nil {
		l.pending = nil
		l.discard(ctx, in.candidate.guest)
		in.done <- fault.New(fault.WrongState, "the guest stopped during the swap")
	}
}

// takeOver makes the candidate the lane's guest and commits what its open
// asked for.
func (l *lane) takeOver(ctx context.Context, c *candidate) error {
	if err := l.openLate(ctx, c); err != nil {
		return err
	}
	c.guest.candidate = false
	first := l.guest == nil
	l.guest, l.version = c.guest, c.version
	l.inbox.attach(c.guest)
	c.guest.loop = l
	if err := l.connect(ctx); err != nil {
		return err
	}
	l.outlet.retry()
	if err := l.gapSinceLastRun(ctx); err != nil {
		return err
	}
	if err := l.commitOpen(ctx, c, first); err != nil {
		return err
	}
	c.guest.regrant(ctx)
	c.guest.shape()
	l.letGo()
	l.turns = newSchedule(c.version.Polls, l.turns, time.Now(), true)
	l.mu.Lock()
	l.status.Generation++
	l.status.Module, l.status.Revision = c.version.Connector.Module, c.version.Connector.Revision
	l.running, l.converting = c.guest, c.version.Converters
	l.serves = c.version.Manifest.Mode != abi.ModeRun
	l.mu.Unlock()
	if !l.serves {
		l.refuseCalls()
	}
	l.env.hold(c.version.Limits)
	c.guest.tellHealth()
	return nil
}

// openLate opens a guest in run mode, which reads its place from open's cursor:
// only now does the guest before it stand still.
func (l *lane) openLate(ctx context.Context, c *candidate) error {
	if c.opened {
		return nil
	}
	out, err := c.guest.open(ctx, l.input(c.guest, c.version, abi.ReasonSwap))
	c.outcome, c.opened = slices.Clone(out), err == nil
	return err
}

// commitOpen commits what open asked for. A guest that opened beside another
// one did so with a cursor that is old by now, so it may not set it.
func (l *lane) commitOpen(ctx context.Context, c *candidate, first bool) error {
	l.fixed = !first && c.version.Manifest.Mode != abi.ModeRun
	defer func() { l.fixed = false }()
	return l.commit(ctx, c.outcome, nil, nil)
}
