package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Twin is what is known of a device now.
type Twin struct {
	ConnectorID string                     `json:"connector_id"`
	Device      string                     `json:"device"`
	Telemetry   map[string]Reading         `json:"telemetry" doc:"Latest readings, by tag"`
	Attributes  map[string]Reading         `json:"attributes" doc:"Latest attributes as the device reports them, by name"`
	Desired     map[string]json.RawMessage `json:"desired" doc:"Values of attributes that are wanted of it"`
	Delta       map[string]json.RawMessage `json:"delta" doc:"What of those it does not report so"`
	DesiredAt   *time.Time                 `json:"desired_at,omitempty"`
	DesiredBy   string                     `json:"desired_by,omitempty"`
	Revision    uint64                     `json:"revision" doc:"Of what is wanted; the ETag"`
	Sent        *TwinSent                  `json:"sent,omitempty" doc:"What became of the update that a change of desired led to; none: there was nothing to send"`
}

// Reading is one value of a device.
type Reading struct {
	Value    json.RawMessage `json:"value" doc:"Any JSON; bytes are {base64: text}"`
	Unit     string          `json:"unit,omitempty" doc:"UCUM code"`
	Quality  uint32          `json:"quality" doc:"OPC UA StatusCode; 0 is good"`
	Time     time.Time       `json:"time" doc:"Of the device"`
	Received time.Time       `json:"received" doc:"When it came"`
}

// TwinSent is what became of an update of attributes.
type TwinSent struct {
	Success bool    `json:"success"`
	Replies []Reply `json:"replies"`
	Code    string  `json:"code,omitempty" doc:"As of problems, if it failed"`
	Detail  string  `json:"detail,omitempty"`
	Hint    string  `json:"hint,omitempty"`
}

// Desire is what is wanted of a device.
type Desire struct {
	Desired map[string]json.RawMessage `json:"desired" doc:"Values of attributes by name, all that are wanted: those that are not sent are wanted no more"`
}

// Sample is one reading of a history.
type Sample struct {
	Value   json.RawMessage `json:"value"`
	Quality uint32          `json:"quality,omitempty" doc:"OPC UA StatusCode; 0 is good"`
	Time    time.Time       `json:"time"`
}

// History are readings of a device, by tag and in the order of their time.
type History struct {
	Tags map[string][]Sample `json:"tags"`
}

// Twin is what is known of a device.
func (c *Client) Twin(ctx context.Context, connector, device string) (t Twin, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: devicePath(connector, device) + "/twin"}, &t)
	return t, err
}

// Desire replaces what is wanted of a device; revision is the one that was read,
// or 0 for whichever there is.
func (c *Client) Desire(ctx context.Context, connector, device string, values map[string]json.RawMessage, revision uint64) (t Twin, err error) {
	raw, err := json.Marshal(Desire{values})
	if err != nil {
		return t, fault.Wrap(fault.Usage, err, "what is wanted")
	}
	r := call{method: http.MethodPut, path: devicePath(connector, device) + "/twin/desired", header: ifMatch(revision)}
	r.body, r.kind = jsonBody(raw)
	err = c.do(ctx, r, &t)
	return t, err
}

// History is the window of a device's readings: of one tag or, with "", of all;
// since a time, if it is not zero; the newest so many of each tag, or all with 0.
func (c *Client) History(ctx context.Context, connector, device, tag string, since time.Time, limit int) (h History, err error) {
	q := url.Values{}
	if tag != "" {
		q.Set("tag", tag)
	}
	if !since.IsZero() {
		q.Set("since", since.UTC().Format(time.RFC3339Nano))
	}
	if limit > 0 {
		q.Set("newest", strconv.Itoa(limit))
	}
	err = c.do(ctx, call{method: http.MethodGet, path: devicePath(connector, device) + "/history", query: q}, &h)
	return h, err
}
