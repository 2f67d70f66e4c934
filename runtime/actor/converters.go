package actor

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/spec"
)

// maxIdleConverters bounds the instances that a converter keeps between calls.
const maxIdleConverters = 2

// The high-water mark of a converter's instance: one that has grown so far
// since it was opened is replaced between two calls, because a converter keeps
// nothing that it needs, and linear memory never shrinks.
const (
	tiredShare = 0.75    // of its limit, if it has grown by a quarter; or
	tiredTimes = 4       // what it had once it was open, and more than
	tiredBytes = 8 << 20 // so much
)

// ConvertersConfig is what the converters of one tenant share.
type ConvertersConfig struct {
	Engine *engine.Engine
	// Tenant names the account that each converter's is a part of; "": nothing
	// is charged.
	Tenant string
	// Name stands in the names of the accounts; "": converter.
	Name   string
	Groups capability.Registry // only contained groups are linked
	Log    *slog.Logger
	// Mask takes the tenant's secrets out of a text; nil: there are none.
	Mask func(string) string
	// Line takes the converters' log lines.
	Line func(level abi.LogLevel, source, target, text string)
}

// Converters are the converter guests of one tenant, pooled by module, config
// and limits and shared between its connectors, never between tenants. It is
// safe for use by several goroutines.
type Converters struct {
	cfg ConvertersConfig

	made, recycled, replaced atomic.Uint64

	mu    sync.Mutex
	pools map[[sha256.Size]byte]*pool
}

// ConvertersStats are figures of all converters of a tenant.
type ConvertersStats struct {
	Pools    int
	Recycled uint64 // instances that were replaced because they had grown
	Replaced uint64 // that were replaced because they had died
}

// NewConverters makes an empty set.
func NewConverters(cfg ConvertersConfig) *Converters {
	return &Converters{cfg: cfg, pools: map[[sha256.Size]byte]*pool{}}
}

// Stats are the figures now.
func (c *Converters) Stats() ConvertersStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ConvertersStats{Pools: len(c.pools), Recycled: c.recycled.Load(), Replaced: c.replaced.Load()}
}

// Converter opens the converter with this module, config and limits, or finds
// it open. The caller's hold on the module passes to the result. Release it
// when no connector of the caller's uses it any more.
func (c *Converters) Converter(ctx context.Context, m *engine.Module, manifest abi.Manifest, config json.RawMessage, limits spec.Limits) (flow.Converter, func(context.Context), error) {
	if len(config) == 0 {
		config = json.RawMessage("{}")
	}
	limits = limits.Under(spec.Ceiling{})
	key, err := poolKey(m.Digest(), config, limits)
	if err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	p, live := c.pools[key]
	if !live {
		p = c.newPool(m, manifest, config, limits)
		c.pools[key] = p
	}
	p.users++
	c.mu.Unlock()
	release := func(ctx context.Context) { c.release(ctx, key, p) }
	if live {
		if err := m.Close(ctx); err != nil { // the pool has a hold of its own
			c.cfg.Log.Warn("module not closed", "error", err)
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

// poolKey names what makes two converters the same.
func poolKey(digest string, config json.RawMessage, limits spec.Limits) ([sha256.Size]byte, error) {
	raw, err := json.Marshal(limits)
	if err != nil {
		return [sha256.Size]byte{}, fault.Wrap(fault.Internal, err, "limits")
	}
	return sha256.Sum256(slices.Concat([]byte(digest), []byte{0}, raw, []byte{0}, config)), nil
}

func (c *Converters) newPool(m *engine.Module, manifest abi.Manifest, config json.RawMessage, limits spec.Limits) *pool {
	p := &pool{owner: c, module: m, manifest: manifest, config: config, limits: limits}
	p.env = &surroundings{
		engine: c.cfg.Engine, groups: c.cfg.Groups, tenant: c.cfg.Tenant, owner: "converter", log: c.cfg.Log, mask: c.cfg.Mask,
		quota: newQuota(), refusals: &refusals{tell: p.refused}, line: p.line,
		lookup: func(context.Context, string) ([]byte, bool, error) {
			return nil, false, fault.New(fault.Unsupported, "a converter has no state of its own")
		},
	}
	if c.cfg.Tenant != "" {
		p.env.account = fmt.Sprintf("%s/%s/%d", c.cfg.Tenant, cmp.Or(c.cfg.Name, "converter"), c.made.Add(1))
	}
	p.env.hold(limits)
	return p
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

// pool is one converter: a module with a config, limits and some open
// instances.
type pool struct {
	owner    *Converters
	env      *surroundings
	module   *engine.Module
	manifest abi.Manifest
	config   json.RawMessage
	limits   spec.Limits
	users    int // guarded by Converters.mu

	mu     sync.Mutex
	idle   []*guest
	closed bool
}

// line takes a line that an instance or the host has to say.
func (p *pool) line(level abi.LogLevel, source, target, text string) {
	if lost := p.env.quota.lostLines(); lost > 0 {
		p.owner.cfg.Line(abi.LogWarning, FromHost, "log", strconv.FormatUint(lost, 10)+" lines of the converter were dropped: it writes too many")
	}
	p.owner.cfg.Line(level, source, target, text)
}

// refused notes what was refused to an instance. A converter has no grants, so
// this is what its manifest calls optional.
func (p *pool) refused(r Refusal) {
	p.env.log.Warn("host calls of a converter refused", "group", r.Group, "function", r.Function, "code", r.Code, "count", r.Count)
}

// Convert implements flow.Converter. An instance that trapped is replaced, and
// so is one that has grown.
func (p *pool) Convert(ctx context.Context, batch []byte) ([]byte, error) {
	return p.use(ctx, func(g *guest) ([]byte, error) { return p.convert(ctx, g, batch) })
}

// Encode implements flow.Encoder.
func (p *pool) Encode(ctx context.Context, messages []byte) ([]byte, error) {
	if p.manifest.Extism != nil {
		return nil, fault.New(fault.Unsupported, "a converter of an Extism PDK has no encode")
	}
	return p.use(ctx, func(g *guest) ([]byte, error) {
		out, err := g.call(ctx, abi.EntryEncode, messages)
		return slices.Clone(out), err
	})
}

// use calls an instance.
func (p *pool) use(ctx context.Context, call func(*guest) ([]byte, error)) ([]byte, error) {
	g, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	out, err := call(g)
	g.stage.take()
	p.put(ctx, g)
	return out, err
}

// convert is the call itself; the outcome belongs to the caller.
func (p *pool) convert(ctx context.Context, g *guest, batch []byte) ([]byte, error) {
	if x := p.manifest.Extism; x != nil {
		return g.plain.convert(ctx, g, x, batch)
	}
	out, err := g.call(ctx, abi.EntryConvert, batch)
	return slices.Clone(out), err
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
	g, err := p.env.newGuest(ctx, p.module, &p.manifest, p.config, nil, p.limits)
	if err != nil {
		return nil, err
	}
	if p.manifest.Extism != nil { // it knows nothing of open
		g.opened = g.inst.Memory()
		return g, nil
	}
	_, err = g.open(ctx, abi.OpenInput{
		Config: p.config, Reason: abi.ReasonStart, ABIMinor: abi.Minor, Groups: g.groupNames(),
	})
	if err != nil && !fault.Is(err, fault.Unsupported) {
		g.drop(ctx)
		return nil, err
	}
	g.opened = g.inst.Memory()
	return g, nil
}

// put gives an instance back; one that is dead, surplus or has grown too much
// is dropped.
func (p *pool) put(ctx context.Context, g *guest) {
	memory := g.inst.Memory()
	g.measure()
	dead, grown := g.inst.State() != engine.Idle, tired(g.opened, memory, p.limits.MemoryBytes)
	switch {
	case dead:
		p.owner.replaced.Add(1)
	case grown:
		p.owner.recycled.Add(1)
	}
	p.mu.Lock()
	keep := !p.closed && len(p.idle) < maxIdleConverters && !dead && !grown
	if keep {
		p.idle = append(p.idle, g)
	}
	p.mu.Unlock()
	if !keep {
		g.drop(ctx)
	}
}

// tired reports whether an instance has grown beyond its high-water mark.
func tired(opened, now, limit uint64) bool {
	if now > tiredBytes && now > tiredTimes*opened {
		return true
	}
	return float64(now) > tiredShare*float64(limit) && now > opened+opened/4
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
	p.env.settle()
}
