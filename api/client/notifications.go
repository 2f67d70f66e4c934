package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/snaprail/snaprail/runtime/spec"
)

// Notifications are all that connectors have to say to people; without acknowledged, those
// that nobody has acknowledged.
func (c *Client) Notifications(ctx context.Context, acknowledged bool) ([]spec.Notification, error) {
	query := url.Values{}
	if acknowledged {
		query.Set("all", "true")
	}
	return all[spec.Notification](ctx, c, "/api/notifications", query)
}

// Acknowledge says that somebody has seen to a notification.
func (c *Client) Acknowledge(ctx context.Context, id string) (n spec.Notification, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: "/api/notifications/" + url.PathEscape(id) + "/acknowledge"}, &n)
	return n, err
}
