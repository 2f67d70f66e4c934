package supervisor

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Ceiling is the most that the tenant may have: its own, with the server's
// default where it has no word of its own. See ApplyCeiling.
func (t *Tenant) Ceiling() spec.Ceiling { return *t.ceiling.Load() }

// Limits are the tenant's ceiling and what it uses now.
func (t *Tenant) Limits() lifecycle.TenantLimits {
	u, ceiling := t.super.cfg.Engine.Usage(t.name), t.Ceiling()
	all := lifecycle.TenantLimits{
		Tenant: t.name, Instances: u.Instances,
		FuelUnits: u.Fuel, CPUSeconds: u.CPU.Seconds(), ThrottledSeconds: u.Throttled.Seconds(),
	}
	for _, d := range spec.LimitTable() {
		all.Connector = append(all.Connector, lifecycle.LimitRange{
			Name: d.Name, Unit: d.Unit, Default: min(d.Default, ceiling.Most(d)), Min: d.Min, Most: ceiling.Most(d),
		})
		switch d.Name {
		case spec.LimitMemory:
			all.Limits = append(all.Limits, lifecycle.Limit{
				Name: d.Name, Unit: d.Unit, Limit: float64(ceiling.MemoryBytes), Used: float64(u.MemoryBytes),
			})
		case spec.LimitCPU:
			all.Limits = append(all.Limits, lifecycle.Limit{Name: d.Name, Unit: d.Unit, Limit: ceiling.CPU, Used: t.cores.now(u.CPU)})
		}
	}
	return all
}

// cores knows how much of the processor is in use, from one look to the next.
type cores struct {
	mu     sync.Mutex
	looked time.Time
	burnt  time.Duration
	used   float64
}

// now is the use since the last look that is a second old.
func (c *cores) now(cpu time.Duration) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if past := time.Since(c.looked); past >= time.Second {
		if !c.looked.IsZero() {
			c.used = (cpu - c.burnt).Seconds() / past.Seconds()
		}
		c.looked, c.burnt = time.Now(), cpu
	}
	return c.used
}

func (s *Supervisor) ceilingOf(id string) (c spec.Ceiling, err error) {
	var tenant spec.Tenant
	err = s.cfg.Store.System().View(s.kill, func(r store.Reader) error {
		tenant, err = readTenant(r, id)
		return err
	})
	return tenant.Ceiling.Or(s.cfg.Ceiling), err
}

// readTenant is a tenant's record, or fault.NotFound when there is none or it
// is being deleted.
func readTenant(r store.Reader, id string) (t spec.Tenant, err error) {
	e, err := r.Get(store.Tenants, id)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) { // too long to be one
		return t, noTenant(id)
	}
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(e.Value, &t); err != nil {
		return t, fault.Wrap(fault.Integrity, err, "tenant %s", id)
	}
	if !t.Deleting.IsZero() {
		return t, noTenant(id)
	}
	return t, nil
}

func noTenant(id string) error { return fault.New(fault.NotFound, "there is no tenant %.80q", id) }

// SetCeiling changes what a tenant may have, in the store: of a server that is
// stopped, or before ApplyCeiling.
func SetCeiling(ctx context.Context, st store.Store, id string, change func(*spec.Ceiling)) (c spec.Ceiling, err error) {
	err = st.System().Update(ctx, func(w store.Writer) error {
		t, err := readTenant(w, id)
		if err != nil {
			return err
		}
		change(&t.Ceiling)
		c = t.Ceiling
		raw, err := json.Marshal(t)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "tenant")
		}
		_, err = w.Put(store.Tenants, id, raw)
		return err
	})
	return c, err
}
