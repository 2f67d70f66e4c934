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

// DeviceInput is what may be set of a device.
type DeviceInput struct {
	ID               string                 `json:"id,omitempty" maxLength:"256" doc:"The connector's own for it; only sent to add one"`
	Type             string                 `json:"type" minLength:"1" maxLength:"512" doc:"One that the connector's module serves"`
	Name             string                 `json:"name,omitempty" maxLength:"512" doc:"None: its id"`
	Tags             map[string]string      `json:"tags,omitempty" doc:"Texts by name: at most 64, with names of at most 64 bytes and values of at most 256"`
	Attributes       json.RawMessage        `json:"attributes,omitempty" doc:"Extension attributes: an object of at most 16 KiB"`
	Endpoint         string                 `json:"endpoint,omitempty" maxLength:"512" doc:"What it is reached through; devices may share one"`
	Config           json.RawMessage        `json:"config,omitempty" doc:"What the connector's module must know of it: an object of at most 16 KiB"`
	Poll             spec.Poll              `json:"poll,omitzero" doc:"How often it is asked; none: as the connector"`
	Converter        *spec.Converter        `json:"converter,omitempty" doc:"Takes the place of the connector's for this device"`
	AttributeUpdates []spec.AttributeUpdate `json:"attribute_updates,omitempty" maxItems:"64" doc:"What is sent to it when an attribute changes"`
	Mapping          []spec.Mapping         `json:"mapping,omitempty" maxItems:"64" doc:"Takes the place of the connector's for this device"`
}

// DeviceResult is a device after a change, and what came of it here and upstream.
type DeviceResult struct {
	Device   spec.Device `json:"device"`
	Local    bool        `json:"local" doc:"Whether it is so here, in the connector's own manager too"`
	Upstream bool        `json:"upstream" doc:"Whether the platform knows"`
	Reason   string      `json:"reason,omitempty" doc:"Why not"`
	Code     string      `json:"code,omitempty" doc:"Code of the reason's fault"`
	Pending  bool        `json:"pending,omitempty" doc:"Upstream has not been told yet: the device's registered says when it has"`
}

// TagInput is the value of a tag.
type TagInput struct {
	Tag   string `json:"tag" minLength:"1" maxLength:"64"`
	Value string `json:"value" maxLength:"256"`
}

// TagValue is the new value of a tag.
type TagValue struct {
	Value string `json:"value" maxLength:"256"`
}

// SyncInput says whose devices are to be brought in step.
type SyncInput struct {
	Connector string         `json:"connector,omitempty" maxLength:"1024" doc:"By id or name; none: all that have devices"`
	Timeout   *spec.Duration `json:"timeout,omitempty" doc:"How long the call waits, up to 5m; none: 10s"`
}

// SyncResult is what came of a sync, for each connector.
type SyncResult struct {
	Reports []DeviceReport `json:"reports"`
}

// DeviceReport is what a sync of a connector's devices came to.
type DeviceReport struct {
	Connector        string          `json:"connector"`
	Reason           string          `json:"reason" doc:"start: what it is told to had come up; requested: somebody asked"`
	Started          time.Time       `json:"started"`
	Ended            time.Time       `json:"ended"`
	Added            ReportedDevices `json:"added"`
	Updated          ReportedDevices `json:"updated"`
	Disconnected     ReportedDevices `json:"disconnected"`
	Deleted          ReportedDevices `json:"deleted"`
	Unchanged        int             `json:"unchanged"`
	Adopted          ReportedDevices `json:"adopted" doc:"Those that the connector's own manager had, and nobody else"`
	Failed           []DeviceFailure `json:"failed" doc:"What is tried again at the next sync, the first 100"`
	FailedCount      int             `json:"failed_count"`
	NeedsAction      []DeviceAction  `json:"needs_action" doc:"What nobody but people can do, the first 100"`
	NeedsActionCount int             `json:"needs_action_count"`
	Error            string          `json:"error,omitempty" doc:"Why it ended before it was through"`
	NoPlatform       bool            `json:"no_platform,omitempty" doc:"It ended since the tenant has no platform to tell of its devices; all else was done"`
}

// ReportedDevices are some devices, counted, with the first 100 ids.
type ReportedDevices struct {
	Count int      `json:"count"`
	IDs   []string `json:"ids,omitempty"`
}

// DeviceFailure is a device that upstream could not be told of.
type DeviceFailure struct {
	Device    string `json:"device"`
	Operation string `json:"operation"`
	Code      string `json:"code"`
	Reason    string `json:"reason"`
}

// DeviceAction is what people have to do.
type DeviceAction struct {
	Device string `json:"device"`
	Text   string `json:"text"`
}

// Patience is how long a change of a device waits for upstream; the zero value:
// as the server usually does.
type Patience struct {
	Timeout time.Duration
	NoWait  bool
}

func (p Patience) query() url.Values {
	q := url.Values{}
	if p.Timeout > 0 {
		q.Set("timeout", p.Timeout.String())
	}
	if p.NoWait {
		q.Set("wait", "false")
	}
	return q
}

// Device is one device of a connector.
func (c *Client) Device(ctx context.Context, connector, id string) (d spec.Device, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: devicePath(connector, id)}, &d)
	return d, err
}

// AddDevice adds a device to a connector.
func (c *Client) AddDevice(ctx context.Context, connector string, in DeviceInput, p Patience) (DeviceResult, error) {
	return c.changeDevice(ctx, http.MethodPost, connectorPath(connector, "/devices"), in, p)
}

// UpdateDevice replaces what may be set of a device.
func (c *Client) UpdateDevice(ctx context.Context, connector, id string, in DeviceInput, p Patience) (DeviceResult, error) {
	return c.changeDevice(ctx, http.MethodPut, devicePath(connector, id), in, p)
}

// DisconnectDevice takes a device away from here and leaves it upstream.
func (c *Client) DisconnectDevice(ctx context.Context, connector, id string, p Patience) (DeviceResult, error) {
	return c.changeDevice(ctx, http.MethodPost, devicePath(connector, id)+"/disconnect", nil, p)
}

// DeleteDevice deletes a device here and upstream.
func (c *Client) DeleteDevice(ctx context.Context, connector, id string, p Patience) (DeviceResult, error) {
	return c.changeDevice(ctx, http.MethodDelete, devicePath(connector, id), nil, p)
}

// AddTag gives a device a tag that it does not have.
func (c *Client) AddTag(ctx context.Context, connector, id string, tag TagInput, p Patience) (DeviceResult, error) {
	return c.changeDevice(ctx, http.MethodPost, devicePath(connector, id)+"/tags", tag, p)
}

// ChangeTag changes a tag that a device has.
func (c *Client) ChangeTag(ctx context.Context, connector, id string, tag TagInput, p Patience) (DeviceResult, error) {
	return c.changeDevice(ctx, http.MethodPut, tagPath(connector, id, tag.Tag), TagValue{tag.Value}, p)
}

// RemoveTag takes a tag from a device that has it.
func (c *Client) RemoveTag(ctx context.Context, connector, id, tag string, p Patience) (DeviceResult, error) {
	return c.changeDevice(ctx, http.MethodDelete, tagPath(connector, id, tag), nil, p)
}

// SyncDevices brings devices in step with their managers and with the platform.
func (c *Client) SyncDevices(ctx context.Context, in SyncInput) ([]DeviceReport, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "request")
	}
	var out SyncResult
	r := call{method: http.MethodPost, path: "/api/devices/sync"}
	r.body, r.kind = jsonBody(raw)
	err = c.do(ctx, r, &out)
	return out.Reports, err
}

// DeviceReport is what the last sync of a connector's devices came to.
func (c *Client) DeviceReport(ctx context.Context, connector string) (report DeviceReport, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: connectorPath(connector, "/sync")}, &report)
	return report, err
}

func (c *Client) changeDevice(ctx context.Context, method, path string, body any, p Patience) (out DeviceResult, err error) {
	r := call{method: method, path: path, query: p.query()}
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return out, fault.Wrap(fault.Internal, err, "request")
		}
		r.body, r.kind = jsonBody(raw)
	}
	err = c.do(ctx, r, &out)
	return out, err
}

func devicePath(connector, id string) string {
	return connectorPath(connector, "/devices/"+url.PathEscape(id))
}

func tagPath(connector, id, tag string) string {
	return devicePath(connector, id) + "/tags/" + url.PathEscape(tag)
}
