package control

import (
	"context"

	"github.com/snaprail/snaprail/runtime/spec"
)

// KeepTest keeps the result of a test of a connector as somebody read it a while
// ago.
func KeepTest(ctx context.Context, t *Tenant, c *spec.Connector, result TestResult) error {
	key, err := c.TestKey()
	if err != nil {
		return err
	}
	return t.keepTest(ctx, c.ID, key, result)
}
