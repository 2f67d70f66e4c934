package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

type laneList struct {
	PageQuery
	ID string `path:"id" maxLength:"1024" doc:"Id or name"`
}

func (s *Server) laneRoutes() {
	register(s, huma.Operation{
		OperationID: "list-connector-lanes", Method: http.MethodGet, Path: "/api/connectors/{id}/lanes", Tags: []string{"connectors"},
		Summary: "List the lanes of a connector with what each does now",
		Description: "A connector has one lane, whose name is empty, or one for each of its devices or endpoints, as its module says. " +
			"One that does not run has none.",
	}, func(ctx context.Context, in *laneList) (*body[client.List[lifecycle.Lane]], error) {
		list, next, err := in.tenant.Lanes(ctx, in.ID, in.page())
		if err != nil {
			return nil, err
		}
		if list == nil {
			list = []lifecycle.Lane{}
		}
		return &body[client.List[lifecycle.Lane]]{client.List[lifecycle.Lane]{Items: list, Next: next}}, nil
	})
	register(s, huma.Operation{
		OperationID: "reconnect-connector", Method: http.MethodPost, Path: "/api/connectors/{id}/reconnect", Tags: []string{"connectors"},
		Summary: "Close the connections of a connector that runs, and open them anew",
		Description: "Every lane closes its guest with the reason reconnect, then its sessions, and then opens both anew, in this order and at once. " +
			"A connector whose code is elsewhere is asked to come again.",
	}, func(ctx context.Context, in *ConnectorPath) (*connectorOutput, error) {
		return answer(in.tenant.Reconnect(ctx, in.ID))
	})
}
