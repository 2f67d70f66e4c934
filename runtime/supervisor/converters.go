package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"iter"
	"slices"
	"sync"

	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// plan is which converters a connector's devices are to have, as it is stored,
// with the configs opened.
type plan struct {
	common *chainPlan // nil: none
	own    *ownPlans
}

// ownPlans are what devices have of their own. They do not change.
type ownPlans struct {
	devices map[string]*chainPlan
	updates map[string][]spec.AttributeUpdate
	key     func() string // names all of it; made once, as it may be long
}

// hasPlan reports whether a device has anything of its own.
func hasPlan(d *spec.Device) bool { return d.Converter != nil || len(d.AttributeUpdates) > 0 }

func newOwnPlans(devices iter.Seq[spec.Device]) *ownPlans {
	p := &ownPlans{devices: map[string]*chainPlan{}, updates: map[string][]spec.AttributeUpdate{}}
	for d := range devices {
		if d.Converter != nil {
			p.devices[d.ID] = chainOf(d.Converter)
		}
		if len(d.AttributeUpdates) > 0 {
			p.updates[d.ID] = d.AttributeUpdates
		}
	}
	p.key = sync.OnceValue(func() string {
		all := struct {
			Devices map[string]string
			Updates map[string][]spec.AttributeUpdate
		}{map[string]string{}, p.updates}
		for id, c := range p.devices {
			all.Devices[id] = c.key()
		}
		raw, err := json.Marshal(all)
		if err != nil {
			return "?"
		}
		return string(raw)
	})
	return p
}

// chainPlan is the stages of one chain.
type chainPlan []spec.Stage

// key names a chain: equal ones are equal. It is a digest, as the configs have
// their secrets opened, and the key lives for as long as the version.
func (c *chainPlan) key() string {
	if c == nil {
		return ""
	}
	raw, err := json.Marshal(*c)
	if err != nil {
		return "?" // a config that is no JSON is refused when it is loaded
	}
	return digestOf(raw)
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// key names all that a plan says.
func (p *plan) key() string { return p.common.key() + "\x00" + p.own.key() }

// plan reads which converters are wanted: a device's own goes before its
// connector's, and that before the default of the connector's type.
func (t *Tenant) plan(ctx context.Context, c *spec.Connector) (plan, error) {
	var all []spec.Device
	err := t.space.View(ctx, func(r store.Reader) error {
		all = nil
		for d, err := range t.devices.All(r, c.ID) {
			if err != nil {
				return err
			}
			if hasPlan(&d) {
				all = append(all, d)
			}
		}
		return nil
	})
	if err != nil {
		return plan{}, err
	}
	return t.planWith(ctx, c, newOwnPlans(slices.Values(all)))
}

// planWith is plan with what the devices have of their own.
func (t *Tenant) planWith(ctx context.Context, c *spec.Connector, own *ownPlans) (p plan, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		p = plan{own: own}
		p.common, err = t.commonChain(r, c)
		return err
	})
	return p, err
}

// commonChain is that of the devices without a converter of their own.
func (t *Tenant) commonChain(r store.Reader, c *spec.Connector) (*chainPlan, error) {
	if c.Converter == nil {
		conv, err := TypeConverter(r, c.Category, c.ProviderType)
		if err != nil || conv == nil {
			return nil, err
		}
		return chainOf(conv), nil
	}
	chain := chainOf(c.Converter)
	for i := range *chain {
		stage, err := &(*chain)[i], error(nil)
		if i == 0 {
			stage.Config, err = t.book.ConverterConfig(r, c, true)
		} else {
			stage.Config, err = t.book.StageConfig(r, c, i-1, true)
		}
		if err != nil {
			return nil, err
		}
	}
	return chain, nil
}

func chainOf(c *spec.Converter) *chainPlan {
	chain := chainPlan(append([]spec.Stage{{Module: c.Module, Config: c.Config, Limits: c.Limits}}, c.Then...))
	return &chain
}

// TypeConverterID is where the default converter of a type is kept.
func TypeConverterID(category, providerType string) string { return category + "\x00" + providerType }

// TypeConverter is the converter of the connectors of a type that have none of
// their own; nil: there is none.
func TypeConverter(r store.Reader, category, providerType string) (*spec.Converter, error) {
	if category == "" || providerType == "" {
		return nil, nil //nolint:nilnil // there is none, and that is no fault
	}
	e, err := r.Get(store.Converters, TypeConverterID(category, providerType))
	if fault.Is(err, fault.NotFound) {
		return nil, nil //nolint:nilnil // as above
	}
	if err != nil {
		return nil, err
	}
	var c spec.Converter
	if err := json.Unmarshal(e.Value, &c); err != nil {
		return nil, fault.Wrap(fault.Integrity, err, "the converter of %s/%s", category, providerType)
	}
	return &c, nil
}

// conversions loads what a plan names. What the connector's devices have in
// common must load; a device's own that does not load refuses that device's
// records with the reason, and leaves the others alone.
func (t *Tenant) conversions(ctx context.Context, p plan) (actor.Conversions, func(context.Context), error) {
	b := chains{tenant: t, pool: t.converters, made: map[string]*actor.Chain{}}
	all := actor.Conversions{Key: p.key(), Devices: map[string]*actor.Chain{}, Updates: p.own.updates}
	var err error
	if all.Default, err = b.chain(ctx, p.common); err != nil {
		b.release(context.WithoutCancel(ctx))
		return all, nil, err
	}
	for id, c := range p.own.devices {
		own, err := b.chain(ctx, c)
		if ctx.Err() != nil {
			b.release(context.WithoutCancel(ctx))
			return all, nil, ctx.Err()
		}
		if err != nil {
			t.notes.Warn("a device's converter cannot be loaded", "device", id, "error", err)
			own = b.keep(c, actor.NewChain(refusing{err}))
		}
		all.Devices[id] = own
	}
	return all, b.release, nil
}

// chains makes chains, equal ones once.
type chains struct {
	tenant *Tenant
	pool   *actor.Converters
	made   map[string]*actor.Chain
	free   []func(context.Context)
}

func (b *chains) keep(c *chainPlan, chain *actor.Chain) *actor.Chain {
	b.made[c.key()] = chain
	return chain
}

func (b *chains) chain(ctx context.Context, c *chainPlan) (*actor.Chain, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // no chain: as they are
	}
	if made, ok := b.made[c.key()]; ok {
		return made, nil
	}
	stages := make([]flow.Converter, 0, len(*c))
	for _, stage := range *c {
		conv, err := b.stage(ctx, stage)
		if err != nil {
			return nil, err
		}
		stages = append(stages, conv)
	}
	return b.keep(c, actor.NewChain(stages...)), nil
}

func (b *chains) stage(ctx context.Context, s spec.Stage) (flow.Converter, error) {
	m, record, err := b.tenant.modules.load(ctx, s.Module)
	if err != nil {
		return nil, err
	}
	conv, free, err := b.pool.Converter(ctx, m, record.Manifest, s.Config, s.Limits.Under(b.tenant.Ceiling()))
	if err != nil {
		return nil, err
	}
	b.free = append(b.free, free)
	return conv, nil
}

func (b *chains) release(ctx context.Context) {
	for _, free := range slices.Backward(b.free) {
		free(ctx)
	}
}

// refusing is in the place of a converter that cannot be loaded.
type refusing struct{ cause error }

// Convert implements flow.Converter.
func (r refusing) Convert(context.Context, []byte) ([]byte, error) { return nil, r.err() }

// Encode implements flow.Encoder.
func (r refusing) Encode(context.Context, []byte) ([]byte, error) { return nil, r.err() }

func (r refusing) err() error {
	return fault.Wrap(fault.Guest, r.cause, "the device's converter cannot be loaded")
}
