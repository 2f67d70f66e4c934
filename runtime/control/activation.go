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
	c, err := t.read(ctx, idOrName)
	if err != nil {
		return ConnectorView{}, err
	}
	active, err := t.activate(ctx, &c)
	if err != nil {
		t.refusal(identity.ConnectorActivate, &c, err)
	}
	return active, err
}

func (t *Tenant) activate(ctx context.Context, c *spec.Connector) (ConnectorView, error) {
	key, err := c.TestKey()
	if err != nil {
		return ConnectorView{}, fault.Wrap(fault.ConfigInvalid, err, "connector %s", c.ID)
	}
	if c.Tested != key {
		if err := t.complete(ctx, c); err != nil {
			return ConnectorView{}, err
		}
		result, err := t.TestConnector(ctx, c.ID)
		if err != nil {
			return ConnectorView{}, err
		}
		if !result.Success {
			return ConnectorView{}, refusedBy(result)
		}
	}
	return t.change(ctx, c.ID, 0, func(w store.Writer, c *spec.Connector) error {
		if now, err := c.TestKey(); err != nil || now != c.Tested {
			return fault.New(fault.StaleRevision, "the connector was changed while it was tested")
		}
		c.Enabled = true
		return identity.Append(w, t.event(identity.ConnectorActivate, c))
	})
}

// complete sees that a connector is configured as its schema wants it.
func (t *Tenant) complete(ctx context.Context, c *spec.Connector) error {
	book, err := t.book(ctx)
	if err != nil {
		return err
	}
	var bad []fault.Field
	err = t.space.View(ctx, func(r store.Reader) error {
		schema, err := book.Schema(r, c.Module)
		if err == nil {
			bad, err = t.misfits(r, book, c, schema)
		}
		return err
	})
	if err != nil {
		return err
	}
	return invalid(bad)
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
