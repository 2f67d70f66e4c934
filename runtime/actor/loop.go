package actor

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// goodbye is how long a guest in run mode may take to return once it was told
// to stop.
const goodbye = 5 * time.Second

// loop calls run, the guest's own loop, which takes its events through receive
// and commits through emit. It returns when the guest was told to stop and did.
func (l *lane) loop(ctx context.Context) error {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	told := make(chan struct{})
	l.told = func() {
		select {
		case <-told:
		default:
			close(told)
		}
	}
	watched := make(chan struct{})
	go func() { // ends with the call, or ends the call
		defer close(watched)
		select {
		case <-ctx.Done():
			return
		case <-told:
		case <-l.stop:
		}
		t := time.NewTimer(goodbye)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
			kill()
		}
	}()
	l.broken = nil
	out, err := l.guest.call(ctx, abi.EntryRun, nil)
	kill()
	<-watched
	if err == nil && l.broken == nil {
		err = l.commit(context.WithoutCancel(ctx), out, l.inbox.batch, l.firing)
	}
	l.firing, l.inbox.batch = nil, l.inbox.batch[:0]
	l.guest.stage.take()
	if l.broken != nil {
		err = l.broken
	}
	if err != nil {
		l.failMail(err)
	}
	l.putDown()
	if l.broken != nil {
		return l.broken
	}
	if err == nil && l.pending == nil && !l.stopping() {
		err = fault.New(fault.Guest, "run returned although nobody asked it to stop").
			WithHint("let run loop around receive until it gets a stop event")
	}
	if err != nil && l.guest.inst.State() != engine.Dead {
		l.env.line(abi.LogError, FromHost, "", "run: "+err.Error())
	}
	return err
}

func (l *lane) stopping() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// receive is core.receive: it waits for events. What the guest was handed
// before counts as handled when it asks for more.
func (l *lane) receive(ctx context.Context, in, out []byte) ([]byte, error) {
	var req abi.Receive
	if err := req.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "receive")
	}
	if l.version.Manifest.Mode != abi.ModeRun {
		return nil, fault.New(fault.Unsupported, "core.receive: only in run mode").
			WithHint("set mode to run in the manifest, or handle on_events and the messages")
	}
	if err := l.handled(ctx); err != nil {
		return nil, err
	}
	until := time.Now().Add(time.Duration(min(req.TimeoutMS, maxRetryAfterMS)) * time.Millisecond)
	for {
		if l.pending != nil || l.stopping() {
			return l.tell(out), nil
		}
		now := time.Now()
		if l.gatherAll(ctx, now) {
			return append(out[:0], l.encoded...), nil
		}
		if !now.Before(until) {
			return out[:0], nil
		}
		l.idle.Reset(min(until.Sub(now), max(l.untilNext(now), time.Millisecond)))
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.stop:
		case sw := <-l.install:
			l.pending = &sw
		case <-l.env.sessions.wake:
		case d := <-l.deposits:
			if err := l.settleDeposit(ctx, d); err != nil {
				l.broken = err
				return nil, err
			}
		case <-l.post.wake:
		case <-l.idle.C:
		}
	}
}

// tell hands the guest the event that asks it to return.
func (l *lane) tell(out []byte) []byte {
	l.told()
	l.putDown()
	l.firing, l.inbox.batch = nil, l.inbox.batch[:0]
	stop := abi.Events{Events: []abi.Event{{Type: abi.EventStop, Time: time.Now().UnixNano()}}}
	return stop.Append(out[:0])
}

// handled settles what the guest took and did not emit for.
func (l *lane) handled(ctx context.Context) error {
	if len(l.inbox.batch)+len(l.firing)+len(l.mailed) == 0 {
		return l.broken
	}
	return l.settleWith(ctx, nil)
}

// settleWith commits an outcome with what the guest was handed last. What a
// faulty outcome leaves is kept in quarantine; a failure of the host's is the
// end of this run, because nothing may be acknowledged behind it.
func (l *lane) settleWith(ctx context.Context, outcome []byte) error {
	if l.broken != nil {
		return l.broken
	}
	err := l.commit(ctx, outcome, l.inbox.batch, l.firing)
	if err != nil {
		l.guest.stage.take()
		if !guestsFault(err) {
			l.broken = err
			return err
		}
		if kept := l.refused(ctx, err); kept != nil {
			l.broken = kept
			return kept
		}
	}
	l.putDown()
	l.firing, l.inbox.batch = nil, l.inbox.batch[:0]
	return err
}
