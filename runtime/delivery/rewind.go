package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// Place is up to which block a connector that delivers is done with the log. known
// is false for one that has never begun.
func Place(log *outbox.Log, connector string) (at uint64, known bool) {
	return log.Cursor(place(connector))
}

// Rewind sets the place of a connector whose feed is not open: it goes on behind
// that block when it begins. It is durable when there is no error.
func Rewind(log *outbox.Log, connector string, at uint64) error {
	return errors.Join(log.SetCursor(place(connector), at), log.SaveCursors())
}

// Rewind makes the feed go on behind a block, in either direction, and at once.
// What was taken and is not settled yet stays the taker's to deliver, and moves
// nothing any more. It is durable when there is no error.
func (f *Feed) Rewind(at uint64) error {
	f.turning.Lock()
	defer f.turning.Unlock()
	if !f.closed { // one that is moves the place no more, and begins no more
		f.cancel()
		<-f.done
		defer f.begin()
	}
	if err := f.turnTo(at); err != nil {
		return fault.Of(err)
	}
	where := "what comes from now on"
	if head := f.cfg.Log.Head(); at < head {
		where = fmt.Sprintf("block %d of %d", at+1, head)
	}
	f.cfg.Tell("the place in the outbox was set by hand: goes on with " + where)
	return f.cfg.Log.SaveCursors()
}

// turnTo empties the queue, and sets the place.
func (f *Feed) turnTo(at uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.cfg.Log.SetCursor(f.place, at); err != nil {
		return err
	}
	f.abandon()
	f.stale += f.kept
	f.kept = 0
	f.queue, f.held, f.bytes, f.seen, f.pace = nil, 0, 0, at, pace{}
	f.turns++
	return nil
}

// skew is by how much blocks may be out of the order of their times: each has the
// time at which its step began.
const skew = 10 * time.Second

// Before is the last block behind which the log holds everything that came at a
// time or after it, but for blocks that waited for longer than the skew to be written,
// as on a full disk, or were written before the clock was set back: they may be on the
// other side. It reads a few blocks of each segment at most, and those of a
// few seconds.
func Before(ctx context.Context, log *outbox.Log, t time.Time) (uint64, error) {
	low, high := max(log.First(), 1), log.Head()+1 // the first block that is not before is within
	for early := t.Add(-skew).UnixNano(); low < high; {
		if ctx.Err() != nil {
			return 0, fault.Of(ctx.Err())
		}
		middle := low + (high-low)/2
		b, err := log.Read(middle)
		switch {
		case err == nil && b.Received < early:
			low = middle + 1
		case fault.Is(err, fault.NotFound): // retention was here meanwhile
			low = max(middle+1, log.First())
		default: // what cannot be read is not passed over
			high = middle
		}
	}
	return first(ctx, log, low, t.UnixNano())
}

// Find is where the first record of a part stands, which came from the log. ok is
// false when the log does not hold it any more. It reads as few blocks as Before.
func Find(ctx context.Context, log *outbox.Log, p *abi.DeliverPart) (at Position, ok bool) {
	before, err := Before(ctx, log, time.Unix(0, p.Received))
	if err != nil {
		return at, false
	}
	r := log.Reader(before + 1)
	defer func() { _ = r.Close() }()
	for head := log.Head(); before < head; before++ {
		b, err := r.Next(ctx)
		if err != nil || b.Received > p.Received+int64(skew) {
			return at, false
		}
		if b.Connector == p.ID && b.Epoch == p.Epoch && b.Lane == p.Lane && b.First <= p.First && p.First-b.First < uint64(b.Count) {
			return Position{b.Seq, int(p.First - b.First)}, true //nolint:gosec // less than a count
		}
	}
	return at, false
}

// first is the block before the first one from a block on that came at a time or
// after it.
func first(ctx context.Context, log *outbox.Log, from uint64, received int64) (uint64, error) {
	head := log.Head()
	r := log.Reader(from)
	defer func() { _ = r.Close() }()
	for from <= head {
		b, err := r.Next(ctx)
		gap, missing := errors.AsType[*outbox.Gap](err)
		switch {
		case missing && gap.Reason == outbox.GapRetention:
			from = gap.To + 1
		case missing || err == nil && b.Received >= received:
			return from - 1, nil
		case err != nil:
			return 0, err
		default:
			from = b.Seq + 1
		}
	}
	return head, nil
}
