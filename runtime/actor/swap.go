package actor

import (
	"context"
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
		return <-in.done // the lane answers within a step
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
	old := l.guest
	in.candidate.guest.candidate = false
	err := l.takeOver(ctx, in.candidate)
	if err == nil {
		old.close(ctx, abi.ReasonSwap)
		err = l.env.sessions.sweep(ctx)
		if err != nil {
			l.cfg.Log.Warn("session not closed", "error", err)
		}
		l.Move(lifecycle.Swapped, nil)
		in.done <- nil
		return nil
	}
	l.guest = old
	l.inbox.attach(old)
	l.discard(ctx, in.candidate.guest)
	in.done <- err
	if fault.Is(err, fault.LogFailed) {
		return err
	}
	return nil
}

// takeOver makes the candidate the lane's guest and commits what its open
// asked for.
func (l *lane) takeOver(ctx context.Context, c *candidate) error {
	l.guest, l.version = c.guest, c.version
	l.inbox.attach(c.guest)
	if c.version.Manifest.Mode == abi.ModeRun {
		c.guest.loop = l
	}
	if err := l.commit(ctx, c.outcome, nil, nil); err != nil {
		return err
	}
	l.letGo()
	l.poll = time.Now()
	l.mu.Lock()
	l.status.Generation++
	l.status.Module, l.status.Revision = c.version.Connector.Module, c.version.Connector.Revision
	l.status.MemoryBytes = c.guest.inst.Memory()
	l.mu.Unlock()
	return l.gapSinceLastRun(ctx)
}
