package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Writes are the writes that wait or waited for a second person, and the
// overrides that count, the newest first.
type Writes struct {
	Waiting   []PendingWrite `json:"waiting"`
	Overrides []Override     `json:"overrides"`
}

// PendingWrite is a write that waits, or waited, for a second person.
type PendingWrite struct {
	ID          string         `json:"id"`
	ConnectorID string         `json:"connector_id"`
	Device      string         `json:"device,omitempty"`
	Method      string         `json:"method" doc:"Or the type of the message, if it has none"`
	Writes      []WrittenValue `json:"writes"`
	By          string         `json:"by" doc:"Who asked for it"`
	At          time.Time      `json:"at"`
	Expires     time.Time      `json:"expires"`
	State       string         `json:"state" enum:"pending,approved,expired"`
	Approver    string         `json:"approver,omitempty"`
}

// WrittenValue is what is written to one tag.
type WrittenValue struct {
	Tag   string          `json:"tag"`
	Value json.RawMessage `json:"value,omitempty" doc:"Any JSON"`
}

// Override lets writes through for a while that an interlock would refuse.
type Override struct {
	ID          string    `json:"id"`
	ConnectorID string    `json:"connector_id"`
	Device      string    `json:"device,omitempty" doc:"None: any"`
	Tags        []string  `json:"tags,omitempty" doc:"Patterns; none: all"`
	Reason      string    `json:"reason"`
	By          string    `json:"by"`
	At          time.Time `json:"at"`
	Expires     time.Time `json:"expires"`
}

// OverrideInput asks for an override.
type OverrideInput struct {
	Connector string        `json:"connector" minLength:"1" maxLength:"1024" doc:"Id or name"`
	Device    string        `json:"device,omitempty" maxLength:"256" doc:"None: any"`
	Tags      []string      `json:"tags,omitempty" maxItems:"256" doc:"Patterns of tags (as in valve*); none: all"`
	Reason    string        `json:"reason" minLength:"1" maxLength:"512" doc:"Why, for whoever reads the trail later"`
	For       spec.Duration `json:"for" doc:"How long, up to 24h"`
}

// Writes lists what waits for a second person, and the overrides.
func (c *Client) Writes(ctx context.Context) (w Writes, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/api/writes"}, &w)
	return w, err
}

// ApproveWrite lets a write through, and answers the reply to it, or the list of
// several.
func (c *Client) ApproveWrite(ctx context.Context, id string) (r json.RawMessage, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: "/api/writes/" + url.PathEscape(id) + "/approve"}, &r)
	return r, err
}

// Override lets writes through for a while.
func (c *Client) Override(ctx context.Context, in OverrideInput) (o Override, err error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return o, fault.Wrap(fault.Usage, err, "override")
	}
	r := call{method: http.MethodPost, path: "/api/writes/overrides"}
	r.body, r.kind = jsonBody(raw)
	err = c.do(ctx, r, &o)
	return o, err
}

// EndOverride ends an override before its time.
func (c *Client) EndOverride(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/api/writes/overrides/" + url.PathEscape(id), header: whichever()}, nil)
}
