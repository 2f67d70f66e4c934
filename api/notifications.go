package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/spec"
)

// NotificationQuery asks for a page of notifications. It is exported as PageQuery
// is.
type NotificationQuery struct {
	PageQuery
	All bool `query:"all" doc:"Also those that somebody has acknowledged"`
}

type notificationPath struct {
	Caller
	ID string `path:"id" maxLength:"255" doc:"Id"`
}

func (s *Server) notificationRoutes() {
	tags := []string{"notifications"}
	register(s, huma.Operation{
		OperationID: "list-notifications", Method: http.MethodGet, Path: "/api/notifications", Tags: tags,
		Summary:     "List what connectors have to say to people, by id",
		Description: "Each is also an event of its connector, durable with the records of the step that told it.",
	}, func(ctx context.Context, in *NotificationQuery) (*body[client.List[spec.Notification]], error) {
		list, next, err := in.tenant.Notifications(ctx, in.page(), in.All)
		if err != nil {
			return nil, err
		}
		return &body[client.List[spec.Notification]]{client.List[spec.Notification]{Items: append([]spec.Notification{}, list...), Next: next}}, nil
	})
	register(s, huma.Operation{
		OperationID: "acknowledge-notification", Method: http.MethodPost, Path: "/api/notifications/{id}/acknowledge", Tags: tags,
		Summary:     "Say that somebody has seen to a notification",
		Description: "When the connector tells the same again it is listed again.",
	}, func(ctx context.Context, in *notificationPath) (*body[spec.Notification], error) {
		n, err := in.tenant.Acknowledge(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &body[spec.Notification]{n}, nil
	})
}
