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
// next steps. A sync takes as long as a full batch takes the guest, and longer on
// most disks: one after the other, a lane moves a fraction of what it could. What
// is aloft waits for one sync together, in the outbox. All of it lands before
// anything else is written, told or exchanged, and before the guest does anything to
// the world outside: what is seen from there is as if there were none. Inputs are
// acknowledged as their own flights land, which they do in order. When one fails,
// those behind it do, and the guest, which may know too much by then, is dropped
// with the lane's run; all that was not acknowledged is handed in again.
type flight struct {
	block   outbox.Block
	batch   []input // that the block settles
	records []byte  // memory of the block's
	tally   tally
	pending outbox.Pending
}

// The bounds of what is aloft. Three full batches and the one in the guest's hands
// are what an inbox takes of one source.
const (
	maxAloft      = maxInflight/abi.MaxItems - 1
	maxAloftBytes = abi.MaxBatch // of records, unless one block has more
	keepRecords   = 64 << 10     // of a buffer that is kept for the next flight
)

// worthFlying is from how many inputs on a step is likely to have another one
// behind it. Below, the bookkeeping would cost more than it brings.
const worthFlying = abi.MaxItems / 8

// plain reports whether nothing but its records comes of the step, so that nobody
// waits for its end.
func (l *lane) plain(b *outbox.Block, fired []string) bool {
	v := &l.view
	return l.version.Manifest.Mode == abi.ModeEvent && len(l.inbox.batch) >= worthFlying && b.Count > 0 && !l.draining &&
		len(fired)+len(l.mailed)+len(v.Verdicts)+len(v.Replies)+len(v.Jobs)+len(v.Timers)+len(v.Devices)+len(b.Rejects) == 0 &&
		b.Cursor == nil && !l.guest.stage.holds() && len(l.outages.list)+len(l.repeats.fresh) == 0
}

// takeOff begins to make the block durable that settles the inbox's batch. An error
// means that it is not on its way, and nothing has changed.
func (l *lane) takeOff(ctx context.Context, b *outbox.Block, t tally) error {
	for len(l.aloft) >= maxAloft || len(l.aloft) > 0 && l.aloftBytes()+len(b.Records) > maxAloftBytes {
		if err := l.landFirst(ctx); err != nil {
			return err
		}
	}
	l.place(b)
	pending, err := l.cfg.Host.Begin(context.WithoutCancel(ctx), b, len(l.aloft) > 0)
	if err != nil {
		return err
	}
	l.launch(b, t).pending = pending
	return nil
}

// launch makes the block and the inbox's batch a flight.
func (l *lane) launch(b *outbox.Block, t tally) *flight {
	f := &flight{}
	if n := len(l.hangar); n > 0 {
		f, l.hangar = l.hangar[n-1], l.hangar[:n-1]
	}
	f.block, f.tally = *b, t
	f.batch, l.inbox.batch = l.inbox.batch, f.batch[:0]
	f.records, l.records = l.records, f.records[:0]
	l.next = b.First + uint64(b.Count)
	l.aloft = append(l.aloft, f)
	return f
}

// land waits for all that is aloft, and ends the steps that it is of.
func (l *lane) land(ctx context.Context) error {
	for len(l.aloft) > 0 {
		if err := l.landFirst(ctx); err != nil {
			return err
		}
	}
	return nil
}

// arrived takes in what has landed, and waits for nothing.
func (l *lane) arrived(ctx context.Context) error {
	for len(l.aloft) > 0 && l.aloft[0].pending.Ended() {
		if err := l.landFirst(ctx); err != nil {
			return err
		}
	}
	return nil
}

// landFirst waits for the oldest flight.
func (l *lane) landFirst(ctx context.Context) error {
	f := l.aloft[0]
	sequence, err := f.pending.Wait(context.WithoutCancel(ctx))
	switch {
	case err == nil:
		l.landed(f, sequence)
		return nil
	case !fault.Is(err, fault.DiskFull):
		return l.crash(ctx, 1, err)
	}
	for _, behind := range l.aloft[1:] { // none of them can arrive without it
		_, _ = behind.pending.Wait(context.WithoutCancel(ctx))
	}
	for len(l.aloft) > 0 {
		f := l.aloft[0]
		if err := l.persist(ctx, &f.block); err != nil {
			return l.crash(ctx, len(l.aloft), err)
		}
		l.landed(f, l.sequence)
	}
	return nil
}

// crash gives up what is aloft: what comes next has the keys of its records. The
// end of so many is known.
func (l *lane) crash(ctx context.Context, known int, cause error) error {
	for _, f := range l.aloft[known:] {
		_, _ = f.pending.Wait(context.WithoutCancel(ctx)) // it fails for the same
	}
	l.next = l.aloft[0].block.First
	clear(l.aloft)
	l.aloft = l.aloft[:0]
	return cause
}

// landed ends the step of the first flight, whose block is durable.
func (l *lane) landed(f *flight, sequence uint64) {
	l.sequence = sequence
	l.wrote(&f.block)
	for _, in := range f.batch {
		p := l.inbox.pending(in)
		p.done, p.handed, p.rejected, p.notBefore = true, false, "", time.Time{}
	}
	l.inbox.release()
	l.count(func(c *lifecycle.Counters) {
		c.Events += uint64(len(f.batch))
		f.tally.count(c)
	})
	n := copy(l.aloft, l.aloft[1:])
	l.aloft[n] = nil
	l.aloft = l.aloft[:n]
	if cap(f.records) > keepRecords {
		f.records = nil
	}
	f.block, f.pending = outbox.Block{}, outbox.Pending{}
	l.hangar = append(l.hangar, f)
}

func (l *lane) aloftBytes() (n int) {
	for _, f := range l.aloft {
		n += len(f.block.Records)
	}
	return n
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
