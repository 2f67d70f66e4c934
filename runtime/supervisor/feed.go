package supervisor

import (
	"context"
	"encoding/json"
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

// Feed implements actor.Feeder.
func (h laneHost) Feed(ctx context.Context, settings spec.Feed) (flow.Feed, error) {
	names := names{space: h.space, known: map[string]called{}}
	return delivery.Open(ctx, delivery.Config{
		Log: h.log, Connector: h.id, Settings: settings,
		Name: names.of,
		Tell: func(text string) { h.Line(abi.LogWarning, actor.FromHost, "deliver", text) },
	})
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
