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
}

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
// more; settled is told when it is done with. WrongState: the connector does not
// run.
func (t *Tenant) Again(id string, at delivery.Position, r *outbox.Reject, settled func()) (*delivery.Again, error) {
	f := t.feeds.of(id)
	if f == nil {
		return nil, fault.New(fault.WrongState, "the connector does not run, so that nothing can be handed to it").
			WithHint("Activate the connector; what was put aside stays.")
	}
	return f.Again(at, r.Input, settled)
}
