// Package clock is the group of time: what time it is, and waiting. It reaches
// nothing outside of the connector, so it needs no grant. The composition root
// builds the Group; nobody else imports it.
package clock

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Group is the host's clock.
type Group struct{ started time.Time }

// New is the group. Its monotonic time counts from now.
func New() *Group { return &Group{started: time.Now()} }

// Name implements capability.Group.
func (*Group) Name() string { return "clock" }

// Contained marks the group as one that needs no grant.
func (*Group) Contained() {}

// Functions implements capability.Group.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: "now", Sentence: "read the time"},
		{Name: "sleep", Sentence: "wait, within the time that a call may take"},
	}
}

// Target implements capability.Group: there is nothing to open.
func (*Group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

// Open implements capability.Group.
func (g *Group) Open(context.Context, capability.Scope, []byte) (capability.Session, error) {
	return session{g.started}, nil
}

type session struct{ started time.Time }

// Call implements capability.Session.
func (s session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	switch function {
	case "now":
		now := time.Now()
		return abi.ClockNow{UnixNS: now.UnixNano(), MonotonicNS: int64(now.Sub(s.started))}.Append(out[:0]), nil
	case "sleep":
		var req abi.ClockSleep
		if err := req.Decode(in); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "clock.sleep")
		}
		return out[:0], sleep(ctx, req.NS)
	}
	return nil, fault.New(fault.Unsupported, "no host function clock.%s", function)
}

// sleep waits, but never beyond the call's deadline: a wait that would cross it
// is refused at once.
func sleep(ctx context.Context, ns uint64) error {
	d := time.Duration(min(ns, uint64(time.Hour)))
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return fault.New(fault.Timeout, "clock.sleep: %s is longer than the call may still take", d).
			WithHint("set a timer and return, or raise the connector's call_timeout")
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fault.Of(ctx.Err())
	}
}

// Close implements capability.Session.
func (session) Close(context.Context) error { return nil }
