package supervisor

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

var _ actor.Feeder = laneHost{}

// feeds are those of a tenant's connectors that are open, by connector. The lock is
// held while one is opened, so that a place is set either before it is read or in
// the feed.
type feeds struct {
	mu   sync.Mutex
	open map[string]*delivery.Feed
}

// Feed implements actor.Feeder.
func (h laneHost) Feed(ctx context.Context, settings spec.Feed) (flow.Feed, error) {
	h.feeds.mu.Lock()
	defer h.feeds.mu.Unlock()
	names := names{space: h.space, known: map[string]called{}}
	f, err := delivery.Open(ctx, delivery.Config{
		Log: h.log, Connector: h.id, Settings: settings,
		Name: names.of,
		Tell: func(text string) { h.Line(abi.LogWarning, actor.FromHost, "deliver", text) },
	})
	if err != nil {
		return nil, err
	}
	if h.feeds.open == nil {
		h.feeds.open = map[string]*delivery.Feed{}
	}
	h.feeds.open[h.id] = f
	return &openFeed{f, h.Tenant, h.id}, nil
}

// openFeed is one that the tenant knows until it is closed.
type openFeed struct {
	*delivery.Feed

	tenant *Tenant
	id     string
}

// Close implements flow.Feed.
func (f *openFeed) Close() {
	all := &f.tenant.feeds
	all.mu.Lock()
	if all.open[f.id] == f.Feed {
		delete(all.open, f.id)
	}
	all.mu.Unlock()
	f.Feed.Close()
}

// Rewind makes a connector that delivers go on behind a block, at once if it runs,
// else when it starts. It is durable when there is no error.
func (t *Tenant) Rewind(id string, at uint64) error {
	t.feeds.mu.Lock()
	defer t.feeds.mu.Unlock()
	if f := t.feeds.open[id]; f != nil {
		return f.Rewind(at)
	}
	return delivery.Rewind(t.log, id, at)
}

// names are what a tenant's connectors are called, as one feed needs them: on one
// goroutine, block after block.
type names struct {
	space store.Space
	known map[string]called
}

type called struct {
	name string
	read time.Time
}

// A name is read again after a while, because it may have changed, and there may
// be so many before all are.
const (
	nameHolds = time.Second
	maxNames  = 4096
)

// of is what a connector is called; one that is gone, by its id.
func (n *names) of(ctx context.Context, id string) (string, error) {
	now := time.Now()
	if k, ok := n.known[id]; ok && now.Sub(k.read) < nameHolds {
		return k.name, nil
	}
	if len(n.known) >= maxNames {
		clear(n.known)
	}
	c := struct {
		Name string `json:"name"`
	}{id}
	err := n.space.View(ctx, func(r store.Reader) error {
		e, err := r.Get(store.Connectors, id)
		if err == nil {
			err = json.Unmarshal(e.Value, &c)
		}
		return err
	})
	if err != nil && !fault.Is(err, fault.NotFound) {
		return "", err
	}
	n.known[id] = called{c.Name, now}
	return c.Name, nil
}
