package supervisor

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// Reconnect has every lane of a connector close its guest and its sessions, and
// then open both anew, in that order and at once. It waits until all have, or
// ctx ends; whatever it came to is in the status. A connector whose code is
// elsewhere is asked to come again. fault.WrongState: it does not run.
func (t *Tenant) Reconnect(ctx context.Context, id string) error {
	t.mu.Lock()
	r, ok := t.runners[id]
	t.mu.Unlock()
	if !ok {
		return fault.New(fault.WrongState, "the connector does not run, so that it cannot connect anew").
			WithHint("activate the connector, which connects it")
	}
	if is := r.remoteNow(); is != nil {
		return is.comeAgain()
	}
	r.mu.Lock()
	r.anew++
	wanted := r.anew
	r.mu.Unlock()
	r.poke()
	if err := r.awaitAnew(ctx, wanted); err != nil {
		return err
	}
	if s := r.status(); s.State == lifecycle.Failed {
		return fault.New(fault.WrongState, "the connector does not run, so that it cannot connect anew: %s", s.Reason).
			WithHint("Mend what is named there; then it starts by itself.")
	}
	return nil
}

// awaitAnew waits until all lanes have followed a request to connect anew.
func (r *runner) awaitAnew(ctx context.Context, wanted uint64) error {
	for {
		r.mu.Lock()
		moved, done := r.moved, r.taken >= wanted
		for _, l := range r.lanes {
			done = done && l.followed >= wanted
		}
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

// follow notes up to which request to connect anew the lane has come.
func (l *lane) follow(request uint64) {
	l.of.mu.Lock()
	l.followed = request
	l.of.mu.Unlock()
	l.of.wake()
}

// comeAgain sends the attached code away for a moment.
func (is *remote) comeAgain() error {
	is.mu.Lock()
	session := is.session
	if session != nil {
		is.back = time.Now().Add(comeBack)
	}
	is.mu.Unlock()
	if session == nil {
		return notAttached()
	}
	session.leave(abi.ReasonReconnect)
	return nil
}
