package supervisor

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/probe"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Sets are the sets that the tenant's connectors are of, by name, with their
// members in the order of their names.
func (t *Tenant) Sets(ctx context.Context) ([]lifecycle.SetStatus, error) {
	specs, err := t.specs(ctx)
	if err != nil {
		return nil, err
	}
	members := map[string][]lifecycle.SetMember{}
	for id := range specs {
		c := specs[id]
		if c.Set == "" {
			continue
		}
		is := t.Status(&c)
		members[c.Set] = append(members[c.Set], lifecycle.SetMember{
			ID: id, Name: c.Name, Enabled: c.Enabled, State: is.State, Health: is.Health,
		})
	}
	all := make([]lifecycle.SetStatus, 0, len(members))
	for name, of := range members {
		slices.SortFunc(of, func(a, b lifecycle.SetMember) int { return strings.Compare(a.Name, b.Name) })
		all = append(all, lifecycle.NewSetStatus(name, of))
	}
	slices.SortFunc(all, func(a, b lifecycle.SetStatus) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Probe is the port of a set; nil: it has none.
func (t *Tenant) Probe(set string) *probe.Status {
	return t.super.cfg.Probes.Status(probeKey(t.name, set))
}

// AssignProbe gives a set its port, until the server ends; 0: none. fault.Exists:
// the port is taken.
func (t *Tenant) AssignProbe(ctx context.Context, set string, port int) error {
	if err := t.super.cfg.Probes.Assign(ctx, probeKey(t.name, set), port); err != nil {
		return err
	}
	t.stir()
	return nil
}

// FixProbe is AssignProbe for a port that the operator has named: it stands for
// as long as the server runs, whatever is kept or assigned.
func (t *Tenant) FixProbe(ctx context.Context, set string, port int) error {
	if err := t.super.cfg.Probes.Fix(ctx, probeKey(t.name, set), port); err != nil {
		return err
	}
	t.stir()
	return nil
}

func probeKey(tenant, set string) string { return tenant + "/" + set }

// openProbes gives sets the ports that are kept. One that is taken stops the
// start: whoever asks there would be answered by somebody else.
func (s *Supervisor) openProbes(ctx context.Context, tenants []string) error {
	if s.cfg.Probes == nil {
		return nil
	}
	for _, id := range tenants {
		t, err := s.Tenant(id)
		if err != nil {
			continue // it is told when the tenant is started
		}
		if err := t.openProbes(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tenant) openProbes(ctx context.Context) error {
	var sets []spec.Set
	err := t.space.View(ctx, func(r store.Reader) error {
		sets = nil
		for e, err := range store.All(r, store.Sets, "") {
			if err != nil {
				return err
			}
			var s spec.Set
			if err := json.Unmarshal(e.Value, &s); err != nil {
				return fault.Wrap(fault.Integrity, err, "set %s", e.ID)
			}
			sets = append(sets, s)
		}
		return nil
	})
	for _, s := range sets {
		if is := t.Probe(s.Name); is != nil && is.Fixed {
			continue
		}
		if err == nil && s.ProbePort > 0 {
			err = t.AssignProbe(ctx, s.Name, s.ProbePort)
		}
	}
	return err
}
