package actor

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// diskFullWait is how long the lane waits for space before it tries again.
const diskFullWait = time.Second

// commit makes an outcome durable, whole or not at all, and then acknowledges
// the inputs that it settles. A fault of the guest's leaves everything as it
// was.
func (l *lane) commit(ctx context.Context, out []byte, inputs []input, fired []string) error {
	if err := l.view.Decode(out); err != nil {
		return fault.Wrap(fault.Guest, err, "the module's outcome cannot be read")
	}
	if err := l.timers.check(l.view.Timers); err != nil {
		return err
	}
	b := outbox.Block{Cursor: l.view.Cursor, Devices: l.view.Devices}
	var tally tally
	if err := l.judge(inputs, len(inputs)+len(fired), &b, &tally); err != nil {
		return err
	}
	if err := l.convert(ctx, &b, &tally); err != nil {
		return err
	}
	now := time.Now()
	b.KV = l.guest.stage.take()
	b.Timers = append(l.timers.fired(fired, now), l.view.Timers...)
	if err := l.write(ctx, &b); err != nil {
		return err
	}
	l.timers.apply(l.view.Timers, now)
	l.settle(len(inputs), now)
	l.inbox.acknowledge()
	l.count(func(c *lifecycle.Counters) {
		c.Events += uint64(len(inputs) + len(fired))
		c.Skipped += tally.skipped
		c.Quarantined += uint64(len(b.Rejects))
		c.Retried += tally.retried
		c.Denied += l.guest.denied
		l.guest.denied = 0
	})
	return nil
}

// tally counts the decisions of one step.
type tally struct{ skipped, retried uint64 }

// judge reads the guest's verdicts. Inputs that it does not name are ok.
func (l *lane) judge(inputs []input, handed int, b *outbox.Block, t *tally) error {
	l.verdicts = append(l.verdicts[:0], make([]abi.Verdict, len(inputs))...)
	for _, v := range l.view.Verdicts {
		if int(v.Input) >= handed {
			return fault.New(fault.Guest, "the module judged input %d of %d", v.Input, handed)
		}
		if int(v.Input) >= len(inputs) {
			continue // a timer: there is nothing to keep
		}
		l.verdicts[v.Input] = v
		switch v.Decision {
		case abi.DecisionOK:
		case abi.DecisionSkip:
			t.skipped++
		case abi.DecisionRetry:
			t.retried++
		case abi.DecisionReject:
			b.Rejects = append(b.Rejects, outbox.Reject{Reason: cut(v.Reason), Input: inputs[v.Input].event.Data})
		default:
			return fault.New(fault.Guest, "the module gave the unknown decision %d", v.Decision)
		}
	}
	return nil
}

// settle notes the verdicts in the inbox; acknowledge makes them count.
func (l *lane) settle(inputs int, now time.Time) {
	for i := range inputs {
		l.inbox.settle(i, l.verdicts[i], now)
	}
}

// write fills in where the block belongs and commits it. A step without any
// effect writes nothing. While the disk is full it holds the block, and with
// it the sources.
func (l *lane) write(ctx context.Context, b *outbox.Block) error {
	if b.Count == 0 && b.Cursor == nil && !b.Effects() && len(b.Timers) == 0 && len(b.Rejects) == 0 {
		return nil
	}
	b.Connector, b.Epoch, b.First = l.cfg.Connector, l.epoch, l.next
	b.Received = time.Now().UnixNano()
	b.Module, b.Revision = l.version.Connector.Module, l.version.Connector.Revision
	for held := false; ; held = true {
		// The append is not given up half-way: whether it is durable must be
		// known before anything else happens.
		err := l.cfg.Host.Commit(context.WithoutCancel(ctx), b)
		if err == nil {
			if held {
				l.Move(lifecycle.Release, nil)
			}
			break
		}
		if !fault.Is(err, fault.DiskFull) {
			return err
		}
		if !held {
			l.Move(lifecycle.Hold, err)
		}
		if err := l.pause(ctx, diskFullWait); err != nil {
			return err
		}
	}
	l.next += uint64(b.Count)
	l.sequence = b.Seq
	l.count(func(c *lifecycle.Counters) {
		if b.Cursor != nil {
			l.cursor = slices.Clone(b.Cursor)
		}
		c.Blocks++
		if b.Count > 0 {
			c.Records += uint64(b.Count)
			c.LastRecord = time.Unix(0, b.Received)
		}
	})
	return nil
}

// pause waits, but not beyond a stop: what is held then is handed in again at
// the next start, or a gap says so.
func (l *lane) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-l.stop:
		return errors.Join(errStopped, fault.New(fault.DiskFull, "stopped while the disk was full"))
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errStopped = errors.New("stopped")

// refused keeps a batch that a living guest could not handle: handed in again
// when the guest asked for that, else in quarantine with its reason (never
// dropped).
func (l *lane) refused(ctx context.Context, cause error) error {
	f := fault.Of(cause)
	l.cfg.Host.Line(abi.LogError, FromHost, "", "batch refused: "+f.Text)
	v := abi.Verdict{Decision: abi.DecisionReject, Reason: cut(f.Text)}
	if f.RetryAfter > 0 {
		v.Decision, v.RetryAfterMS = abi.DecisionRetry, uint64(f.RetryAfter.Milliseconds())
	}
	var b outbox.Block
	now := time.Now()
	for i, in := range l.inbox.batch {
		if v.Decision == abi.DecisionReject && len(in.event.Data) > 0 {
			b.Rejects = append(b.Rejects, outbox.Reject{Reason: v.Reason, Input: in.event.Data})
		}
		l.inbox.settle(i, v, now)
	}
	b.Timers = l.timers.fired(l.firing, now)
	if err := l.write(ctx, &b); err != nil {
		return err
	}
	l.inbox.acknowledge()
	l.count(func(c *lifecycle.Counters) { c.Quarantined += uint64(len(b.Rejects)) })
	return l.recordGaps(ctx)
}

// maxReason bounds the reason that is kept with a rejected input.
const maxReason = 512

func cut(s string) string {
	if len(s) > maxReason {
		return s[:maxReason]
	}
	return s
}
