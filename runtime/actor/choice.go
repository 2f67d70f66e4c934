package actor

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Chain is the converters that a device's records go through, in that order;
// its messages go through them in the other. A nil Chain leaves both as they
// are.
type Chain struct {
	stages []flow.Converter
}

// NewChain makes a chain of one converter or more.
func NewChain(stages ...flow.Converter) *Chain { return &Chain{stages: stages} }

// Conversions say which converters are for which device of a connector.
type Conversions struct {
	// Key is whoever made them's name for them: see Choice.Key.
	Key     string
	Default *Chain // of the devices that have none of their own
	// Devices are the chains of those that have: by device id. Equal ones are
	// one pointer, so that their records are converted together.
	Devices map[string]*Chain
	// Updates are the devices' own mappings of attributes, which go before
	// any encoder: by device id.
	Updates map[string][]spec.AttributeUpdate
}

// converts reports whether there are converters for anything.
func (c *Conversions) converts() bool { return c.Default != nil || len(c.Devices) > 0 }

func (c *Conversions) of(device string) *Chain {
	if chain, ok := c.Devices[device]; ok {
		return chain
	}
	return c.Default
}

// Choice holds the conversions of a connector while its guest runs. They may
// be replaced at any time: a step that has begun ends with those that it began
// with. A nil Choice has none. It is safe for concurrent use.
type Choice struct {
	captured *Captured
	// plain says that no records are converted now, which most connectors'
	// steps learn without the lock that all of its lanes share.
	plain atomic.Bool

	mu  sync.Mutex
	now *chosen
}

// chosen is conversions that are in use.
type chosen struct {
	Conversions
	holds   int // of steps, and of the choice; guarded by Choice.mu
	release func(context.Context)
}

// NewChoice makes a choice. release, if any, gives the converters back when
// nobody uses them any more. captured, if any, keeps some of what comes to them.
func NewChoice(c Conversions, release func(context.Context), captured *Captured) *Choice {
	made := &Choice{captured: captured, now: &chosen{Conversions: c, holds: 1, release: release}}
	made.plain.Store(!c.converts())
	return made
}

// Replace puts others in the place of the conversions that are held.
func (c *Choice) Replace(ctx context.Context, now Conversions, release func(context.Context)) {
	c.put(ctx, &chosen{Conversions: now, holds: 1, release: release})
}

// Close gives the converters back. Records travel as they are from then on.
func (c *Choice) Close(ctx context.Context) { c.put(ctx, &chosen{holds: 1}) }

func (c *Choice) put(ctx context.Context, now *chosen) {
	c.mu.Lock()
	before := c.now
	c.now = now
	c.plain.Store(!now.converts())
	c.mu.Unlock()
	c.drop(ctx, before)
}

// Key names the conversions that are held.
func (c *Choice) Key() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now.Key
}

// none reports whether records travel as they are.
func (c *Choice) none() bool { return c == nil || c.plain.Load() }

// hold is the conversions for one step, which drops them at its end.
func (c *Choice) hold() *chosen {
	if c == nil {
		return &chosen{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.holds++
	return c.now
}

func (c *Choice) drop(ctx context.Context, held *chosen) {
	if c == nil {
		return
	}
	c.mu.Lock()
	held.holds--
	last := held.holds == 0
	c.mu.Unlock()
	if last && held.release != nil {
		held.release(context.WithoutCancel(ctx))
	}
}

// capture keeps some of a batch that goes through converters.
func (c *Choice) capture(held *chosen, batch []byte, now time.Time) {
	if c != nil && held.converts() {
		c.captured.add(batch, now)
	}
}

// shown is where the instances live whose limits a status shows: those of the
// first converter of the devices that have none of their own; nil: none.
func (c *Choice) shown() *surroundings {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now.Default == nil {
		return nil
	}
	return converterOf(c.now.Default.stages[0])
}

// part is records of one batch that go through one chain.
type part struct {
	chain   *Chain
	batch   []byte
	records int
}

// parts cuts a batch by the chains of its records' devices. The order of a
// device's own records stays. As long as no device has a chain of its own the
// batch is not looked into.
func (c *Conversions) parts(batch []byte, records int) ([]part, error) {
	if len(c.Devices) == 0 {
		return []part{{c.Default, batch, records}}, nil
	}
	var in abi.Batch
	if err := in.Decode(batch); err != nil {
		return nil, err
	}
	var chains []*Chain
	of := map[*Chain][]abi.Record{}
	for i := range in.Records {
		chain := c.of(in.Records[i].Device)
		if _, ok := of[chain]; !ok {
			chains = append(chains, chain)
		}
		of[chain] = append(of[chain], in.Records[i])
	}
	if len(chains) == 1 {
		return []part{{chains[0], batch, records}}, nil
	}
	parts := make([]part, 0, len(chains))
	for _, chain := range chains {
		some := of[chain]
		parts = append(parts, part{chain, (&abi.Batch{Records: some}).Append(nil), len(some)})
	}
	return parts, nil
}
