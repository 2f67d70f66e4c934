package supervisor

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// runner makes one connector's desired state true, on one goroutine.
type runner struct {
	*Tenant
	id      string
	host    *host
	changed chan struct{} // holds a token when the spec may have changed
	gone    chan struct{} // closed at the end

	crashes []time.Time   // within the window
	backoff time.Duration // of the next restart

	mu      sync.Mutex
	actor   *actor.Actor
	last    lifecycle.Status // when there is no actor
	handled uint64           // revision that has been acted upon
	moved   chan struct{}    // closed and replaced when handled or the state changes
}

func (t *Tenant) newRunner(id string) *runner {
	r := &runner{
		Tenant: t, id: id, host: t.newHost(id),
		changed: make(chan struct{}, 1), gone: make(chan struct{}), moved: make(chan struct{}),
		last: lifecycle.Status{State: lifecycle.Stopped, Since: time.Now()},
	}
	r.host.moved = r.wake
	return r
}

func (r *runner) poke() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// run goes on until nothing is desired any more, or the supervisor stops.
func (r *runner) run(ctx context.Context) {
	for {
		c, err := r.desired(ctx, r.id)
		switch {
		case err != nil:
			r.fail(err)
			if !r.sleep(r.super.cfg.Restart.Max) {
				r.end()
				return
			}
		case c == nil:
			if err := r.forget(ctx); err != nil {
				r.fail(err)
				if r.sleep(r.super.cfg.Restart.Max) {
					continue
				}
			}
			if r.retire(r) {
				return
			}
		default:
			r.live(ctx, c)
			if r.stopping() {
				r.end()
				return
			}
		}
	}
}

// forget purges what a connector left that was deleted while it ran.
func (r *runner) forget(ctx context.Context) error {
	exists, err := r.exists(ctx, r.id)
	if err != nil || exists {
		return err
	}
	return r.Purge(ctx, r.id)
}

// end takes the runner out when the supervisor stops.
func (r *runner) end() {
	for !r.retire(r) { // a poke that came meanwhile has nobody to serve it
		continue
	}
}

// live runs one actor until it is not desired any more, or has to be made
// anew.
func (r *runner) live(ctx context.Context, c *spec.Connector) {
	err := r.replay(ctx, r.id)
	if err == nil {
		err = r.host.countKept(ctx)
	}
	var epoch uint64
	if err == nil {
		epoch, err = r.nextEpoch(ctx, r.id)
	}
	if err != nil {
		r.fail(err)
		r.sleep(r.super.cfg.Restart.Max)
		return
	}
	a := r.newActor(r.id, r.account(r.id), epoch, r.host)
	r.mu.Lock()
	r.actor = a
	r.mu.Unlock()
	a.Move(lifecycle.Start, nil)
	l := &life{runner: r, actor: a, reason: abi.ReasonStart}
	l.run(ctx, c)
	if err := a.Close(ctx); err != nil {
		r.notes.Warn("session not closed", "connector", r.id, "error", err)
	}
	r.mu.Lock()
	r.last, r.actor = a.Status(), nil
	r.mu.Unlock()
}

func (r *runner) stopping() bool { return r.super.ending.Err() != nil }

// sleep waits for the time to pass or the spec to change. It reports false
// when the supervisor stops.
func (r *runner) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.changed:
	case <-r.super.ending.Done():
		return false
	}
	return true
}

// fail shows why there is no actor.
func (r *runner) fail(err error) {
	f := fault.Of(err)
	r.mu.Lock()
	r.last.State, r.last.Reason, r.last.Code, r.last.Since = lifecycle.Failed, f.Text, f.Kind.String(), time.Now()
	r.mu.Unlock()
	r.host.Report(r.status())
}

// handle notes that a revision has been acted upon, whatever came of it.
func (r *runner) handle(revision uint64) {
	r.mu.Lock()
	r.handled = max(r.handled, revision)
	r.mu.Unlock()
	r.wake()
}

// wake lets await look again.
func (r *runner) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.moved)
	r.moved = make(chan struct{})
}

// await waits until a revision has been acted upon and has come to something:
// a guest that runs, or a reason why there is none.

func (r *runner) await(ctx context.Context, revision uint64) error {
	for {
		r.mu.Lock()
		done, moved := r.handled >= revision, r.moved
		r.mu.Unlock()
		if s := r.status().State; done && s != lifecycle.Starting && s != lifecycle.Updating {
			return nil
		}
		select {
		case <-moved:
		case <-r.gone:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *runner) status() lifecycle.Status {
	r.mu.Lock()
	a, last := r.actor, r.last
	r.mu.Unlock()
	if a != nil {
		last = a.Status()
	}
	return r.masked(last)
}

// test tests beside the actor, if there is one.
func (r *runner) test(ctx context.Context, v actor.Version) (abi.TestResult, bool) {
	r.mu.Lock()
	a := r.actor
	r.mu.Unlock()
	if a == nil {
		return abi.TestResult{}, false
	}
	return a.Test(ctx, v), true
}

// crashed counts a crash and reports whether it is one too many.
func (r *runner) crashed(now time.Time) bool {
	policy := r.super.cfg.Restart
	kept := r.crashes[:0]
	for _, at := range r.crashes {
		if now.Sub(at) < policy.Window {
			kept = append(kept, at)
		}
	}
	r.crashes = append(kept, now)
	return len(r.crashes) >= policy.Crash
}

// wait is the next back-off: doubled each time, within its bounds, with a
// fifth of jitter so that connectors that fail together do not come back
// together.
func (r *runner) wait() time.Duration {
	policy := r.super.cfg.Restart
	r.backoff = min(max(r.backoff*2, policy.Min), policy.Max)
	return time.Duration(float64(r.backoff) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // jitter needs no secrecy
}
