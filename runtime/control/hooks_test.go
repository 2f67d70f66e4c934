package control

import (
	"context"

	"github.com/snaprail/snaprail/runtime/spec"
)

// ActivateAsRead is Activate of a connector as somebody read it a while ago.
func ActivateAsRead(ctx context.Context, t *Tenant, c *spec.Connector) (ConnectorView, error) {
	return t.activate(ctx, c)
}
