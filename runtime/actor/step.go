package actor

import (
	"context"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The bounds of what one step may change, so that its changes fit one
// transaction of the store, and a crash between log and store can always be
// made good.
const (
	maxDevices = 256
	maxReason  = 512 // bytes kept with a rejected input
)

// DiskFullWait is how long a block waits for space before it is tried again.
const DiskFullWait = time.Second

// commit makes an outcome durable, whole or not at all, and then acknowledges
// the inputs that it settles. A fault of the guest's leaves everything as it
// was, so that the caller can decide what becomes of the inputs.
func (l *lane) commit(ctx context.Context, out []byte, inputs []input, fired []string) error {
	if err := l.arrived(ctx); err != nil {
		return err
	}
	if err := l.read(out); err != nil {
		return err
	}
	b := outbox.Block{Cursor: l.view.Cursor, Devices: l.view.Devices}
	var tally tally
	if err := l.judge(inputs, len(inputs)+len(fired)+len(l.mailed), &b, &tally); err != nil {
		return err
	}
	l.rejected(&b)
	if err := l.convert(ctx, &b, &tally); err != nil {
		return err
	}
	l.grow()
	if l.plain(&b, fired) {
		l.guest.watchMemory()
		return l.takeOff(ctx, &b, tally)
	}
	if err := l.complete(ctx, &b, fired); err != nil {
		return err
	}
	now := time.Now()
	for i := range inputs {
		l.inbox.settle(i, l.verdicts[i], now)
	}
	if err := l.recordGaps(ctx); err != nil {
		return err
	}
	l.inbox.acknowledge()
	l.sendReplies(ctx)
	l.startJobs(ctx, l.view.Jobs)
	l.settleMail(ctx, now)
	l.guest.watchMemory()
	l.count(func(c *lifecycle.Counters) {
		c.Events += uint64(len(inputs) + len(fired))
		c.Quarantined += uint64(len(b.Rejects))
		tally.count(c)
	})
	return nil
}

// read takes an outcome into the lane's view and checks what may be asked for.
func (l *lane) read(out []byte) error {
	if err := l.view.Decode(out); err != nil {
		return fault.Wrap(fault.Guest, err, "the module's outcome cannot be read")
	}
	if err := l.timers.check(l.view.Timers); err != nil {
		return err
	}
	if err := checkDevices(l.view.Devices); err != nil {
		return err
	}
	if err := l.checkJobs(l.view.Jobs); err != nil {
		return err
	}
	if err := l.checkReplies(); err != nil {
		return err
	}
	if l.fixed {
		l.view.Cursor = nil
	}
	return nil
}

// complete puts what else the step asks for beside its records into their block
// and makes that durable.
func (l *lane) complete(ctx context.Context, b *outbox.Block, fired []string) error {
	b.Devices = l.guest.stage.devices.take(b.Devices)
	b.KV = l.guest.stage.take()
	b.Timers = append(l.timers.clearing(fired), l.view.Timers...)
	if err := l.write(ctx, b); err != nil {
		return err
	}
	now := time.Now()
	l.tellRejects(b.Rejects)
	l.timers.advance(fired, now)
	l.timers.apply(l.view.Timers, now)
	return nil
}

// tally counts the decisions of one step.
type tally struct{ skipped, retried, traps, repeated uint64 }

func (t *tally) count(c *lifecycle.Counters) {
	c.Skipped += t.skipped
	c.Retried += t.retried
	c.Traps += t.traps
	c.Repeated += t.repeated
}

// judge reads the guest's verdicts. Inputs that it does not name are ok.
func (l *lane) judge(inputs []input, handed int, b *outbox.Block, t *tally) error {
	l.verdicts = append(l.verdicts[:0], make([]abi.Verdict, len(inputs))...)
	for _, v := range l.view.Verdicts {
		if int64(v.Input) >= int64(handed) {
			return fault.New(fault.Guest, "the module judged input %d of %d", v.Input, handed)
		}
		if int64(v.Input) >= int64(len(inputs)) {
			if i := int(v.Input) - (handed - len(l.mailed)); i >= 0 {
				if err := l.judgeMail(i, v, t); err != nil {
					return err
				}
			}
			continue // a timer: there is nothing to keep
		}
		if l.verdicts[v.Input] != (abi.Verdict{}) {
			return fault.New(fault.Guest, "the module judged input %d twice", v.Input)
		}
		l.verdicts[v.Input] = v
		switch v.Decision {
		case abi.DecisionOK:
		case abi.DecisionSkip:
			t.skipped++
		case abi.DecisionRetry:
			t.retried++
		case abi.DecisionReject:
			b.Rejects = append(b.Rejects, outbox.Reject{
				Reason: fault.Clip(l.env.masked(v.Reason), maxReason), Input: inputs[v.Input].event.Data,
				Of: outbox.RejectEvent, Group: l.inbox.group(&inputs[v.Input]),
			})
		default:
			return fault.New(fault.Guest, "the module gave the unknown decision %d", v.Decision)
		}
	}
	return nil
}

// checkDevices refuses what the store could not take.
func checkDevices(changes []abi.DeviceChange) error {
	if len(changes) > maxDevices {
		return fault.New(fault.TooLarge, "one step may change %d devices, and this one changes %d", maxDevices, len(changes))
	}
	for i := range changes {
		err := spec.CheckDeviceChange(&changes[i])
		if fault.Is(err, fault.TooLarge) {
			return err
		}
		if err != nil {
			return fault.Wrap(fault.Guest, err, "the module asks for a device that cannot be kept")
		}
	}
	return nil
}

// convert turns the step's records into what the block holds: through the
// converters of their devices, if they have any.
func (l *lane) convert(ctx context.Context, b *outbox.Block, t *tally) error {
	handed, err := l.env.quota.checkBatch(l.view.Batch)
	if err != nil {
		return err
	}
	records, err := l.first(ctx, handed)
	if t.repeated = uint64(handed - records); err != nil || records == 0 {
		return err
	}
	if l.version.Converters.none() { // they travel as they are, untouched
		l.records = outbox.AppendBatch(l.records[:0], l.view.Batch)
		b.Records, b.Count = l.records, records
		return nil
	}
	held := l.version.Converters.hold()
	defer l.version.Converters.drop(ctx, held)
	l.version.Converters.capture(held, l.view.Batch, time.Now())
	parts, err := held.parts(l.view.Batch, records)
	if err != nil {
		return fault.Wrap(fault.Guest, err, "the module's records cannot be read")
	}
	c := conversion{mask: l.env.masked}
	if err := c.run(ctx, parts); err != nil {
		return err
	}
	if c.cause != nil {
		l.env.line(abi.LogError, FromHost, "converter", c.cause.Error())
	}
	b.Records, b.Count = c.records, c.count
	b.Rejects = append(b.Rejects, c.rejects...)
	t.skipped, t.traps = t.skipped+c.skipped, c.traps
	return nil
}

// write fills in where the block belongs and commits it. A step without any
// effect writes nothing. While the disk is full it holds the block, and with
// it the sources.
func (l *lane) write(ctx context.Context, b *outbox.Block) error {
	if err := l.land(ctx); err != nil {
		return err
	}
	if b.Count == 0 && b.Cursor == nil && !b.Effects() && len(b.Timers) == 0 && len(b.Rejects) == 0 {
		l.repeats.keep() // of records that a converter left out
		return nil
	}
	l.place(b)
	l.announce(b)
	if err := l.persist(ctx, b); err != nil {
		return err
	}
	l.wrote(b)
	l.repeats.keep()
	return nil
}

// place says where a block belongs that comes next.
func (l *lane) place(b *outbox.Block) {
	b.Connector, b.Lane, b.Epoch, b.First = l.cfg.Connector, l.cfg.Lane, l.epoch, l.next
	b.Received = time.Now().UnixNano()
	b.Module, b.Revision = l.version.Connector.Module, l.version.Connector.Revision
}

// wrote notes that a block is durable.
func (l *lane) wrote(b *outbox.Block) {
	l.next = max(l.next, b.First+uint64(b.Count)) // other blocks may be aloft behind it
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.Cursor != nil {
		l.cursor = slices.Clone(b.Cursor)
	}
	c := &l.status.Counters
	c.Blocks++
	if b.Count > 0 {
		c.Records += uint64(b.Count)
		c.LastRecord = time.Unix(0, b.Received)
	}
}

// persist commits a block, and tries again for as long as the disk is full.
func (l *lane) persist(ctx context.Context, b *outbox.Block) error {
	for held := false; ; held = true {
		// The append is not given up half-way: whether it is durable must be
		// known before anything else happens.
		sequence, err := l.cfg.Host.Commit(context.WithoutCancel(ctx), b)
		if err == nil {
			l.sequence = sequence
			if held {
				l.Move(lifecycle.Release, nil)
				l.showSessions()
			}
			return nil
		}
		if !fault.Is(err, fault.DiskFull) {
			return err
		}
		if !held {
			l.Move(lifecycle.Hold, err)
		}
		if err := l.pause(ctx, DiskFullWait); err != nil {
			return err
		}
	}
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
		return fault.New(fault.DiskFull, "stopped while the disk was full")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refused keeps a batch that a living guest could not handle: handed in again
// when the guest asked for that, else in quarantine with its reason (never
// dropped).
func (l *lane) refused(ctx context.Context, cause error) error {
	if err := l.land(ctx); err != nil {
		return err
	}
	if tooMuch(cause) && l.halve() {
		l.failMail(cause)
		return nil
	}
	f := fault.Of(cause)
	if !l.inbox.unheard(cause) {
		l.env.line(abi.LogError, FromHost, "", "batch refused: "+f.Text)
	}
	l.failMail(cause)
	v := abi.Verdict{Decision: abi.DecisionReject, Reason: fault.Clip(l.env.masked(f.Text), maxReason)}
	if wait := retryAfter(cause); wait > 0 {
		v.Decision, v.RetryAfterMS = abi.DecisionRetry, uint64(wait.Milliseconds())
	}
	var b outbox.Block
	now := time.Now()
	for i, in := range l.inbox.batch {
		if v.Decision == abi.DecisionReject && in.event.Type == abi.EventData && len(in.event.Data) > 0 {
			b.Rejects = append(b.Rejects, outbox.Reject{Reason: v.Reason, Input: in.event.Data, Of: outbox.RejectEvent, Group: l.inbox.group(&in)})
		}
		l.inbox.settle(i, v, now)
	}
	b.Timers = l.timers.clearing(l.firing)
	if err := l.write(ctx, &b); err != nil {
		return err
	}
	l.tellRejects(b.Rejects)
	l.timers.advance(l.firing, now)
	if err := l.recordGaps(ctx); err != nil {
		return err
	}
	l.inbox.acknowledge()
	l.count(func(c *lifecycle.Counters) { c.Quarantined += uint64(len(b.Rejects)) })
	return nil
}
