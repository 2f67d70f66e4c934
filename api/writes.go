package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
)

type writeApprove struct {
	Caller
	ID      string `path:"id" maxLength:"64" doc:"Id of the write"`
	Timeout string `query:"timeout" maxLength:"16" example:"10s" doc:"How long the replies may take, up to 5m; none: 10s"`
}

type overrideCreate struct {
	Caller
	Body client.OverrideInput
}

type overrideEnd struct {
	Caller
	ID      string `path:"id" maxLength:"64" doc:"Id of the override"`
	IfMatch string `header:"If-Match" maxLength:"64" doc:"*: an override has one revision"`
}

func (s *Server) writeRoutes() {
	tags := []string{"writes"}
	register(s, huma.Operation{
		OperationID: "list-writes", Method: http.MethodGet, Path: "/api/writes", Tags: tags,
		Summary: "List the writes that wait for a second person, and the overrides of interlocks",
	}, func(ctx context.Context, in *Caller) (*body[client.Writes], error) {
		list, err := in.tenant.Writes(ctx)
		if err != nil {
			return nil, err
		}
		return &body[client.Writes]{writesForm(list)}, nil
	})
	register(s, huma.Operation{
		OperationID: "approve-write", Method: http.MethodPost, Path: "/api/writes/{id}/approve", Tags: tags,
		Summary: "Approve a write that somebody else asked for, and send it", Metadata: showsSecret(), Responses: s.messageResponses(),
	}, s.approveWrite)
	register(s, huma.Operation{
		OperationID: "create-override", Method: http.MethodPost, Path: "/api/writes/overrides", Tags: tags,
		Summary: "Let writes through for a while that an interlock would refuse", DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *overrideCreate) (*body[client.Override], error) {
		o, err := in.tenant.Override(ctx, control.OverrideInput{
			Connector: in.Body.Connector, Device: in.Body.Device, Tags: in.Body.Tags, Reason: in.Body.Reason,
			Expires: time.Now().Add(time.Duration(in.Body.For)),
		})
		if err != nil {
			return nil, err
		}
		return &body[client.Override]{overrideForm(o)}, nil
	})
	register(s, huma.Operation{
		OperationID: "end-override", Method: http.MethodDelete, Path: "/api/writes/overrides/{id}", Tags: tags,
		Summary: "End an override before its time", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *overrideEnd) (*nothing, error) {
		if err := errTokenRevision(in.IfMatch); err != nil {
			return nil, err
		}
		return nil, in.tenant.EndOverride(ctx, in.ID)
	})
}

func (s *Server) approveWrite(ctx context.Context, in *writeApprove) (*huma.StreamResponse, error) {
	p, err := WaitQuery{Timeout: in.Timeout}.patience()
	if err != nil {
		return nil, err
	}
	e, err := in.tenant.ApproveWrite(ctx, in.ID, p.Wait)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	replies, err := collect(ctx, e, message{})
	if err != nil {
		return nil, err
	}
	return answered(func(c echo.Context) error { return s.answerReplies(c, replies) }), nil //nolint:contextcheck // a handler's context is its request's
}

func writesForm(list control.Writes) client.Writes {
	out := client.Writes{Waiting: []client.PendingWrite{}, Overrides: []client.Override{}}
	for _, p := range list.Waiting {
		w := client.PendingWrite{
			ID: p.ID, ConnectorID: p.Connector, Device: p.Device, Method: p.Method, By: p.String(), At: p.At, Expires: p.Expires,
			State: string(p.State), Approver: p.Approver.Name, Writes: []client.WrittenValue{},
		}
		for _, v := range p.Writes {
			w.Writes = append(w.Writes, client.WrittenValue(v))
		}
		out.Waiting = append(out.Waiting, w)
	}
	for _, o := range list.Overrides {
		out.Overrides = append(out.Overrides, overrideForm(o))
	}
	return out
}

func overrideForm(o control.Override) client.Override {
	return client.Override{
		ID: o.ID, ConnectorID: o.Connector, Device: o.Device, Tags: o.Tags, Reason: o.Reason, By: o.By, At: o.At, Expires: o.Expires,
	}
}
