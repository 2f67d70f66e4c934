package control

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/deploy"
	"github.com/snaprail/snaprail/runtime/device"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// The time that a run takes at most: to make, and to take back.
const (
	buildTime = 2 * time.Minute
	clearTime = 2 * time.Minute
)

// site is one run: what the guest and the ledger of a deployment work with.
type site struct {
	*Tenant  // with the rights of the deployment
	ledger   *deploy.Ledger
	uuid     string
	starting []string // ids of the connectors that are to run
	tearing  bool     // it is tear_down that runs
}

// trusted is the tenant for what a deployment does: whoever may deploy makes what
// the device needs, whatever the scopes of their token say of connectors, and
// whoever may try again does what an administrator has decided.
func (t *Tenant) trusted() *Tenant {
	inner := *t
	inner.as.Scopes, inner.as.Role = "", identity.Admin
	return &inner
}

// Deploy makes what a device needs, by the deploy of its type's module. To deploy
// the same again changes nothing, and to deploy another document changes what is
// another: what is not wanted any more is taken down. What fails is rolled back in
// reverse, to what there was before: fault.DeployFailed, and what could not be
// taken back is in the deployment.
func (t *Tenant) Deploy(ctx context.Context, doc DeviceDocument) (v DeploymentView, err error) {
	if err := t.may(ctx, identity.Deployments, identity.Write); err != nil {
		return v, err
	}
	o, err := t.order(ctx, doc)
	if err != nil {
		return v, err
	}
	if o.want.UUID == "" {
		if o.doc.UUID, err = device.NewUUID(); err != nil {
			return v, err
		}
		o.want.UUID = o.doc.UUID
		if o.want.Document, err = json.Marshal(o.doc); err != nil {
			return v, fault.Wrap(fault.Internal, err, "document")
		}
	}
	done, err := t.sites.take(t.runtime, o.want.UUID)
	if err != nil {
		return v, err
	}
	defer done()
	return t.build(ctx, &o, false)
}

// build is one run of deploy. again says that orphans are tried once more, too.
func (t *Tenant) build(ctx context.Context, o *order, again bool) (v DeploymentView, err error) {
	s := &site{Tenant: t.trusted(), uuid: o.want.UUID}
	if s.ledger, err = deploy.Begin(ctx, t.space, s, o.want, deploy.Deploying); err != nil {
		return v, err
	}
	work, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	answer, cause := s.construct(work, o)
	state := deploy.Deployed
	clearing, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearTime) // whoever asked may be gone
	defer cancel()
	if cause == nil {
		if len(answer) <= deploy.MaxDocument {
			s.ledger.Deployment().Answer = answer
		}
		if err = s.ledger.Sweep(clearing); err == nil && again {
			err = s.ledger.Again(clearing)
		}
	} else {
		state = deploy.Failed
		err = s.ledger.RollBack(clearing)
	}
	v.Changed = s.ledger.Changed()
	if err == nil {
		err = s.ledger.End(clearing, state, cause, s.done(identity.DeploymentDeploy, state, cause, v.Changed))
	}
	if err != nil {
		return v, err
	}
	v.Deployment = *s.ledger.Deployment()
	if cause != nil {
		return v, s.failed(o, cause)
	}
	return v, nil
}

// construct has the guest make what is needed, and starts the connectors that
// were made.
func (s *site) construct(ctx context.Context, o *order) (json.RawMessage, error) {
	answer, err := s.runtime.Deploy(ctx, &o.parent, abi.EntryDeploy, abi.DeployInput{Device: o.device(), Config: o.config}, s)
	if err != nil {
		return nil, err
	}
	for _, id := range s.starting {
		c, err := s.read(ctx, id)
		if err == nil && !c.Enabled {
			_, err = s.activate(ctx, &c)
		}
		if err != nil {
			return nil, fault.Wrap(fault.Of(err).Kind, err, "the connector %s was made and does not start", c.Name)
		}
	}
	return answer, nil
}

// failed is the answer to a deploy that has failed.
func (s *site) failed(o *order, cause error) error {
	f := fault.Of(cause)
	kind := fault.DeployFailed
	if slices.Contains([]fault.Kind{fault.Canceled, fault.ShuttingDown, fault.DiskFull, fault.Integrity}, f.Kind) {
		kind = f.Kind
	}
	err := fault.Wrap(kind, cause, "the device %.64q could not be deployed", o.doc.ID)
	if left := len(s.ledger.Deployment().Orphans()); left > 0 {
		return err.WithHint("%d resources could not be taken back: `snaprail deployments show %s` lists them. %s", left, s.uuid, f.Advice())
	}
	return err.WithHint("What was made was taken back. %s", f.Advice())
}

// done writes the event of a run that changed something, in its transaction.
func (s *site) done(action identity.Action, state deploy.State, cause error, changed bool) func(store.Writer) error {
	e := s.deployEvent(action, s.ledger.Deployment())
	e.Detail = string(state)
	if cause != nil {
		f := fault.Of(cause)
		e.Code, e.Detail = f.Kind.String(), string(state)+": "+s.runtime.Vault().Mask().Text(f.Text)
	}
	return func(w store.Writer) error {
		if !changed {
			return nil
		}
		return identity.Append(w, e)
	}
}

// TearDown takes down what was made for a device, by its uuid or its id: first by
// the tear_down of the module, if it has one, and then by the ledger, in reverse,
// whatever came of that. What could not be taken down is in the deployment that is
// answered, and is kept until it was or a person dismisses it. revision is the
// one that the caller read; 0: whatever is there.
func (t *Tenant) TearDown(ctx context.Context, uuidOrDevice string, revision uint64) (v DeploymentView, err error) {
	if err := t.may(ctx, identity.Deployments, identity.Write); err != nil {
		return v, err
	}
	return t.tearDown(ctx, uuidOrDevice, revision)
}

func (t *Tenant) tearDown(ctx context.Context, uuidOrDevice string, revision uint64) (v DeploymentView, err error) {
	d, err := t.deployment(ctx, uuidOrDevice)
	if err != nil {
		return v, err
	}
	done, err := t.sites.take(t.runtime, d.UUID)
	if err != nil {
		return v, err
	}
	defer done()
	if d, err = t.deployment(ctx, d.UUID); err == nil { // nobody else changes it now
		err = unlike(&d, revision)
	}
	if err != nil {
		return v, err
	}
	s := &site{Tenant: t.trusted(), uuid: d.UUID, tearing: true}
	if s.ledger, err = deploy.Begin(ctx, t.space, s, d, deploy.TearingDown); err != nil {
		return v, err
	}
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearTime)
	defer cancel()
	cause, err := s.ask(work, &d)
	if err == nil {
		err = s.ledger.TearDown(work)
	}
	if err == nil {
		err = s.ledger.End(work, deploy.TornDown, cause, s.done(identity.DeploymentTearDown, deploy.TornDown, cause, true))
	}
	v.Deployment, v.Changed = *s.ledger.Deployment(), true
	return v, err
}

// ask calls the module's own tear_down, if it has one. cause is why it did not
// succeed: it does not hold up the rest. What it would have taken down nobody
// knows, so that it is an orphan then.
func (s *site) ask(ctx context.Context, d *deploy.Deployment) (cause, err error) {
	o, cause := s.standing(ctx, d)
	if cause == nil && o == nil {
		return nil, nil
	}
	if err := s.ledger.Open(ctx, deploy.KindTearDown, d.Device); err != nil {
		return nil, err
	}
	if cause == nil {
		_, cause = s.runtime.Deploy(ctx, &o.parent, abi.EntryTearDown, abi.DeployInput{Device: o.device(), Config: o.config}, s)
	}
	return cause, s.ledger.Close(context.WithoutCancel(ctx), deploy.KindTearDown, d.Device, cause)
}

// standing is the order of a deployment as its connector is now; nil: its module
// has no tear_down.
func (s *site) standing(ctx context.Context, d *deploy.Deployment) (*order, error) {
	doc, err := ReadDeviceDocument(d.Document)
	if err != nil {
		return nil, err
	}
	o := &order{doc: doc, want: *d}
	book, err := s.book(ctx)
	if err != nil {
		return nil, err
	}
	tears := false
	err = s.space.View(ctx, func(r store.Reader) error {
		if o.parent, err = find(r, d.Connector); err != nil {
			return err
		}
		if o.module, err = moduleOf(r, o.parent.Module); err != nil {
			return err
		}
		if tears = tearsDown(&o.module.Manifest); !tears {
			return nil
		}
		own, err := book.Config(r, &o.parent, true)
		if err == nil {
			o.config, err = merged(own, doc.Config)
		}
		return err
	})
	if err != nil || !tears {
		return nil, err
	}
	if len(o.config) == 0 {
		o.config = json.RawMessage("{}")
	}
	return o, nil
}

// RetryDeployment tries again what has failed, by uuid or device: to deploy, or to
// take down what is left.
func (t *Tenant) RetryDeployment(ctx context.Context, uuidOrDevice string) (v DeploymentView, err error) {
	if err := t.may(ctx, identity.Deployments, identity.Use); err != nil {
		return v, err
	}
	d, err := t.deployment(ctx, uuidOrDevice)
	if err != nil {
		return v, err
	}
	if d.State == deploy.TearingDown || d.State == deploy.TornDown {
		return t.tearDown(ctx, d.UUID, 0)
	}
	doc, err := ReadDeviceDocument(d.Document)
	if err != nil {
		return v, err
	}
	doc.UUID, doc.Connector = d.UUID, d.Connector
	o, err := t.order(ctx, doc)
	if err != nil {
		return v, err
	}
	o.want.Document = d.Document
	done, err := t.sites.take(t.runtime, d.UUID)
	if err != nil {
		return v, err
	}
	defer done()
	return t.build(ctx, &o, true)
}

// owned is the connector that the deployment made by this name.
func (s *site) owned(r store.Reader, name string) (c spec.Connector, err error) {
	c, err = find(r, name)
	if err == nil && c.Owner != s.uuid {
		err = fault.New(fault.Exists, "a connector named %q exists already, and is not of this deployment", name)
	}
	return c, err
}
