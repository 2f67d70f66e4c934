package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// runner makes one connector's desired state true: on its own goroutine it
// sees to it that there are the lanes that there should be, each of which
// lives on a goroutine of its own.
type runner struct {
	*Tenant
	id      string
	host    *host
	changed chan struct{} // holds a token when the spec or lanes may have changed
	moving  chan struct{} // holds one when devices may have changed
	gone    chan struct{} // closed at the end
	rolling chan struct{} // holds a token for each lane that swaps beside others
	common  *actor.Common // what the lanes share; the runner's goroutine's, and of lanes while they live
	rounds  round         // of the spec's way through the lanes; the runner's goroutine's
	stock   stock         // what lanes are made from
	roster  roster
	pause   time.Duration // before devices are looked at again; the runner's goroutine's
	epochs  epochs

	mu      sync.Mutex
	lanes   map[string]*lane
	layout  layout           // which lane serves which device
	last    lifecycle.Status // when there is no lane
	handled uint64           // revision that has been acted upon
	anew    uint64           // counts the requests to connect anew
	taken   uint64           // up to which of them the lanes have heard
	remote  *remote          // stands in the place of the lanes; nil: nothing does
	moved   chan struct{}    // closed and replaced when handled or the state changes

	telling sync.Mutex
	told    lifecycle.State // that the others have heard of
}

func (t *Tenant) newRunner(id string) *runner {
	r := &runner{
		Tenant: t, id: id, host: t.newHost(id),
		changed: make(chan struct{}, 1), moving: make(chan struct{}, 1), gone: make(chan struct{}), moved: make(chan struct{}),
		rolling: make(chan struct{}, rollingAtOnce), lanes: map[string]*lane{},
		last: lifecycle.Status{State: lifecycle.Stopped, Since: time.Now()},
	}
	r.host.moved = r.tell
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
		case err != nil || c == nil:
		case c.Remote:
			err = r.serveRemote(ctx, c)
		default:
			err = r.conduct(ctx, c)
		}
		r.tell()
		switch {
		case err != nil:
			r.fail(err)
			if !r.sleep(r.super.cfg.Restart.Max) {
				r.end()
				return
			}
		case c == nil:
			r.dismiss(ctx)
			r.dismissRemote(ctx)
			r.Exchange(r.id).FailAll(fault.New(fault.WrongState, "the connector was stopped before it answered"))
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
			if !r.sleep(idleRound) {
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

// end takes the runner out when the supervisor stops (I6): its lanes have heard of
// that, too.
func (r *runner) end() {
	r.dismissRemote(r.super.kill)
	r.awaitLanes()
	r.settle()
	for !r.retire(r) { // a poke that came meanwhile has nobody to serve it
		continue
	}
}

func (r *runner) stopping() bool { return r.super.ending.Err() != nil }

// sleep waits for the time to pass or something to change: devices, not before
// the runner has rested from them. It reports false when the supervisor stops.
func (r *runner) sleep(d time.Duration) bool {
	t, rest := time.NewTimer(d), time.NewTimer(r.pause)
	defer t.Stop()
	defer rest.Stop()
	var moving <-chan struct{}
	for {
		select {
		case <-rest.C:
			moving = r.moving
			continue
		case <-moving:
		case <-t.C:
		case <-r.changed:
		case <-r.super.ending.Done():
			return false
		}
		return !r.stopping()
	}
}

// fail shows why there is no lane, or says why those that there are do not
// change.
func (r *runner) fail(err error) {
	r.mu.Lock()
	lanes := len(r.lanes)
	if lanes == 0 {
		failedStatus(&r.last, err)
	}
	r.mu.Unlock()
	if lanes > 0 {
		r.host.Line(abi.LogError, actor.FromHost, "store", "what the connector should be cannot be read; going on as before: "+err.Error())
		return
	}
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

// tell lets await look again, and tells whoever follows the connector's state, of
// all its lanes together, when that has become another: the probes of its set,
// and the devices that it keeps for others.
func (r *runner) tell() {
	r.wake()
	r.telling.Lock()
	was, is := r.told, r.state()
	r.told = is
	r.telling.Unlock()
	if was == is {
		return
	}
	r.stir()
	if is == lifecycle.Running && was != lifecycle.Updating && r.some() != nil {
		r.cameUp(r.super.kill, r.id)
	}
}

// await waits until a revision has been acted upon and has come to something:
// a guest that runs, or a reason why there is none.
func (r *runner) await(ctx context.Context, revision uint64) error {
	for {
		r.mu.Lock()
		done, moved := r.handled >= revision, r.moved
		r.mu.Unlock()
		if done && r.settled() {
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

// settled reports whether the connector has come to something.
func (r *runner) settled() bool {
	s := r.status().State
	return s != lifecycle.Starting && s != lifecycle.Updating
}
