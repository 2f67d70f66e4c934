package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

type twinOutput struct {
	ETag string `header:"ETag"`
	Body client.Twin
}

type desireInput struct {
	DevicePath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of what was read to be wanted; none: whichever there is"`
	Timeout string `query:"timeout" maxLength:"16" example:"10s" doc:"How long the device's answer is waited for, up to 5m; none: 10s"`
	Body    client.Desire
}

type historyInput struct {
	DevicePath
	Tag    string `query:"tag" maxLength:"256" doc:"Only of this tag"`
	Since  string `query:"since" maxLength:"40" example:"2026-01-31T12:00:00Z" doc:"Only from this time on; none: all of the window"`
	Newest int    `query:"newest" minimum:"0" maximum:"10000" doc:"The newest so many of each tag; 0: all"`
}

func (s *Server) twinRoutes() {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: "/api/connectors/{id}/devices/{device}" + path, Summary: summary, Tags: []string{"devices"},
		}
	}
	register(s, op("get-twin", http.MethodGet, "/twin", "Show what is known of a device now, and what is wanted of it"),
		func(ctx context.Context, in *DevicePath) (*twinOutput, error) {
			return twinAnswer(in.tenant.Twin(ctx, in.ID, in.Device))
		})
	register(s, op("set-desired", http.MethodPut, "/twin/desired", "Say what is wanted of a device, and send it what of that it does not report so"),
		func(ctx context.Context, in *desireInput) (*twinOutput, error) {
			revision, err := parseRevision(in.IfMatch)
			if err != nil {
				return nil, err
			}
			p, err := WaitQuery{Timeout: in.Timeout}.patience()
			if err != nil {
				return nil, err
			}
			return twinAnswer(in.tenant.Desire(ctx, in.ID, in.Device, in.Body.Desired, revision, p.Wait))
		})
	register(s, op("get-history", http.MethodGet, "/history", "Show a device's readings in the window that is kept"), s.history)
}

func twinAnswer(v control.TwinView, err error) (*twinOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &twinOutput{Body: twinForm(v)}
	if v.Desired.Revision > 0 {
		out.ETag = etag(v.Desired.Revision)
	}
	return out, nil
}

func twinForm(v control.TwinView) client.Twin {
	t := client.Twin{
		ConnectorID: v.Connector, Device: v.Device, Telemetry: readings(v.Telemetry), Attributes: readings(v.Attributes),
		Desired: v.Desired.Values, Delta: v.Delta, DesiredBy: v.Desired.By, Revision: v.Desired.Revision,
	}
	if t.Desired == nil {
		t.Desired = map[string]json.RawMessage{}
	}
	if at := v.Desired.At; !at.IsZero() {
		t.DesiredAt = &at
	}
	if sent := v.Sent; sent != nil {
		t.Sent = &client.TwinSent{Success: sent.Success, Replies: []client.Reply{}}
		for i := range sent.Replies {
			t.Sent.Replies = append(t.Sent.Replies, replyForm(&sent.Replies[i], control.Shape{}))
		}
		if f := sent.Fault; f != nil {
			t.Sent.Code, t.Sent.Detail, t.Sent.Hint = f.Kind.String(), f.Text, f.Advice()
		}
	}
	return t
}

func readings(from map[string]control.Reading) map[string]client.Reading {
	all := make(map[string]client.Reading, len(from))
	for tag, r := range from {
		all[tag] = client.Reading{
			Value: r.Raw(), Unit: r.Unit, Quality: r.Quality, Time: time.Unix(0, r.Time).UTC(), Received: time.Unix(0, r.Received).UTC(),
		}
	}
	return all
}

func (s *Server) history(ctx context.Context, in *historyInput) (*body[client.History], error) {
	want := control.Range{Tag: in.Tag, Limit: in.Newest}
	if in.Since != "" {
		var err error
		if want.Since, err = time.Parse(time.RFC3339Nano, in.Since); err != nil {
			return nil, fault.New(fault.Invalid, "since %.40q is no time", in.Since).WithHint("Write it as 2026-01-31T12:00:00Z.")
		}
	}
	all, err := in.tenant.History(ctx, in.ID, in.Device, want)
	if err != nil {
		return nil, err
	}
	out := client.History{Tags: make(map[string][]client.Sample, len(all))}
	for tag, samples := range all {
		list := make([]client.Sample, len(samples))
		for i, one := range samples {
			list[i] = client.Sample{Value: one.Raw(), Quality: one.Quality, Time: time.Unix(0, one.Time).UTC()}
		}
		out.Tags[tag] = list
	}
	return &body[client.History]{out}, nil
}
