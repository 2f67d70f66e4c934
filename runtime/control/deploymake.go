package control

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/deploy"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

var (
	_ capability.Deployment = (*site)(nil)
	_ deploy.Maker          = (*site)(nil)
)

// ensure is one wish of the guest.
func (s *site) ensure(ctx context.Context, kind deploy.Kind, name string, ask []byte) (abi.Deployed, error) {
	if s.tearing && kind != deploy.KindNote {
		return abi.Deployed{}, fault.New(fault.WrongState, "deploy.%s: the device is being torn down", kind)
	}
	result, existed, err := s.ledger.Ensure(ctx, kind, name, ask)
	return abi.Deployed{ID: result.ID, Existed: existed, Status: result.Status, Body: result.Body}, err
}

// Connector implements capability.Deployment.
func (s *site) Connector(ctx context.Context, c *abi.DeployConnector) (abi.Deployed, error) {
	if _, ours := s.ledger.Deployment().Resource(deploy.KindConnector, c.Name); !ours {
		err := s.space.View(ctx, func(r store.Reader) error {
			_, err := s.owned(r, c.Name)
			if fault.Is(err, fault.NotFound) {
				return nil
			}
			return err
		})
		if err != nil {
			return abi.Deployed{}, err
		}
	}
	out, err := s.ensure(ctx, deploy.KindConnector, c.Name, c.Append(nil))
	if err == nil && !c.Draft && !slices.Contains(s.starting, out.ID) {
		s.starting = append(s.starting, out.ID)
	}
	return out, err
}

// Device implements capability.Deployment. Its name in the ledger is that of its
// connector and its id.
func (s *site) Device(ctx context.Context, d *abi.DeployDevice) (abi.Deployed, error) {
	name := d.Connector + "/" + d.Device.ID
	if _, ours := s.ledger.Deployment().Resource(deploy.KindDevice, name); !ours {
		err := s.space.View(ctx, func(r store.Reader) error {
			connector, err := s.holder(r, d.Connector)
			if err != nil {
				return err
			}
			_, err = s.runtime.Devices().Get(r, connector, d.Device.ID)
			switch {
			case fault.Is(err, fault.DeviceUnknown):
				return nil
			case err != nil:
				return err
			}
			return fault.New(fault.Exists, "the device %.64q exists already, and is not of this deployment", d.Device.ID)
		})
		if err != nil {
			return abi.Deployed{}, err
		}
	}
	return s.ensure(ctx, deploy.KindDevice, name, d.Append(nil))
}

// HTTP implements capability.Deployment.
func (s *site) HTTP(ctx context.Context, h *abi.DeployHTTP) (abi.Deployed, error) {
	if h.Create == nil || h.Create.URL == "" {
		return abi.Deployed{}, fault.New(fault.Invalid, "deploy.http: a resource is made by a request with a URL")
	}
	return s.ensure(ctx, deploy.KindHTTP, h.Name, h.Append(nil))
}

// Note implements capability.Deployment.
func (s *site) Note(ctx context.Context, n *abi.DeployNote) (abi.Deployed, error) {
	return s.ensure(ctx, deploy.KindNote, n.Name, n.Append(nil))
}

// holder is the id of the connector that a device of the deployment belongs to.
func (s *site) holder(r store.Reader, name string) (string, error) {
	if name == "" {
		return s.ledger.Deployment().Connector, nil
	}
	if c, ok := s.ledger.Deployment().Resource(deploy.KindConnector, name); ok && c.ID != "" {
		return c.ID, nil
	}
	c, err := s.owned(r, name)
	return c.ID, err
}

// There implements deploy.Maker.
func (s *site) There(ctx context.Context, r deploy.Resource) (there bool, err error) {
	switch r.Kind {
	case deploy.KindConnector:
		err = s.space.View(ctx, func(rd store.Reader) error {
			_, err := rd.Get(store.Connectors, r.ID)
			return err
		})
	case deploy.KindDevice:
		var d abi.DeployDevice
		if err := d.Decode(r.Ask); err != nil {
			return false, fault.Wrap(fault.Integrity, err, "ledger")
		}
		err = s.space.View(ctx, func(rd store.Reader) error {
			connector, err := s.holder(rd, d.Connector)
			if err == nil {
				_, err = s.runtime.Devices().Get(rd, connector, d.Device.ID)
			}
			return err
		})
	case deploy.KindHTTP, deploy.KindTopic, deploy.KindNote, deploy.KindTearDown:
		return true, nil // nobody can tell without asking
	}
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.DeviceUnknown) || fault.Is(err, fault.Exists) {
		return false, nil
	}
	return err == nil, err
}

// Same implements deploy.Maker.
func (s *site) Same(r deploy.Resource, ask []byte) bool {
	switch r.Kind {
	case deploy.KindHTTP:
		return sameHTTP(r.Ask, ask)
	case deploy.KindTopic:
		return sameTopic(r.Ask, ask)
	case deploy.KindConnector, deploy.KindDevice, deploy.KindNote, deploy.KindTearDown:
	}
	return true // their names say what they are
}

// Make implements deploy.Maker.
func (s *site) Make(ctx context.Context, r deploy.Resource) (result deploy.Result, err error) {
	switch r.Kind {
	case deploy.KindConnector:
		result.ID, err = s.putConnector(ctx, r.Name, r.Ask)
		return result, unmade(err)
	case deploy.KindDevice:
		result.ID, err = s.putOwnDevice(ctx, r.Ask)
		return result, unmade(err)
	case deploy.KindHTTP:
		return s.send(ctx, r.Ask)
	case deploy.KindTopic:
		return s.makeTopic(ctx, r.Ask)
	case deploy.KindNote, deploy.KindTearDown:
	}
	return result, nil
}

// unmade says of an error of a transaction that nothing was made, if that is
// known.
func unmade(err error) error {
	if fault.Is(err, fault.Internal) {
		return err
	}
	return deploy.Nothing(err)
}

// Change implements deploy.Maker.
func (s *site) Change(ctx context.Context, r deploy.Resource, from []byte) (deploy.Result, error) {
	if r.Kind == deploy.KindTopic {
		return s.changeTopic(ctx, r.Ask, from)
	}
	if r.Kind == deploy.KindHTTP && !putsAgain(from, r.Ask) {
		old := r
		old.Ask = from
		if err := s.Unmake(ctx, old); err != nil {
			return deploy.Result{}, err
		}
	}
	return s.Make(ctx, r)
}

// Unmake implements deploy.Maker.
func (s *site) Unmake(ctx context.Context, r deploy.Resource) error {
	switch r.Kind {
	case deploy.KindConnector:
		return s.dropConnector(ctx, r)
	case deploy.KindDevice:
		return s.dropDevice(ctx, r.Ask)
	case deploy.KindHTTP:
		return s.unsend(ctx, r)
	case deploy.KindNote:
		var n abi.DeployNote
		if err := n.Decode(r.Ask); err != nil {
			return fault.Wrap(fault.Integrity, err, "ledger")
		}
		return fault.New(fault.Unsupported, "a person has to take it down: %s", n.Text)
	case deploy.KindTopic:
		return s.unmakeTopic(ctx, r.Ask)
	case deploy.KindTearDown:
	}
	return nil
}

// putConnector makes a connector of the deployment, or makes the one that is
// there what is asked for.
func (s *site) putConnector(ctx context.Context, name string, ask []byte) (id string, err error) {
	var c abi.DeployConnector
	if err := c.Decode(ask); err != nil {
		return "", fault.Wrap(fault.Integrity, err, "ledger")
	}
	in := ConnectorInput{
		Name: name, Category: c.Category, ProviderType: c.ProviderType, Version: c.Version,
		Config: json.RawMessage(c.Config), owner: s.uuid,
	}
	parent, err := s.read(ctx, s.ledger.Deployment().Connector)
	if err != nil {
		return "", err
	}
	if in.Grants, err = s.within(&parent, c.Grants); err != nil {
		return "", err
	}
	var have spec.Connector
	err = s.space.View(ctx, func(r store.Reader) error {
		have, err = s.owned(r, name)
		return err
	})
	var v ConnectorView
	switch {
	case err == nil:
		v, err = s.update(ctx, &storedConnector{Connector: have}, in, 0)
	case fault.Is(err, fault.NotFound):
		v, err = s.create(ctx, in)
	}
	return v.ID, err
}

// dropConnector deletes a connector of the deployment.
func (s *site) dropConnector(ctx context.Context, r deploy.Resource) error {
	var c spec.Connector
	err := s.space.View(ctx, func(rd store.Reader) (err error) {
		if r.ID != "" {
			c, err = find(rd, r.ID)
		} else {
			c, err = s.owned(rd, r.Name)
		}
		return err
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Exists) || err == nil && c.Owner != s.uuid {
		return nil // it is gone, or was never made
	}
	if err == nil {
		err = s.DeleteConnector(ctx, c.ID, 0)
	}
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Timeout) && ctx.Err() == nil {
		return nil // it stops by itself
	}
	return err
}

// putOwnDevice registers a device. The one that the deployment is of gets its
// UUID.
func (s *site) putOwnDevice(ctx context.Context, ask []byte) (id string, err error) {
	var in abi.DeployDevice
	if err := in.Decode(ask); err != nil {
		return "", fault.Wrap(fault.Integrity, err, "ledger")
	}
	d := spec.Device{
		ID: in.Device.ID, Type: in.Device.Type, Name: in.Device.Name, Endpoint: in.Device.Endpoint,
		Attributes: json.RawMessage(in.Device.Attributes), Config: json.RawMessage(in.Device.Config),
	}
	for _, tag := range in.Device.Tags {
		if d.Tags == nil {
			d.Tags = map[string]string{}
		}
		d.Tags[tag.Name] = string(tag.Value)
	}
	uuid := ""
	if d.ID == s.ledger.Deployment().Device {
		uuid = s.uuid
	}
	var c spec.Connector
	err = s.space.UpdateAhead(ctx, func(w store.Writer) error {
		connector, err := s.holder(w, in.Connector)
		if err != nil {
			return err
		}
		if c, err = find(w, connector); err != nil {
			return err
		}
		if err := s.checkDevice(w, &c, &d); err != nil {
			return err
		}
		d.Connector = c.ID
		if _, err := s.runtime.Devices().PutAs(w, d, uuid, time.Now()); err != nil {
			return err
		}
		e := s.event(identity.DeviceCreate, &c)
		e.On = d.ID
		return identity.Append(w, e)
	})
	if err != nil {
		return "", err
	}
	s.runtime.TellLater(c.ID, d.ID)
	return d.ID, nil
}

// dropDevice deletes a device of the deployment, here and upstream.
func (s *site) dropDevice(ctx context.Context, ask []byte) error {
	var in abi.DeployDevice
	if err := in.Decode(ask); err != nil {
		return fault.Wrap(fault.Integrity, err, "ledger")
	}
	var c spec.Connector
	err := s.space.UpdateAhead(ctx, func(w store.Writer) error {
		connector, err := s.holder(w, in.Connector)
		if err != nil {
			return err
		}
		if c, err = find(w, connector); err != nil {
			return err
		}
		if _, err := s.runtime.Devices().Leave(w, c.ID, in.Device.ID, spec.DeviceDeleted, time.Now()); err != nil {
			return err
		}
		e := s.event(identity.DeviceDelete, &c)
		e.On = in.Device.ID
		return identity.Append(w, e)
	})
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.DeviceUnknown), fault.Is(err, fault.Exists):
		return nil // it went with its connector, or was never made
	case err != nil:
		return err
	}
	s.runtime.TellLater(c.ID, in.Device.ID)
	return nil
}

// parent is the connector that deploys, with the grants that it has now.
func (s *site) parent(ctx context.Context) (spec.Connector, error) {
	c, err := s.read(ctx, s.ledger.Deployment().Connector)
	if fault.Is(err, fault.NotFound) {
		return c, fault.New(fault.NotFound, "the connector that made it is gone, and its grants with it")
	}
	return c, err
}
