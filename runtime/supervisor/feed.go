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
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

var _ actor.Feeder = laneHost{}

// feeds are those of a tenant's connectors that are open, by connector.
type feeds struct {
	mu    sync.Mutex
	slots map[string]*slot
}

// slot is a connector's place for a feed. Its lock is held while the feed is opened,
// closed or sent to another place, so that a place is set either before it is read
// or in the feed, and never beside it; other connectors do not wait for that.
type slot struct {
	mu    sync.Mutex
	users int // who hold it or wait for it; of feeds.mu
	feed  *delivery.Feed
}

// hold locks the slot of a connector, until it is let go.
func (f *feeds) hold(id string) *slot {
	f.mu.Lock()
	if f.slots == nil {
		f.slots = map[string]*slot{}
	}
	s := f.slots[id]
	if s == nil {
		s = &slot{}
		f.slots[id] = s
	}
	s.users++
	f.mu.Unlock()
	s.mu.Lock()
	return s
}

func (f *feeds) letGo(id string, s *slot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.users--; s.users == 0 && s.feed == nil {
		delete(f.slots, id)
	}
	s.mu.Unlock()
}

func (f *feeds) open(ctx context.Context, cfg delivery.Config) (flow.Feed, error) {
	s := f.hold(cfg.Connector)
	defer f.letGo(cfg.Connector, s)
	feed, err := delivery.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s.feed = feed
	return &openFeed{feed, f, cfg.Connector}, nil
}

// rewind sets a connector's place: in the feed if it is open, else in the log.
func (f *feeds) rewind(log *outbox.Log, id string, at uint64) error {
	s := f.hold(id)
	defer f.letGo(id, s)
	if s.feed != nil {
		return s.feed.Rewind(at)
	}
	return delivery.Rewind(log, id, at)
}

// of is a connector's feed; nil: none is open.
func (f *feeds) of(id string) *delivery.Feed {
	s := f.hold(id)
	defer f.letGo(id, s)
	return s.feed
}

// openFeed is one that the tenant knows until it is closed.
type openFeed struct {
	*delivery.Feed

	feeds *feeds
	id    string
}

// Close implements flow.Feed.
func (f *openFeed) Close() {
	s := f.feeds.hold(f.id)
	defer f.feeds.letGo(f.id, s)
	f.Feed.Close()
	if s.feed == f.Feed {
		s.feed = nil
	}
}

// Feed implements actor.Feeder.
func (h laneHost) Feed(ctx context.Context, settings spec.Feed) (flow.Feed, error) {
	names := names{space: h.space, known: map[string]called{}}
	return h.feeds.open(ctx, delivery.Config{
		Log: h.log, Connector: h.id, Settings: settings,
		Name:    names.of,
		Tell:    func(text string) { h.Line(abi.LogWarning, actor.FromHost, "deliver", text) },
		Settled: func(done []*delivery.Again) { h.settled(h.id, done) },
	})
}

// Rewind makes a connector that delivers go on behind a block, at once if it runs,
// else when it starts. It is durable when there is no error.
func (t *Tenant) Rewind(id string, at uint64) error { return t.feeds.rewind(t.log, id, at) }

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
