package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

type deviceList struct {
	PageQuery
	Connector string `query:"connector" maxLength:"1024" doc:"Only of this connector, by id or name"`
}

type connectorDevices struct {
	PageQuery
	ID string `path:"id" maxLength:"1024" doc:"Id or name"`
}

// DevicePath names a device of a connector. It is exported as PageQuery is.
type DevicePath struct {
	ConnectorPath
	Device string `path:"device" maxLength:"1024" doc:"Id of the device"`
}

// WaitQuery is how long a change of a device waits for upstream.
type WaitQuery struct {
	Timeout string `query:"timeout" maxLength:"16" example:"10s" doc:"How long upstream's word is waited for, up to 5m; none: 10s"`
	Wait    string `query:"wait" enum:"true,false" doc:"Whether to wait at all; false: the device's registered says later what upstream knows"`
}

func (q WaitQuery) patience() (p control.Patience, err error) {
	p.Later = q.Wait == "false"
	if q.Timeout == "" {
		return p, nil
	}
	if p.Wait, err = time.ParseDuration(q.Timeout); err != nil || p.Wait <= 0 {
		return p, fault.New(fault.Invalid, "timeout %q is no time to wait", q.Timeout).WithHint("Send a number with a unit: 10s, 500ms.")
	}
	return p, nil
}

// DeviceTarget is a change of one device. It is exported as PageQuery is.
type DeviceTarget struct {
	DevicePath
	WaitQuery
	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read; none: whichever there is"`
}

func (in *DeviceTarget) settings() (revision uint64, p control.Patience, err error) {
	if revision, err = parseRevision(in.IfMatch); err == nil {
		p, err = in.patience()
	}
	return revision, p, err
}

type deviceAdd struct {
	ConnectorPath
	WaitQuery
	Body client.DeviceInput
}

type deviceUpdate struct {
	DeviceTarget
	Body client.DeviceInput
}

type tagAdd struct {
	DeviceTarget
	Body client.TagInput
}

type tagChange struct {
	DeviceTarget
	Tag  string `path:"tag" maxLength:"256" doc:"Name of the tag"`
	Body client.TagValue
}

type tagRemove struct {
	DeviceTarget
	Tag string `path:"tag" maxLength:"256" doc:"Name of the tag"`
}

type deviceSync struct {
	Caller
	Body client.SyncInput
}

type deviceOutput struct {
	ETag string `header:"ETag"`
	Body spec.Device
}

// deviceResult is a device after a change. Location is that of a new one.
type deviceResult struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     client.DeviceResult
}

func changed(r control.DeviceResult, err error) (*deviceResult, error) {
	if err != nil {
		return nil, err
	}
	return &deviceResult{ETag: etag(r.Revision), Body: client.DeviceResult{
		Device: r.Device, Local: r.Local, Upstream: r.Upstream, Reason: r.Reason, Code: r.Code, Pending: r.Pending,
	}}, nil
}

// deviceOf is what a caller may set.
func deviceOf(in client.DeviceInput) spec.Device {
	return spec.Device{
		ID: in.ID, Type: in.Type, Name: in.Name, Tags: in.Tags, Attributes: in.Attributes, Endpoint: in.Endpoint,
		Config: in.Config, Poll: in.Poll, Converter: in.Converter, AttributeUpdates: in.AttributeUpdates, Mapping: in.Mapping,
	}
}

func reportForm(r *control.DeviceReport) client.DeviceReport {
	out := client.DeviceReport{
		Connector: r.Connector, Reason: r.Reason, Started: r.Started, Ended: r.Ended, Added: client.ReportedDevices(r.Added),
		Updated: client.ReportedDevices(r.Updated), Disconnected: client.ReportedDevices(r.Disconnected), Deleted: client.ReportedDevices(r.Deleted),
		Unchanged: r.Unchanged, Adopted: client.ReportedDevices(r.Adopted), FailedCount: r.FailedCount, NeedsActionCount: r.NeedsActionCount,
		Error: r.Error, NoPlatform: r.NoPlatform, Failed: []client.DeviceFailure{}, NeedsAction: []client.DeviceAction{},
	}
	for _, f := range r.Failed {
		out.Failed = append(out.Failed, client.DeviceFailure(f))
	}
	for _, a := range r.NeedsAction {
		out.NeedsAction = append(out.NeedsAction, client.DeviceAction(a))
	}
	return out
}

func (s *Server) deviceRoutes() {
	tags := []string{"devices"}
	register(s, huma.Operation{
		OperationID: "list-devices", Method: http.MethodGet, Path: "/api/devices", Tags: tags, Summary: "List devices",
	}, func(ctx context.Context, in *deviceList) (*body[client.List[spec.Device]], error) {
		return devices(in.tenant.Devices(ctx, in.Connector, in.page()))
	})
	register(s, huma.Operation{
		OperationID: "list-connector-devices", Method: http.MethodGet, Path: "/api/connectors/{id}/devices", Tags: tags,
		Summary: "List a connector's devices",
	}, func(ctx context.Context, in *connectorDevices) (*body[client.List[spec.Device]], error) {
		return devices(in.tenant.Devices(ctx, in.ID, in.page()))
	})
	register(s, huma.Operation{
		OperationID: "get-device", Method: http.MethodGet, Path: "/api/connectors/{id}/devices/{device}", Tags: tags,
		Summary: "Show a device",
	}, func(ctx context.Context, in *DevicePath) (*deviceOutput, error) {
		d, err := in.tenant.Device(ctx, in.ID, in.Device)
		if err != nil {
			return nil, err
		}
		return &deviceOutput{ETag: etag(d.Revision), Body: d}, nil
	})
	s.deviceWrites(tags)
	s.tagRoutes(tags)
	s.syncRoutes(tags)
}

// upstream is what every change of a device has in common.
const upstream = "What is asked for happens here first, and upstream afterwards, if the tenant has a platform: local and upstream say what came of it, " +
	"and what upstream could not be told it is told when the platform can be reached again."

func (s *Server) deviceWrites(tags []string) {
	register(s, huma.Operation{
		OperationID: "add-device", Method: http.MethodPost, Path: "/api/connectors/{id}/devices", Tags: tags,
		Summary: "Add a device to a connector, here and upstream", Description: upstream, DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *deviceAdd) (*deviceResult, error) {
		p, err := in.patience()
		if err != nil {
			return nil, err
		}
		out, err := changed(in.tenant.AddDevice(ctx, in.ID, deviceOf(in.Body), p))
		if err == nil {
			out.Location = "/api/connectors/" + url.PathEscape(out.Body.Device.Connector) + "/devices/" + url.PathEscape(out.Body.Device.ID)
		}
		return out, err
	})
	register(s, huma.Operation{
		OperationID: "update-device", Method: http.MethodPut, Path: "/api/connectors/{id}/devices/{device}", Tags: tags,
		Summary: "Replace what is set of a device, here and upstream", Description: upstream,
	}, func(ctx context.Context, in *deviceUpdate) (*deviceResult, error) {
		revision, p, err := in.settings()
		if err != nil {
			return nil, err
		}
		return changed(in.tenant.UpdateDevice(ctx, in.ID, in.Device, deviceOf(in.Body), revision, p))
	})
	register(s, huma.Operation{
		OperationID: "disconnect-device", Method: http.MethodPost, Path: "/api/connectors/{id}/devices/{device}/disconnect", Tags: tags,
		Summary: "Take a device away from here, and leave it upstream as disconnected", Description: upstream,
	}, func(ctx context.Context, in *DeviceTarget) (*deviceResult, error) {
		revision, p, err := in.settings()
		if err != nil {
			return nil, err
		}
		return changed(in.tenant.DisconnectDevice(ctx, in.ID, in.Device, revision, p))
	})
	register(s, huma.Operation{
		OperationID: "delete-device", Method: http.MethodDelete, Path: "/api/connectors/{id}/devices/{device}", Tags: tags,
		Summary: "Delete a device, here and upstream", Description: upstream,
	}, func(ctx context.Context, in *DeviceTarget) (*deviceResult, error) {
		revision, p, err := in.settings()
		if err != nil {
			return nil, err
		}
		return changed(in.tenant.DeleteDevice(ctx, in.ID, in.Device, revision, p))
	})
}

func (s *Server) tagRoutes(tags []string) {
	register(s, huma.Operation{
		OperationID: "add-tag", Method: http.MethodPost, Path: "/api/connectors/{id}/devices/{device}/tags", Tags: tags,
		Summary: "Give a device a tag that it does not have", DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *tagAdd) (*deviceResult, error) {
		revision, p, err := in.settings()
		if err != nil {
			return nil, err
		}
		return changed(in.tenant.AddTag(ctx, in.ID, in.Device, in.Body.Tag, in.Body.Value, revision, p))
	})
	register(s, huma.Operation{
		OperationID: "change-tag", Method: http.MethodPut, Path: "/api/connectors/{id}/devices/{device}/tags/{tag}", Tags: tags,
		Summary: "Change a tag that a device has",
	}, func(ctx context.Context, in *tagChange) (*deviceResult, error) {
		revision, p, err := in.settings()
		if err != nil {
			return nil, err
		}
		return changed(in.tenant.ChangeTag(ctx, in.ID, in.Device, in.Tag, in.Body.Value, revision, p))
	})
	register(s, huma.Operation{
		OperationID: "remove-tag", Method: http.MethodDelete, Path: "/api/connectors/{id}/devices/{device}/tags/{tag}", Tags: tags,
		Summary: "Take a tag from a device",
	}, func(ctx context.Context, in *tagRemove) (*deviceResult, error) {
		revision, p, err := in.settings()
		if err != nil {
			return nil, err
		}
		return changed(in.tenant.RemoveTag(ctx, in.ID, in.Device, in.Tag, revision, p))
	})
}

func (s *Server) syncRoutes(tags []string) {
	register(s, huma.Operation{
		OperationID: "sync-devices", Method: http.MethodPost, Path: "/api/devices/sync", Tags: tags,
		Summary:     "Bring devices in step with the platform, and with managers of the user's own",
		Description: "Devices are compared by hash, so that upstream is told only of what differs. This happens by itself when the platform's connector comes up.",
	}, func(ctx context.Context, in *deviceSync) (*body[client.SyncResult], error) {
		var p control.Patience
		if in.Body.Timeout != nil {
			p.Wait = time.Duration(*in.Body.Timeout)
		}
		reports, err := in.tenant.SyncDevices(ctx, in.Body.Connector, p)
		if err != nil {
			return nil, err
		}
		out := client.SyncResult{Reports: make([]client.DeviceReport, len(reports))}
		for i := range reports {
			out.Reports[i] = reportForm(&reports[i])
		}
		return &body[client.SyncResult]{out}, nil
	})
	register(s, huma.Operation{
		OperationID: "get-device-report", Method: http.MethodGet, Path: "/api/connectors/{id}/sync", Tags: tags,
		Summary: "Show what the last sync of a connector's devices came to",
	}, func(ctx context.Context, in *ConnectorPath) (*body[client.DeviceReport], error) {
		report, err := in.tenant.DeviceReport(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &body[client.DeviceReport]{reportForm(&report)}, nil
	})
}

func devices(list []spec.Device, next string, err error) (*body[client.List[spec.Device]], error) {
	if err != nil {
		return nil, err
	}
	if list == nil {
		list = []spec.Device{}
	}
	return &body[client.List[spec.Device]]{client.List[spec.Device]{Items: list, Next: next}}, nil
}
