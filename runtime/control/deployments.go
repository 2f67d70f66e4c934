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

// Orphans is a page of the resources of all deployments that may be there and
// should not: what could not be taken away, with the reason, and what was cut off.
// A deployment's stay together, so that a page may be longer than its limit.
func (t *Tenant) Orphans(ctx context.Context, p Page) (list []OrphanView, next string, err error) {
	if err := t.may(ctx, identity.Deployments, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		list = nil
		for next = p.After; ; {
			page, more, err := deploy.List(r, next, pageOfDeployments)
			if err != nil {
				return err
			}
			for i := range page {
				if len(list) >= limit {
					return nil
				}
				list = append(list, t.orphansOf(&page[i])...)
				next = page[i].UUID
			}
			if more == "" {
				next = ""
				return nil
			}
		}
	})
	return list, next, err
}

// orphansOf are those of a deployment that is not under way: what is intended
// there is being made.
func (t *Tenant) orphansOf(d *deploy.Deployment) (list []OrphanView) {
	if t.sites.running(t.runtime, d.UUID) {
		return nil
	}
	for _, o := range d.Orphans() {
		list = append(list, OrphanView{d.UUID, d.Device, d.Connector, o})
	}
	return list
}

// pageOfDeployments is how many are read at once.
const pageOfDeployments = 100

// unlike refuses a change of a deployment that was made against another revision.
func unlike(d *deploy.Deployment, revision uint64) error {
	if revision != 0 && revision != d.Revision {
		return fault.New(fault.StaleRevision, "the deployment of %.64q is at revision %d, not %d", d.Device, d.Revision, revision)
	}
	return nil
}

// DismissOrphan forgets an orphan that a person has seen to, by its number.
// revision is the one that the caller read; 0: whatever is there.
func (t *Tenant) DismissOrphan(ctx context.Context, uuidOrDevice string, number, revision uint64) (v DeploymentView, err error) {
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
		now, err := deploy.Get(w, d.UUID)
		if err == nil {
			err = unlike(&now, revision)
		}
		if err != nil {
			return err
		}
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

// DeployedLine is one line of a ledger as it is shown.
type DeployedLine struct {
	Number               uint64
	Kind, Name, Standing string
	ID                   string // of a connector or a device
	Status               uint32 // of an HTTP resource
	// Makes and Unmakes are the requests of an HTTP resource; nil: none.
	Makes, Unmakes *abi.HTTPRequest
	Reason         string
	At             time.Time
}

// Lines are the resources as they are shown.
func (v *DeploymentView) Lines() []DeployedLine {
	lines := make([]DeployedLine, len(v.Resources))
	for i := range v.Resources {
		lines[i] = lineOf(&v.Resources[i])
	}
	return lines
}

// Line is the orphan as it is shown.
func (o *OrphanView) Line() DeployedLine { return lineOf(&o.Resource) }

func lineOf(r *deploy.Resource) DeployedLine {
	l := DeployedLine{
		Number: r.Number, Kind: string(r.Kind), Name: r.Name, Standing: string(r.Standing), ID: r.ID, Status: r.Status, Reason: r.Reason, At: r.At,
	}
	var h abi.DeployHTTP
	if r.Kind == deploy.KindHTTP && h.Decode(r.Ask) == nil {
		l.Makes, l.Unmakes = h.Create, h.Inverse
	}
	var inverse abi.HTTPRequest
	if len(r.Inverse) > 0 && inverse.Decode(r.Inverse) == nil {
		l.Unmakes = &inverse
	}
	return l
}
