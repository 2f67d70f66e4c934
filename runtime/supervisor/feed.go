package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

var _ actor.Feeder = laneHost{}

// Feed implements actor.Feeder.
func (h laneHost) Feed(ctx context.Context, settings spec.Feed) (flow.Feed, error) {
	names := names{space: h.space, known: map[string]called{}}
	return delivery.Open(ctx, delivery.Config{
		Log: h.log, Connector: h.id, Settings: settings,
		Name: func(id string) string { return names.of(ctx, id) },
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

// of is what a connector is called; one that is gone, or cannot be read now, by
// its id.
func (n *names) of(ctx context.Context, id string) string {
	now := time.Now()
	if k, ok := n.known[id]; ok && now.Sub(k.read) < nameHolds {
		return k.name
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
		if k, ok := n.known[id]; ok {
			return k.name
		}
		return id // and it is asked for again with the next block
	}
	n.known[id] = called{c.Name, now}
	return c.Name
}

var _ actor.KeyReader = laneHost{}

// SourceKeys implements actor.KeyReader: of the records in the newest blocks of
// the log.
func (h laneHost) SourceKeys(ctx context.Context, most int) (keys []string, err error) {
	head := h.log.Head()
	if _, known := h.log.LaneState(h.id, h.lane.name); !known || head == 0 {
		return nil, nil
	}
	r := h.log.Reader(head - min(head-1, scanned))
	defer func() { _ = r.Close() }()
	var records abi.Batch
	for seq := uint64(0); seq < head; {
		b, err := r.Next(ctx)
		if gap, ok := errors.AsType[*outbox.Gap](err); ok {
			seq = gap.To
			continue
		}
		if err != nil {
			return nil, err
		}
		if seq = b.Seq; b.Connector != h.id || b.Lane != h.lane.name {
			continue
		}
		for rest := b.Records; ; {
			batch, behind, ok := outbox.CutBatch(rest)
			if !ok {
				break
			}
			rest = behind
			if !abi.HasSourceKeys(batch) || records.Decode(batch) != nil {
				continue
			}
			for i := range records.Records {
				if key := records.Records[i].SourceKey; key != "" {
					keys = append(keys, key)
				}
			}
		}
		keys = keys[max(0, len(keys)-most):]
	}
	return keys, nil
}
