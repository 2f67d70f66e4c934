package control

import (
	"context"

	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/store"
)

// Lanes lists the lanes of a connector in the order of their names. One that
// does not run has none.
func (t *Tenant) Lanes(ctx context.Context, idOrName string, p Page) (list []lifecycle.Lane, next string, err error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return nil, "", err
	}
	c, err := t.read(ctx, idOrName)
	if err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	list, more := t.runtime.Lanes(c.ID, p.After, limit)
	if more {
		next = list[len(list)-1].Name
	}
	return list, next, nil
}

// Reconnect has a connector that runs close its connections, and then open them
// anew. fault.WrongState: it does not run.
func (t *Tenant) Reconnect(ctx context.Context, idOrName string) (ConnectorView, error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return ConnectorView{}, err
	}
	c, err := t.read(ctx, idOrName)
	if err != nil {
		return ConnectorView{}, err
	}
	err = t.space.Update(ctx, func(w store.Writer) error {
		return identity.Append(w, t.event(identity.ConnectorReconnect, &c))
	})
	if err != nil {
		return ConnectorView{}, err
	}
	within, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	if err := t.runtime.Reconnect(within, c.ID); err != nil && within.Err() == nil {
		t.refusal(identity.ConnectorReconnect, &c, err)
		return ConnectorView{}, err
	}
	return t.Connector(ctx, c.ID)
}
