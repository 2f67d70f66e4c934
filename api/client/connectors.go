package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// CreateConnector creates a connector from its JSON form.
func (c *Client) CreateConnector(ctx context.Context, connector json.RawMessage) (v Connector, err error) {
	r := call{method: http.MethodPost, path: "/api/connectors"}
	r.body, r.kind = jsonBody(connector)
	err = c.do(ctx, r, &v)
	return v, err
}

// Connectors lists all connectors.
func (c *Client) Connectors(ctx context.Context) ([]Connector, error) {
	return all[Connector](ctx, c, "/api/connectors", nil)
}

// Connector shows a connector by its id or name.
func (c *Client) Connector(ctx context.Context, id string) (v Connector, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: connectorPath(id, "")}, &v)
	return v, err
}

// UpdateConnector replaces what may be set of a connector. revision is the one
// that the caller read; 0: whichever it has now.
func (c *Client) UpdateConnector(ctx context.Context, id string, connector json.RawMessage, revision uint64) (v Connector, err error) {
	r := call{method: http.MethodPut, path: connectorPath(id, ""), header: ifMatch(revision)}
	r.body, r.kind = jsonBody(connector)
	err = c.do(ctx, r, &v)
	return v, err
}

// PatchConnector changes what a JSON merge patch (RFC 7396) names; revision as
// in UpdateConnector.
func (c *Client) PatchConnector(ctx context.Context, id string, patch json.RawMessage, revision uint64) (v Connector, err error) {
	r := call{method: http.MethodPatch, path: connectorPath(id, ""), header: ifMatch(revision)}
	r.body, _ = jsonBody(patch)
	r.kind = "application/merge-patch+json"
	err = c.do(ctx, r, &v)
	return v, err
}

// DefaultConnector is the active default connector of a category.
func (c *Client) DefaultConnector(ctx context.Context, category string) (v Connector, err error) {
	r := call{method: http.MethodGet, path: "/api/connectors/default", query: url.Values{"category": {category}}}
	err = c.do(ctx, r, &v)
	return v, err
}

// Params lists the rows of a connector's configuration.
func (c *Client) Params(ctx context.Context, id string) ([]spec.Param, error) {
	var p Params
	err := c.do(ctx, call{method: http.MethodGet, path: connectorPath(id, "/params")}, &p)
	return p.Params, err
}

// SetParams replaces them; revision as in UpdateConnector.
func (c *Client) SetParams(ctx context.Context, id string, rows []spec.Param, revision uint64) ([]spec.Param, error) {
	raw, err := json.Marshal(Params{Params: rows})
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "params")
	}
	r := call{method: http.MethodPut, path: connectorPath(id, "/params"), header: ifMatch(revision)}
	r.body, r.kind = jsonBody(raw)
	var p Params
	err = c.do(ctx, r, &p)
	return p.Params, err
}

// Config is a connector's configuration as it is put together; its secrets are
// masked unless they are to be revealed.
func (c *Client) Config(ctx context.Context, id string, reveal bool) (json.RawMessage, error) {
	r := call{method: http.MethodGet, path: connectorPath(id, "/config")}
	if reveal {
		r.query = url.Values{"reveal": {"true"}}
	}
	var got Assembled
	err := c.do(ctx, r, &got)
	return got.Config, err
}

// ImportConfig replaces a connector's configuration by an object or a file;
// revision as in UpdateConnector.
func (c *Client) ImportConfig(ctx context.Context, id string, in Import, revision uint64) (v Connector, err error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return v, fault.Wrap(fault.Usage, err, "import")
	}
	r := call{method: http.MethodPost, path: connectorPath(id, "/import-config"), header: ifMatch(revision)}
	r.body, r.kind = jsonBody(raw)
	err = c.do(ctx, r, &v)
	return v, err
}

// DeleteConnector removes a connector; revision as in UpdateConnector.
func (c *Client) DeleteConnector(ctx context.Context, id string, revision uint64) error {
	return c.do(ctx, call{method: http.MethodDelete, path: connectorPath(id, ""), header: ifMatch(revision)}, nil)
}

// TestConnector runs the connection test. A test that fails is a result, not
// an error.
func (c *Client) TestConnector(ctx context.Context, id string) (r TestResult, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: connectorPath(id, "/test")}, &r)
	return r, err
}

// Activate makes a connector run.
func (c *Client) Activate(ctx context.Context, id string) (v Connector, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: connectorPath(id, "/activate")}, &v)
	return v, err
}

// Deactivate makes a connector stop.
func (c *Client) Deactivate(ctx context.Context, id string) (v Connector, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: connectorPath(id, "/deactivate")}, &v)
	return v, err
}

// Lanes lists the lanes of a connector that runs.
func (c *Client) Lanes(ctx context.Context, id string) ([]lifecycle.Lane, error) {
	return all[lifecycle.Lane](ctx, c, connectorPath(id, "/lanes"), nil)
}

// Reconnect has a connector that runs close its connections and open them anew.
func (c *Client) Reconnect(ctx context.Context, id string) (v Connector, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: connectorPath(id, "/reconnect")}, &v)
	return v, err
}

// Devices lists the devices of one connector, or of all with "".
func (c *Client) Devices(ctx context.Context, connector string) ([]spec.Device, error) {
	query := url.Values{}
	if connector != "" {
		query.Set("connector", connector)
	}
	return all[spec.Device](ctx, c, "/api/devices", query)
}

func connectorPath(id, rest string) string {
	return "/api/connectors/" + url.PathEscape(id) + rest
}

func ifMatch(revision uint64) http.Header {
	if revision == 0 {
		return nil
	}
	return http.Header{"If-Match": {`"` + strconv.FormatUint(revision, 10) + `"`}}
}

// whichever is If-Match for a change of whatever is there.
func whichever() http.Header { return http.Header{"If-Match": {"*"}} }
