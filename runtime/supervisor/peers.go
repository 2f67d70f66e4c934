package supervisor

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/interlock"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxPeerReplies bounds what one call to another connector may answer.
const maxPeerReplies = abi.MaxItems

// waits are the connectors of a tenant that wait for each other: two that call
// one another at the same time would wait until their deadlines. The zero value
// is ready.
type waits struct {
	mu sync.Mutex
	on map[string]map[string]int // how many lanes of one, by its id, wait for another
}

// begin notes that one waits for another, unless that one waits for it, by
// however many others between them.
func (w *waits) begin(caller, callee string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reaches(callee, caller) {
		return fault.New(fault.CallCycle, "the connector that is called waits for the one that calls it")
	}
	if w.on == nil {
		w.on = map[string]map[string]int{}
	}
	if w.on[caller] == nil {
		w.on[caller] = map[string]int{}
	}
	w.on[caller][callee]++
	return nil
}

// reaches reports whether one waits for the other. It looks at each connector
// once, however many lanes it has: all calls of the tenant wait for it.
func (w *waits) reaches(from, to string) bool {
	seen, next := map[string]bool{from: true}, []string{from}
	for len(next) > 0 {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		if id == to {
			return true
		}
		for callee := range w.on[id] {
			if !seen[callee] {
				seen[callee] = true
				next = append(next, callee)
			}
		}
	}
	return false
}

func (w *waits) end(caller, callee string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on[caller][callee]--; w.on[caller][callee] == 0 {
		delete(w.on[caller], callee)
	}
	if len(w.on[caller]) == 0 {
		delete(w.on, caller)
	}
}

// peersOf reaches the tenant's other connectors for one of them.
func (t *Tenant) peersOf(id string) actor.Peers {
	return func(ctx context.Context, connector string, m *abi.Message, asked []*exchange.Question) ([]abi.Reply, error) {
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
		return t.callPeer(ctx, callee, m, t.onwards(ctx, id, asked))
	}
}

// onwards is the word for what a connector sends on: it asks for everybody who
// asked for what it works on.
func (t *Tenant) onwards(ctx context.Context, id string, asked []*exchange.Question) (w Word) {
	w.Person.Name = "connector " + id
	if c, err := t.locked(ctx, id); err == nil && c.Name != "" {
		w.Person.Name = "connector " + c.Name
	}
	for _, q := range asked {
		if said, ok := q.Word.(Word); ok {
			w.For = append(w.For, said.askers()...)
		}
	}
	slices.SortFunc(w.For, func(a, b interlock.Person) int { return strings.Compare(a.User+"/"+a.Name, b.User+"/"+b.Name) })
	w.For = slices.Compact(w.For)
	return w
}

// callPeer sends a message and gathers the replies.
func (t *Tenant) callPeer(ctx context.Context, callee string, m *abi.Message, w Word) ([]abi.Reply, error) {
	q, err := t.SendWith(ctx, callee, *m, w)
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
