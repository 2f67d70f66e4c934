package supervisor

import (
	"context"
	"slices"
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// stock is what the lanes of a connector are made from: a revision is read and
// compiled once for all of them.
type stock struct {
	mu     sync.Mutex
	newest *edition // nil: nobody uses one
	used   []*edition
}

// edition is one revision, ready for guests.
type edition struct {
	version actor.Version
	release func(context.Context)
	users   int // guarded by stock.mu
}

// version is the connector's spec made ready for a guest. release gives it back,
// after the guest that was made from it.
func (r *runner) version(ctx context.Context, c *spec.Connector) (actor.Version, func(context.Context), error) {
	r.stock.mu.Lock()
	defer r.stock.mu.Unlock()
	e := r.stock.newest
	if e == nil || e.version.Connector.Revision != c.Revision {
		v, release, err := r.Tenant.version(ctx, c)
		if err != nil {
			return v, nil, err
		}
		v.Limits = laneLimits(v, c)
		e = &edition{version: v, release: release}
		r.stock.newest, r.stock.used = e, append(r.stock.used, e)
	}
	e.users++
	v := e.version
	v.Hold = func() func(context.Context) {
		r.stock.mu.Lock()
		defer r.stock.mu.Unlock()
		e.users++
		return r.stock.back(e)
	}
	return v, r.stock.back(e), nil
}

// back gives one use of an edition back, once.
func (s *stock) back(e *edition) func(context.Context) {
	var once sync.Once
	return func(ctx context.Context) { once.Do(func() { s.giveBack(ctx, e) }) }
}

// reconvert gives the guests of all lanes the converters that are wanted now: see
// life.convertAs, which does so where there is one lane.
func (r *runner) reconvert(ctx context.Context, c *spec.Connector, own *ownPlans) {
	r.stock.mu.Lock()
	used := slices.Clone(r.stock.used)
	held := make([]func(context.Context), len(used))
	for i, e := range used {
		e.users++
		held[i] = r.stock.back(e)
	}
	r.stock.mu.Unlock()
	for i, e := range used {
		if err := r.Tenant.reconvert(ctx, c, own, e.version.Converters); err != nil {
			r.host.Line(abi.LogError, actor.FromHost, "converter", "the converters go on as they were: "+err.Error())
		}
		held[i](ctx)
	}
}

// The memory that one of many lanes may have, unless the connector's limits name
// another: so many times what its module begins with, within bounds. A tenant's
// memory is reserved by the limit, and a thousand lanes with the limit of one
// would have none.
const (
	laneMemoryTimes = 8
	leastLaneMemory = 2 << 20
)

// laneLimits are the limits of each lane of a connector.
func laneLimits(v actor.Version, c *spec.Connector) spec.Limits {
	l := v.Limits
	if lanes := v.Manifest.Lanes; lanes == "" || lanes == laneConnector || c.Limits.MemoryBytes > 0 {
		return l
	}
	const page = 64 << 10
	l.MemoryBytes = min(l.MemoryBytes, max(leastLaneMemory, laneMemoryTimes*page*uint64(v.Module.Info().MemoryMin)))
	return l
}

func (s *stock) giveBack(ctx context.Context, e *edition) {
	s.mu.Lock()
	e.users--
	last := e.users == 0
	if last {
		s.used = slices.DeleteFunc(s.used, func(o *edition) bool { return o == e })
		if s.newest == e {
			s.newest = nil
		}
	}
	s.mu.Unlock()
	if last {
		e.release(ctx)
	}
}

// epochs are numbers that were taken ahead for lanes that start together.
type epochs struct {
	mu         sync.Mutex
	next, last uint64
}

// epoch is one that no record of the connector has in its key.
func (r *runner) epoch(ctx context.Context) (uint64, error) {
	r.epochs.mu.Lock()
	defer r.epochs.mu.Unlock()
	e := &r.epochs
	if e.next == 0 || e.next > e.last {
		r.mu.Lock()
		most := max(1, len(r.lanes))
		r.mu.Unlock()
		first, err := r.takeEpochs(ctx, r.id, uint64(most))
		if err != nil {
			return 0, err
		}
		e.next, e.last = first, first+uint64(most)-1
	}
	e.next++
	return e.next - 1, nil
}

// takeEpochs takes n epochs that no record of the connector has in its key. They
// are in the store before the first block of them is in the log, so that a log
// whose end was damaged cannot make a key come twice.
func (t *Tenant) takeEpochs(ctx context.Context, connector string, n uint64) (first uint64, err error) {
	var seen uint64
	for _, state := range t.log.Lanes(connector) {
		seen = max(seen, state.Epoch)
	}
	err = t.space.Update(ctx, func(w store.Writer) error {
		last, err := number(w, store.Epochs, connector)
		if err != nil {
			return err
		}
		first = max(last, seen) + 1
		return setNumber(w, store.Epochs, connector, first+n-1)
	})
	return first, err
}

// nextEpoch takes one epoch.
func (t *Tenant) nextEpoch(ctx context.Context, connector string) (uint64, error) {
	return t.takeEpochs(ctx, connector, 1)
}
