package actor

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// call calls an entry point of the lane's guest. A failure of the host's behind
// an emit ends the lane, whatever the guest made of it.
func (l *lane) call(ctx context.Context, entry string, in []byte) ([]byte, error) {
	began := time.Now()
	out, err := l.guest.call(ctx, entry, in)
	l.took = time.Since(began)
	if broken := l.broken; broken != nil {
		l.broken = nil
		return nil, broken
	}
	return out, err
}

// emit is core.emit: a commit in the middle of a call. In run mode it settles
// what the guest was handed last. In any other it is beside the inputs of the
// call, which the outcome of the call settles: a guest that dies between the
// two is handed them again, so what it emitted may come twice.
func (l *lane) emit(ctx context.Context, in, out []byte) ([]byte, error) {
	commit := l.midway
	if l.version.Manifest.Mode == abi.ModeRun {
		commit = l.settleWith
	}
	if err := commit(ctx, in); err != nil {
		return nil, err
	}
	return abi.Emitted{Sequence: l.sequence}.Append(out[:0]), nil
}

// midway commits an outcome beside the inputs of the call that is under way.
func (l *lane) midway(ctx context.Context, in []byte) error {
	if l.broken != nil {
		return l.broken
	}
	if err := l.view.Decode(in); err != nil {
		return fault.Wrap(fault.Invalid, err, "the outcome cannot be read")
	}
	if len(l.view.Verdicts) > 0 {
		return fault.New(fault.Invalid, "core.emit: in the middle of a call nothing is judged").
			WithHint("put the verdicts into what the call returns")
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
	given := len(l.view.Replies)
	if err := l.checkReplies(); err != nil {
		return err
	}
	if given > 0 && l.emitsNothing() {
		return fault.New(fault.LateReply, "nobody waits for these replies any more").
			WithHint("end the work that they are made for")
	}
	b := outbox.Block{Cursor: l.view.Cursor, Devices: l.view.Devices, Timers: l.view.Timers}
	var t tally
	if err := l.convert(ctx, &b, &t); err != nil {
		return err
	}
	b.Devices = l.guest.stage.devices.take(b.Devices)
	b.KV = l.guest.stage.take()
	if err := l.write(ctx, &b); err != nil {
		l.broken = err
		return err
	}
	l.tellRejects(b.Rejects)
	l.timers.apply(l.view.Timers, time.Now())
	l.sendReplies(ctx)
	l.startJobs(ctx, l.view.Jobs)
	l.count(func(c *lifecycle.Counters) {
		c.Skipped += t.skipped
		c.Quarantined += uint64(len(b.Rejects))
		c.Traps += t.traps
		c.Repeated += t.repeated
	})
	return nil
}

// emitsNothing reports whether nothing is left of an emit once the replies are
// out of it that were refused. Its guest is told, so that it does not go on to
// work for somebody who has gone; elsewhere a refused reply refuses nothing.
func (l *lane) emitsNothing() bool {
	v, s := &l.view, &l.guest.stage
	return len(v.Replies)+len(v.Batch)+len(v.Timers)+len(v.Devices)+len(v.Jobs)+len(s.writes) == 0 && v.Cursor == nil
}

// notTheLanes is why a guest that is not the lane's own may not call a function
// of core.
func (g *guest) notTheLanes(function string) error {
	if g.sessions == nil {
		return fault.New(fault.Unsupported, "core.%s: not in a converter, whose answer is its outcome", function)
	}
	return fault.New(fault.NotActive, "core.%s: only a guest that runs may, and not one that opens, is tested or works beside it", function).
		WithHint("return an outcome instead")
}

// gatherAll is gather with the messages that wait, for a guest in run mode.
func (l *lane) gatherAll(ctx context.Context, now time.Time) bool {
	l.inbox.spent = l.gatherMail(ctx, now)
	gathered := l.gather(now)
	l.inbox.spent = 0
	if len(l.mailed) == 0 {
		return gathered
	}
	if !gathered {
		l.events.Events = l.events.Events[:0]
	}
	l.mailEvents(now)
	l.encoded = l.events.Append(l.encoded[:0])
	return true
}
