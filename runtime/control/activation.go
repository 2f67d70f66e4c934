package control

import (
	"context"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Activate makes a connector run. When no test has passed for what it is now,
// one is made first, and a failed test refuses the activation.
func (t *Tenant) Activate(ctx context.Context, idOrName string) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return ConnectorView{}, err
	}
	v, err := t.Connector(ctx, idOrName)
	if err != nil {
		return v, err
	}
	active, err := t.activate(ctx, &v)
	if err != nil {
		t.refusal(identity.ConnectorActivate, &v.Connector, err)
	}
	return active, err
}

func (t *Tenant) activate(ctx context.Context, v *ConnectorView) (ConnectorView, error) {
	key, err := v.TestKey()
	if err != nil {
		return *v, fault.Wrap(fault.ConfigInvalid, err, "connector %s", v.ID)
	}
	if v.Tested != key {
		result, err := t.TestConnector(ctx, v.ID)
		if err != nil {
			return *v, err
		}
		if !result.Success {
			return *v, refusedBy(result)
		}
	}
	return t.change(ctx, v.ID, 0, func(w store.Writer, c *spec.Connector) error {
		if now, err := c.TestKey(); err != nil || now != c.Tested {
			return fault.New(fault.StaleRevision, "the connector was changed while it was tested")
		}
		c.Enabled = true
		return identity.Append(w, t.event(identity.ConnectorActivate, c))
	})
}

func refusedBy(result TestResult) error {
	f := fault.New(fault.NotConnected, "the connection test failed: %s", result.Message)
	if hint := result.Details["hint"]; hint != "" {
		f.Hint = hint
	}
	return f
}

// Deactivate makes a connector stop, after the step it is in.
func (t *Tenant) Deactivate(ctx context.Context, idOrName string) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return ConnectorView{}, err
	}
	return t.change(ctx, idOrName, 0, func(w store.Writer, c *spec.Connector) error {
		c.Enabled = false
		return identity.Append(w, t.event(identity.ConnectorDeactivate, c))
	})
}
