package control

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/deploy"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// DeviceDocument says of a device what is to be deployed for it. The JSON names
// are those of the API.
type DeviceDocument struct {
	// UUID names the device for good; "": that of the deployment that the device
	// has, else one is made.
	UUID string `json:"uuid,omitempty"`
	// Type is the provider type of the connector that deploys, alone or behind its
	// category: "opcua", "protocol/opcua".
	Type string `json:"type"`
	// Connector is the one of that type, by name or id; "": the only one there is,
	// or the default of its category.
	Connector  string            `json:"connector,omitempty"`
	ID         string            `json:"id"`
	Name       string            `json:"name,omitempty"` // "": the id
	DeviceType string            `json:"device_type,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Attributes json.RawMessage   `json:"attributes,omitempty"`
	Endpoint   string            `json:"endpoint,omitempty"`
	// Config stands over that of the connector, field by field; together they are
	// what its module's schema wants.
	Config json.RawMessage `json:"config,omitempty"`
}

// DeploymentView is a deployment with what is known of it now.
type DeploymentView struct {
	deploy.Deployment

	// Running says that it is being deployed or torn down at this moment.
	Running bool
	// Changed says that the call has changed something.
	Changed bool
	// Interrupted says that the server was stopped in the middle of a run.
	Interrupted bool
}

// OrphanView is a resource that may be there and should not, with its deployment.
type OrphanView struct {
	UUID, Device, Connector string
	deploy.Resource
}

// deployAtOnce bounds the deployments of a tenant that are under way at the same time.
const deployAtOnce = 4

// sites are the deployments that are under way. Use by several goroutines is safe.
type sites struct {
	mu sync.Mutex
	of map[*supervisor.Tenant]map[string]struct{}
}

func newSites() *sites { return &sites{of: map[*supervisor.Tenant]map[string]struct{}{}} }

// take takes a deployment, until done.
func (s *sites) take(t *supervisor.Tenant, uuid string) (done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	under := s.of[t]
	if _, taken := under[uuid]; taken {
		return nil, fault.New(fault.WrongState, "the device %.64q is being deployed or torn down", uuid).WithHint("Wait until that is done.")
	}
	if len(under) >= deployAtOnce {
		return nil, fault.New(fault.Exhausted, "%d devices of the tenant are being deployed or torn down", deployAtOnce).
			WithRetryAfter(time.Second).WithHint("Deploy one device after the other.")
	}
	if under == nil {
		under = map[string]struct{}{}
		s.of[t] = under
	}
	under[uuid] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(under, uuid); len(under) == 0 {
			delete(s.of, t)
		}
	}, nil
}

func (s *sites) running(t *supervisor.Tenant, uuid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, taken := s.of[t][uuid]
	return taken
}

// seen is a deployment as it is shown. One that no run goes on with has failed.
func (t *Tenant) seenDeployment(d deploy.Deployment) DeploymentView {
	v := DeploymentView{Deployment: d, Running: t.sites.running(t.runtime, d.UUID)}
	if v.Running || d.State != deploy.Deploying && d.State != deploy.TearingDown {
		return v
	}
	v.Interrupted = true
	v.Problem = deploy.ProblemOf(fault.New(fault.DeployFailed, "the server was stopped in the middle of it").
		WithHint("Try it again, or tear the device down: what was made is in the list."))
	if v.State == deploy.Deploying {
		v.State = deploy.Failed
	}
	return v
}

// Deployments is a page of the tenant's deployments, by uuid.
func (t *Tenant) Deployments(ctx context.Context, p Page) (list []DeploymentView, next string, err error) {
	if err := t.may(ctx, identity.Deployments, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	var found []deploy.Deployment
	err = t.space.View(ctx, func(r store.Reader) error {
		found, next, err = deploy.List(r, p.After, limit)
		return err
	})
	for _, d := range found {
		list = append(list, t.seenDeployment(d))
	}
	return list, next, err
}

// Deployment is the deployment of a device, by its uuid or its id.
func (t *Tenant) Deployment(ctx context.Context, uuidOrDevice string) (DeploymentView, error) {
	if err := t.may(ctx, identity.Deployments, identity.Read); err != nil {
		return DeploymentView{}, err
	}
	d, err := t.deployment(ctx, uuidOrDevice)
	return t.seenDeployment(d), err
}

func (t *Tenant) deployment(ctx context.Context, uuidOrDevice string) (d deploy.Deployment, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		d, err = deploy.Find(r, uuidOrDevice)
		return err
	})
	return d, err
}

// Orphans are the resources of all deployments that may be there and should not:
// what could not be taken away, with the reason, and what was cut off.
func (t *Tenant) Orphans(ctx context.Context) (list []OrphanView, err error) {
	if err := t.may(ctx, identity.Deployments, identity.Read); err != nil {
		return nil, err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		list = nil
		for after := ""; ; {
			page, next, err := deploy.List(r, after, pageOfDeployments)
			if err != nil {
				return err
			}
			for i := range page {
				if t.sites.running(t.runtime, page[i].UUID) {
					continue // what is intended there is being made
				}
				for _, o := range page[i].Orphans() {
					list = append(list, OrphanView{page[i].UUID, page[i].Device, page[i].Connector, o})
				}
			}
			if after = next; after == "" {
				return nil
			}
		}
	})
	return list, err
}

// pageOfDeployments is how many are read at once.
const pageOfDeployments = 100

// DismissOrphan forgets an orphan that a person has seen to, by its number.
func (t *Tenant) DismissOrphan(ctx context.Context, uuidOrDevice string, number uint64) (v DeploymentView, err error) {
	if err := t.may(ctx, identity.Deployments, identity.Write); err != nil {
		return v, err
	}
	d, err := t.deployment(ctx, uuidOrDevice)
	if err != nil {
		return v, err
	}
	done, err := t.sites.take(t.runtime, d.UUID)
	if err != nil {
		return v, err
	}
	defer done()
	err = t.space.Update(ctx, func(w store.Writer) error {
		if d, err = deploy.Dismiss(w, d.UUID, number, time.Now()); err != nil {
			return err
		}
		e := t.deployEvent(identity.DeploymentDismiss, &d)
		return identity.Append(w, e)
	})
	v.Deployment = d
	return v, err
}

// deployEvent is something that was done for a deployment.
func (t *Tenant) deployEvent(action identity.Action, d *deploy.Deployment) identity.Event {
	return identity.Event{Who: t.who, Action: action, Connector: d.Connector, On: d.UUID, Outcome: identity.Done}
}

// Deploys reports whether a connector of a module can deploy devices.
func deploys(m *abi.Manifest) bool { return slices.Contains(m.EntryPoints, abi.EntryDeploy) }

// undeployed refuses to let a connector go that has deployments.
func undeployed(r store.Reader, c *spec.Connector) error {
	uuid, err := deploy.Of(r, c.ID)
	if err != nil || uuid == "" {
		return err
	}
	return fault.New(fault.WrongState, "the connector %s has deployed devices, one of them %.64q", c.Name, uuid).
		WithHint("Tear them down first: `snaprail deployments list` shows them.")
}

// tearsDown reports whether a module takes down what it deploys, beside the
// ledger.
func tearsDown(m *abi.Manifest) bool { return slices.Contains(m.EntryPoints, abi.EntryTearDown) }
