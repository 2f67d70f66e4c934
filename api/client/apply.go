package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Documents are documents of a tenant's desired state: {"kind": "connector",
// "category" or "secret", ...} with the fields of such a thing.
type Documents struct {
	Documents []json.RawMessage `json:"documents" maxItems:"1000" doc:"Each with its kind and its name"`
}

// Plan is what documents change, or would change.
type Plan struct {
	DryRun  bool     `json:"dry_run" doc:"Nothing was changed"`
	Changed int      `json:"changed" doc:"How many things are not as their documents say, or were not"`
	Failed  int      `json:"failed" doc:"How many changes were not, or would not be, made"`
	Changes []Change `json:"changes"`
}

// Change is one line of a plan.
type Change struct {
	Kind     string         `json:"kind" enum:"connector,category,secret,module,device"`
	Name     string         `json:"name"`
	ID       string         `json:"id,omitempty" doc:"Of a connector; uuid of a device that is deployed"`
	Document int            `json:"document" doc:"Place of its document among those that were sent; -1: it has none"`
	Action   string         `json:"action" enum:"create,update,delete,unchanged"`
	Fields   []string       `json:"fields" doc:"JSON Pointers of what is another; never values"`
	Cost     string         `json:"cost,omitempty" enum:"in_place,reconnect,restart" doc:"What it does to a connector that runs; none: it does not run"`
	Warnings []string       `json:"warnings,omitempty"`
	Problem  *ChangeProblem `json:"problem,omitempty" doc:"Why it was not, or would not be, made"`
}

// ChangeProblem is why a change was not made.
type ChangeProblem struct {
	Code   string        `json:"code"`
	Detail string        `json:"detail"`
	Hint   string        `json:"hint"`
	Errors []fault.Field `json:"errors,omitempty"`
}

// Apply makes documents true, or only says what would change.
func (c *Client) Apply(ctx context.Context, documents []json.RawMessage, dryRun, prune bool) (p Plan, err error) {
	raw, err := json.Marshal(Documents{documents})
	if err != nil {
		return p, fault.Wrap(fault.Usage, err, "documents")
	}
	query := url.Values{}
	if dryRun {
		query.Set("dry_run", "true")
	}
	if prune {
		query.Set("prune", "true")
	}
	r := call{method: http.MethodPost, path: "/api/apply", query: query}
	r.body, r.kind = jsonBody(raw)
	err = c.do(ctx, r, &p)
	return p, err
}

// Export is the tenant's desired state as documents.
func (c *Client) Export(ctx context.Context) ([]json.RawMessage, error) {
	var d Documents
	err := c.do(ctx, call{method: http.MethodGet, path: "/api/export"}, &d)
	return d.Documents, err
}
