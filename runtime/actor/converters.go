package actor

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/spec"
)

// maxIdleConverters bounds the instances that a converter keeps between calls.
const maxIdleConverters = 2

// ConvertersConfig is what the converters of one tenant share.
type ConvertersConfig struct {
	Engine *engine.Engine
	Groups capability.Registry // only contained groups are linked
	Log    *slog.Logger
	// Line takes the converters' log lines.
	Line func(level abi.LogLevel, source, target, text string)
}

// Converters are the converter guests of one tenant, pooled by module and
// config and shared between its connectors, never between tenants. It is safe
// for use by several goroutines.
type Converters struct {
	env *surroundings

	mu    sync.Mutex
	pools map[[sha256.Size]byte]*pool
}

// NewConverters makes an empty set.
func NewConverters(cfg ConvertersConfig) *Converters {
	return &Converters{
		pools: map[[sha256.Size]byte]*pool{},
		env: &surroundings{
			engine: cfg.Engine, groups: cfg.Groups, owner: "converter", line: cfg.Line, log: cfg.Log,
			lookup: func(context.Context, string) ([]byte, bool, error) {
				return nil, false, fault.New(fault.Unsupported, "a converter has no state of its own")
			},
		},
	}
}

// Converter opens the converter with this module and config, or finds it open.
// The caller's hold on the module passes to the result. Release it when no
// connector of the caller's uses it any more.
func (c *Converters) Converter(ctx context.Context, m *engine.Module, manifest abi.Manifest, config json.RawMessage) (flow.Converter, func(context.Context), error) {
	if len(config) == 0 {
		config = json.RawMessage("{}")
	}
	key := sha256.Sum256(slices.Concat([]byte(m.Digest()), config))
	c.mu.Lock()
	p, live := c.pools[key]
	if !live {
		p = &pool{env: c.env, module: m, manifest: manifest, config: config}
		c.pools[key] = p
	}
	p.users++
	c.mu.Unlock()
	release := func(ctx context.Context) { c.release(ctx, key, p) }
	if live {
		if err := m.Close(ctx); err != nil { // the pool has a hold of its own
			c.env.log.Warn("module not closed", "error", err)
		}
	}
	// One instance is opened at once, so that a wrong config is seen now.
	g, err := p.take(ctx)
	if err != nil {
		release(ctx)
		return nil, nil, err
	}
	p.put(ctx, g)
	return p, release, nil
}

func (c *Converters) release(ctx context.Context, key [sha256.Size]byte, p *pool) {
	c.mu.Lock()
	p.users--
	last := p.users == 0
	if last {
		delete(c.pools, key)
	}
	c.mu.Unlock()
	if last {
		p.close(ctx)
	}
}

// pool is one converter: a module with a config and some open instances.
type pool struct {
	env      *surroundings
	module   *engine.Module
	manifest abi.Manifest
	config   json.RawMessage
	users    int // guarded by Converters.mu

	mu     sync.Mutex
	idle   []*guest
	closed bool
}

// Convert implements flow.Converter. An instance that trapped is replaced.
func (p *pool) Convert(ctx context.Context, batch []byte) ([]byte, error) {
	g, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	out, err := g.call(ctx, DefaultCallTimeout, abi.EntryConvert, batch)
	if err == nil {
		out = slices.Clone(out)
	}
	g.stage.take()
	p.put(ctx, g)
	return out, err
}

// take is an idle instance, or a new one that has opened.
func (p *pool) take(ctx context.Context) (*guest, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		g := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return g, nil
	}
	p.mu.Unlock()
	g, err := p.env.newGuest(ctx, p.module, &p.manifest, nil, spec.Limits{})
	if err != nil {
		return nil, err
	}
	_, err = g.open(ctx, abi.OpenInput{
		Config: p.config, Reason: abi.ReasonStart, ABIMinor: abi.Minor, Groups: g.groupNames(),
	})
	if err != nil && !fault.Is(err, fault.Unsupported) {
		g.drop(ctx)
		return nil, err
	}
	return g, nil
}

// put gives an instance back; a dead or surplus one is dropped.
func (p *pool) put(ctx context.Context, g *guest) {
	p.mu.Lock()
	keep := !p.closed && len(p.idle) < maxIdleConverters && g.inst.State() == engine.Idle
	if keep {
		p.idle = append(p.idle, g)
	}
	p.mu.Unlock()
	if !keep {
		g.drop(ctx)
	}
}

func (p *pool) close(ctx context.Context) {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, g := range idle {
		g.close(ctx, abi.ReasonStop)
	}
	if err := p.module.Close(ctx); err != nil {
		p.env.log.Warn("module not closed", "error", err)
	}
}
