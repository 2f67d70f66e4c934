package actor

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// flight is a step's block on its way to the disk while the guest works on the
// next step. A sync takes as long as a full batch takes the guest: one after the
// other, a lane moves half of what it could. There is one flight at most, and it
// lands before anything else is written, told, acknowledged or exchanged, and
// before the guest does anything to the world outside: what is seen from there is
// as if there were none. When it fails, the guest, which may
// know too much by then, is dropped with the lane's run, and all that was not
// acknowledged is handed in again.
type flight struct {
	block outbox.Block
	batch []input // that the block settles
	tally tally
	done  chan landing
}

type landing struct {
	sequence uint64
	err      error
}

// worthFlying is from how many inputs on a step is likely to have another one
// behind it. Below, the goroutine would cost more than it brings.
const worthFlying = abi.MaxItems / 8

// plain reports whether nothing but its records comes of the step, so that nobody
// waits for its end.
func (l *lane) plain(b *outbox.Block, fired []string) bool {
	v := &l.view
	return l.version.Manifest.Mode == abi.ModeEvent && len(l.inbox.batch) >= worthFlying && b.Count > 0 && !l.draining &&
		len(fired)+len(l.mailed)+len(v.Verdicts)+len(v.Replies)+len(v.Jobs)+len(v.Timers)+len(v.Devices)+len(b.Rejects) == 0 &&
		b.Cursor == nil && !l.guest.stage.holds() && len(l.outages.list)+len(l.repeats.fresh) == 0
}

// takeOff begins to make the block durable that settles the inbox's batch.
func (l *lane) takeOff(ctx context.Context, b outbox.Block, t tally) {
	f := &flight{block: b, batch: l.inbox.batch, tally: t, done: make(chan landing, 1)}
	l.inbox.batch = l.spare[:0]
	l.place(&f.block)
	l.aloft = f
	go func() { // ends with the append; land waits for it
		var x landing
		x.sequence, x.err = l.cfg.Host.Commit(context.WithoutCancel(ctx), &f.block)
		f.done <- x
	}()
}

// land waits for the flight, if there is one, and ends the step that it is of.
func (l *lane) land(ctx context.Context) error {
	f := l.aloft
	if f == nil {
		return nil
	}
	l.aloft = nil
	x := <-f.done
	if fault.Is(x.err, fault.DiskFull) {
		x.err = l.persist(ctx, &f.block)
		x.sequence = l.sequence
	}
	if x.err != nil {
		return x.err
	}
	l.sequence = x.sequence
	l.wrote(&f.block)
	for _, in := range f.batch {
		p := &l.inbox.feeds[in.feed].inflight[in.index]
		p.done, p.handed, p.rejected, p.notBefore = true, false, "", time.Time{}
	}
	l.inbox.release()
	l.spare = f.batch
	l.count(func(c *lifecycle.Counters) {
		c.Events += uint64(len(f.batch))
		c.Skipped += f.tally.skipped
		c.Traps += f.tally.traps
		c.Repeated += f.tally.repeated
	})
	return nil
}

// settle implements looper: it is land in the middle of a call, behind whose
// failure the lane ends whatever the guest makes of it.
func (l *lane) settle(ctx context.Context) error {
	err := l.land(ctx)
	if err != nil {
		l.broken = err
	}
	return err
}

// halve makes the next steps smaller, because the outcome of this one is more
// than a step may have: what it was handed is handed in again, half at a time.
// It reports false when there was one input, which cannot be halved.
func (l *lane) halve() bool {
	n := len(l.inbox.batch) + len(l.firing)
	if n < 2 {
		return false
	}
	l.most = n / 2
	now := time.Now()
	for i := range l.inbox.batch {
		l.inbox.settle(i, abi.Verdict{Decision: abi.DecisionRetry}, now)
	}
	l.count(func(c *lifecycle.Counters) { c.Retried += uint64(len(l.inbox.batch)) })
	l.inbox.batch = l.inbox.batch[:0]
	return true
}

// room is how many inputs the next step may have.
func (l *lane) room() int {
	if l.most > 0 {
		return l.most
	}
	return abi.MaxItems
}

// grow lets steps become larger again, after one that fitted.
func (l *lane) grow() {
	if l.most *= 2; l.most >= abi.MaxItems {
		l.most = 0
	}
}
