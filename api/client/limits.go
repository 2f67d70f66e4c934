package client

import (
	"context"
	"net/http"

	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// Limits are what the tenant may have and what it uses.
func (c *Client) Limits(ctx context.Context) (l lifecycle.TenantLimits, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/api/limits"}, &l)
	return l, err
}
