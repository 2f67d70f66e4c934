package supervisor

import (
	"context"
	"sync"

	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// aside is the index of what a tenant's connectors put aside, from when somebody
// asks for it.
type aside struct {
	mu    sync.Mutex
	index *delivery.Quarantine

	// What was handed in again and is done with is noted by one goroutine, while
	// there is any: a lane must not wait for the store, and many are one change.
	noting sync.Mutex
	note   Note
	done   map[string][]*delivery.Again // by connector
	busy   bool
}

// Note notes positions of a connector's quarantine as done with.
type Note = func(ctx context.Context, id string, at []delivery.Position)

// Aside is what was put aside of a connector, oldest first, and how many older ones
// are not listed.
func (t *Tenant) Aside(ctx context.Context, id string) (list []delivery.Aside, more uint64, err error) {
	t.aside.mu.Lock()
	if t.aside.index == nil {
		t.aside.index = delivery.NewQuarantine(t.log)
	}
	index := t.aside.index
	t.aside.mu.Unlock()
	return index.List(ctx, id)
}

// Again hands a record that was put aside on its way out to its connector once
// more; note is told when it is done with, and of all that are then: every caller's
// does the same. WrongState: the connector does not run.
func (t *Tenant) Again(id string, at delivery.Position, r *outbox.Reject, note Note) (*delivery.Again, error) {
	f := t.feeds.of(id)
	if f == nil {
		return nil, fault.New(fault.WrongState, "the connector does not run, so that nothing can be handed to it").
			WithHint("Activate the connector; what was put aside stays.")
	}
	t.aside.noting.Lock()
	t.aside.note = note
	t.aside.noting.Unlock()
	return f.Again(at, r.Input)
}

// settled has noted what was handed in again. It is called by lanes, whose end is
// waited for, and does not wait.
func (t *Tenant) settled(id string, done []*delivery.Again) {
	a := &t.aside
	a.noting.Lock()
	defer a.noting.Unlock()
	if a.done == nil {
		a.done = map[string][]*delivery.Again{}
	}
	a.done[id] = append(a.done[id], done...)
	if !a.busy {
		a.busy = true
		t.super.runners.Go(func() { a.noteAll(t.super.kill) })
	}
}

// noteAll notes what there is until there is no more.
func (a *aside) noteAll(ctx context.Context) {
	for {
		a.noting.Lock()
		all, note := a.done, a.note
		a.done = nil
		a.busy = len(all) > 0
		a.noting.Unlock()
		if len(all) == 0 {
			return
		}
		for id, done := range all {
			at := make([]delivery.Position, len(done))
			for i := range done {
				at[i] = done[i].At()
			}
			note(ctx, id, at)
			for _, d := range done {
				d.Noted()
			}
		}
	}
}
