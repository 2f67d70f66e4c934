package supervisor

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxPeerReplies bounds what one call to another connector may answer.
const maxPeerReplies = abi.MaxItems

// waits are the connectors of a tenant that wait for each other: two that call
// one another at the same time would wait until their deadlines. The zero value
// is ready.
type waits struct {
	mu sync.Mutex
	on map[string][]string // who is waited for, by who waits
}

// begin notes that one waits for another, unless that one waits for it, by
// however many others between them.
func (w *waits) begin(caller, callee string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reaches(callee, caller, nil) {
		return fault.New(fault.CallCycle, "the connector that is called waits for the one that calls it")
	}
	if w.on == nil {
		w.on = map[string][]string{}
	}
	w.on[caller] = append(w.on[caller], callee)
	return nil
}

func (w *waits) reaches(from, to string, seen []string) bool {
	if from == to {
		return true
	}
	if slices.Contains(seen, from) {
		return false
	}
	seen = append(seen, from)
	return slices.ContainsFunc(w.on[from], func(next string) bool { return w.reaches(next, to, seen) })
}

func (w *waits) end(caller, callee string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := w.on[caller]
	if i := slices.Index(left, callee); i >= 0 {
		left = slices.Delete(left, i, i+1)
	}
	if len(left) == 0 {
		delete(w.on, caller)
		return
	}
	w.on[caller] = left
}

// peersOf reaches the tenant's other connectors for one of them.
func (t *Tenant) peersOf(id string) actor.Peers {
	return func(ctx context.Context, connector string, m *abi.Message) ([]abi.Reply, error) {
		callee, err := t.named(ctx, connector)
		if err != nil {
			return nil, err
		}
		if slices.Contains(m.Via, callee) {
			return nil, fault.New(fault.CallCycle, "the connector %s waits for the one that calls it", fault.Clip(connector, 64))
		}
		if err := t.waits.begin(id, callee); err != nil {
			return nil, err
		}
		defer t.waits.end(id, callee)
		return t.callPeer(ctx, callee, m)
	}
}

// callPeer sends a message and gathers the replies.
func (t *Tenant) callPeer(ctx context.Context, callee string, m *abi.Message) ([]abi.Reply, error) {
	q, err := t.Send(ctx, callee, *m)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	var all []abi.Reply
	size := 0
	for {
		r, err := q.Next(ctx)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		r.Correlation = "" // it is nothing to the caller
		size += len(r.Body) + len(r.Metadata) + 64
		if all = append(all, r); len(all) > maxPeerReplies || size > abi.MaxBatch {
			return nil, fault.New(fault.TooLarge, "the connector answers more than %d replies or %d bytes", maxPeerReplies, abi.MaxBatch)
		}
	}
}

// named is the connector of this name.
func (t *Tenant) named(ctx context.Context, name string) (id string, err error) {
	missing := fault.New(fault.NotFound, "no connector is named %q", fault.Clip(name, 64))
	if len(name) <= store.MaxID {
		err = t.space.View(ctx, func(r store.Reader) error {
			e, err := r.Get(store.ConnectorNames, name)
			if fault.Is(err, fault.NotFound) {
				return missing
			}
			id = string(e.Value)
			return err
		})
		return id, err
	}
	all, err := t.specs(ctx)
	if err != nil {
		return "", err
	}
	for id, c := range all { // names beyond the length of a key are rare
		if c.Name == name {
			return id, nil
		}
	}
	return "", missing
}
