package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// AuditOptions says which events of an audit trail are wanted.
type AuditOptions struct {
	Connector string    // only of this one, by id or name
	Action    string    // only this action, or all of a thing: connector
	Since     time.Time // zero: from the oldest that is kept
	Server    bool      // the server's own trail
}

// Audit reads an audit trail, the newest event first, until it has ended or more
// says that it was enough.
func (c *Client) Audit(ctx context.Context, o AuditOptions, more func(Event) bool) error {
	q := url.Values{"limit": {strconv.Itoa(pageSize)}}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("connector", o.Connector)
	set("action", o.Action)
	if !o.Since.IsZero() {
		q.Set("since", o.Since.UTC().Format(time.RFC3339))
	}
	if o.Server {
		q.Set("trail", "server")
	}
	for {
		var page List[Event]
		if err := c.do(ctx, call{method: http.MethodGet, path: "/api/audit", query: q}, &page); err != nil {
			return err
		}
		for i := range page.Items {
			if !more(page.Items[i]) {
				return nil
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Set("after", page.Next)
	}
}
