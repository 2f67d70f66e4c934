package actor

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// maxCalls bounds the calls that wait for the lane.
const maxCalls = 32

// callTime is how long a caller waits that has no deadline of its own.
const callTime = 10 * time.Second

// request is one call on its way through the mailbox. Either the lane takes it
// or the caller gives it up, never both.
type request struct {
	entry string
	in    []byte
	taken atomic.Bool
	done  chan response // gets one response
}

type response struct {
	out []byte
	err error
}

// take makes the request the caller's own of this function; false: it is
// somebody else's already.
func (r *request) take() bool { return r.taken.CompareAndSwap(false, true) }

// Call calls an entry point of the guest that runs, between two of its steps,
// and answers what the guest answered. What the call changes in the
// connector's state is durable before it returns without an error.
//
// The caller waits until ctx ends, ten seconds at most if ctx has no deadline:
// fault.Timeout. A call that the guest has begun by then goes on to the
// connector's own call timeout, because a guest that is stopped half-way is
// dead, and its work would be lost with an impatient caller. fault.WrongState: no
// guest runs, or it ended before the call's turn. fault.Exhausted: too many
// calls wait. fault.Unsupported: the guest has no such entry point, or is in
// run mode. A call that the guest does not survive is answered with the
// guest's fault.
func (a *Actor) Call(ctx context.Context, entry string, in []byte) ([]byte, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTime)
		defer cancel()
	}
	a.mu.Lock()
	gone, serves, runs := a.lane, a.serves, a.running != nil
	a.mu.Unlock()
	switch {
	case ended(gone) || !runs:
		return nil, notRunning()
	case !serves:
		return nil, noCalls()
	}
	r := &request{entry: entry, in: in, done: make(chan response, 1)}
	select {
	case a.calls <- r:
	default:
		f := fault.New(fault.Exhausted, "%d calls wait for the connector already", maxCalls)
		f.RetryAfter = time.Second
		return nil, f
	}
	select {
	case answer := <-r.done:
		return answer.out, answer.err
	case <-gone:
		if r.take() {
			return nil, notRunning()
		}
		answer := <-r.done // the lane answers what it has taken before it ends
		return answer.out, answer.err
	case <-ctx.Done():
		if !r.take() {
			select {
			case answer := <-r.done:
				return answer.out, answer.err
			default:
			}
		}
		return nil, fault.Wrap(fault.Of(ctx.Err()).Kind, ctx.Err(), "the connector has not answered the call %s in time", entry)
	}
}

func ended(gone <-chan struct{}) bool {
	select {
	case <-gone:
		return true
	default:
		return false
	}
}

func notRunning() error {
	return fault.New(fault.WrongState, "the connector does not run, so nobody can answer the call").
		WithHint("activate the connector, or read its status for why it does not run")
}

func noCalls() error {
	return fault.New(fault.Unsupported, "the connector is in run mode, in which a module has no time for calls").
		WithHint("build the module in mode call, poll or event")
}

// serve gives one request to the guest, as a step of its own. An error means
// that the lane cannot go on.
func (l *lane) serve(ctx context.Context, r *request) error {
	if !r.take() {
		return nil // the caller has gone
	}
	l.firing, l.inbox.batch = nil, l.inbox.batch[:0]
	out, err := l.call(ctx, r.entry, r.in)
	out = slices.Clone(out)
	if err == nil {
		err = l.commit(ctx, nil, nil, nil)
	}
	if err != nil {
		l.guest.stage.take()
		r.done <- response{err: err}
		if l.guest.inst.State() == engine.Dead || !servable(err) {
			return err
		}
		return nil
	}
	l.count(func(c *lifecycle.Counters) { c.Calls++ })
	r.done <- response{out: out}
	return nil
}

// servable reports whether a lane goes on after a call that failed so: the
// guest is alive, and what failed is the call's alone.
func servable(err error) bool {
	return !fault.Is(err, fault.Internal) && !fault.Is(err, fault.LogFailed) && !fault.Is(err, fault.Canceled)
}

// refuseCalls answers what waits, when the guest that takes over has no time
// for calls.
func (l *lane) refuseCalls() {
	for {
		select {
		case r := <-l.calls:
			if r.take() {
				r.done <- response{err: noCalls()}
			}
		default:
			return
		}
	}
}

// pass settles what sources and timers have for a guest in call mode, or a sink,
// which takes none of it: the condition of its sessions is followed, and data that
// nobody asked for is counted as skipped.
func (l *lane) pass(ctx context.Context) (worked bool, err error) {
	if !l.gather(time.Now()) {
		return false, nil
	}
	var o abi.Outcome
	for i := range l.inbox.batch {
		if l.inbox.batch[i].event.Type == abi.EventData {
			o.Verdicts = append(o.Verdicts, abi.Verdict{Input: uint32(i), Decision: abi.DecisionSkip, Reason: "the module takes no events"})
		}
	}
	return true, l.commit(ctx, o.Append(nil), l.inbox.batch, l.firing)
}

// Ask makes a guest of this version beside whatever runs, calls one entry point
// of it without opening it, and drops it. Groups that the module needs and the
// version does not grant are refused to it when it calls them. Nothing that it
// writes is kept.
func (a *Actor) Ask(ctx context.Context, v Version, entry string, in []byte) ([]byte, error) {
	needs := slices.Clone(v.Manifest.Capabilities)
	for i := range needs {
		needs[i].Optional = true
	}
	v.Manifest.Capabilities = needs
	g, err := a.candidate(ctx, v, abi.ReasonTest)
	if err != nil {
		return nil, err
	}
	defer a.discard(ctx, g)
	g.candidate = false // it has sessions of its own, and what it may write to was granted for this
	out, err := g.call(ctx, entry, in)
	return slices.Clone(out), err
}
