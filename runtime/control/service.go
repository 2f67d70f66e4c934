package control

import (
	"context"
	"log/slog"
	"time"

	"github.com/snaprail/snaprail/runtime/adapter"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/device/twin"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// Config is what a Service is made of.
type Config struct {
	Store      store.Store
	Catalog    *catalog.Catalog
	Supervisor *supervisor.Supervisor
	Engine     *engine.Engine
	Groups     capability.Registry
	Audit      *identity.Audit // nil: what is refused is kept nowhere
	Secrets    *secret.Keys    // nil: whatever needs a secret is refused
	// Adapters are the providers that are always there; nil: none.
	Adapters *adapter.Adapters
	// Egress is the way to authorization servers; nil: tokens are neither got nor
	// refreshed by the host itself.
	Egress *egress.Egress
	Users  *identity.Users // nil: those of the store, with the usual cost of a password
	// Operator is the tenant whose administrators run the server: they see its
	// own audit trail and change the other tenants; "": none.
	Operator string
	Log      *slog.Logger // of what goes wrong behind an answer; nil: none
}

// Service is the control plane of one process.
type Service struct {
	cfg     Config
	coming  *coming
	tickets *tickets
	sites   *sites
}

// New makes a control plane.
func New(cfg Config) *Service {
	if cfg.Users == nil {
		cfg.Users = identity.NewUsers(cfg.Store.System(), cfg.Audit, identity.Cost{})
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, coming: newComing(), tickets: newTickets(), sites: newSites()}
}

// Tenant is one tenant's control plane.
type Tenant struct {
	cfg     Config
	id      string
	as      identity.Identity
	who     identity.Who // as, for events
	space   store.Space
	shelf   *catalog.Shelf
	runtime *supervisor.Tenant
	coming  *coming
	tickets *tickets
	sites   *sites
}

// Close ends what goes on behind the calls: tickets and their callbacks. It
// waits for them, or for ctx, and may be called once.
func (s *Service) Close(ctx context.Context) error { return s.tickets.close(ctx) }

// Tenant narrows the service to one tenant.
func (s *Service) Tenant(id string) (*Tenant, error) {
	space, err := s.cfg.Store.Tenant(id)
	if err != nil {
		return nil, err
	}
	shelf, err := s.cfg.Catalog.Tenant(id)
	if err != nil {
		return nil, err
	}
	rt, err := s.cfg.Supervisor.Tenant(id)
	if err != nil {
		return nil, err
	}
	return &Tenant{cfg: s.cfg, id: id, space: rt.Vault().Space(space), shelf: shelf, runtime: rt, coming: s.coming, tickets: s.tickets, sites: s.sites}, nil
}

// By is the same control plane in the hands of somebody: their role and scopes
// say what they may do with it, and it is they who grant, consent and are named
// in the audit trail. Without By, nobody may do anything.
func (t *Tenant) By(who identity.Identity) *Tenant {
	held := *t
	held.as, held.who = who, who.Who()
	return &held
}

// Ready reports why the service cannot take work now, or nil. Anybody may ask,
// so it names no tenant.
func (s *Service) Ready(ctx context.Context) error {
	if err := s.cfg.Store.System().View(ctx, func(r store.Reader) error {
		_, err := r.List(store.Tenants, "", "", 1)
		return err
	}); err != nil {
		return err
	}
	for _, t := range s.cfg.Supervisor.Tenants() {
		if t.Outbox().Stats().Failed {
			return fault.New(fault.LogFailed, "the outbox of a tenant has failed")
		}
	}
	return nil
}

// Stats are figures of the whole process, for the metrics endpoint.
type Stats struct {
	Connectors []ConnectorStats
	Engine     engine.Stats
	Outbox     map[string]outbox.Stats // by tenant
	Tenants    []TenantStats
}

// TenantStats are figures of all guests of one tenant.
type TenantStats struct {
	Tenant             string
	MemoryBytes        uint64 // reserved
	CPU, Throttled     time.Duration
	Instances          int
	Converters         int    // that are in use
	Recycled, Replaced uint64 // instances of converters: that had grown, and that had died
	Twins              twin.Stats
}

// ConnectorStats is one connector's status with its tenant.
type ConnectorStats struct {
	Tenant    string
	Connector string
	Status    lifecycle.Status
}

// Stats are the figures now. Connectors that do not run are not among them.
func (s *Service) Stats() Stats {
	all := Stats{Engine: s.cfg.Engine.Stats(), Outbox: map[string]outbox.Stats{}}
	for id, t := range s.cfg.Supervisor.Tenants() {
		all.Outbox[id] = t.Outbox().Stats()
		u, c := s.cfg.Engine.Usage(id), t.Converters()
		all.Tenants = append(all.Tenants, TenantStats{
			Tenant: id, MemoryBytes: u.MemoryBytes, CPU: u.CPU, Throttled: u.Throttled, Instances: u.Instances,
			Converters: c.Pools, Recycled: c.Recycled, Replaced: c.Replaced, Twins: t.Twins().Stats(),
		})
		for connector, status := range t.Running() {
			all.Connectors = append(all.Connectors, ConnectorStats{id, connector, status})
		}
	}
	return all
}
