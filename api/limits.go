package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/runtime/lifecycle"
)

type limitsInput struct{ Caller }

func (s *Server) limitRoutes() {
	register(s, huma.Operation{
		OperationID: "get-limits", Method: http.MethodGet, Path: "/api/limits", Tags: []string{"limits"},
		Summary: "Show what the tenant may have and what it uses",
	}, func(ctx context.Context, in *limitsInput) (*body[lifecycle.TenantLimits], error) {
		limits, err := in.tenant.Limits(ctx)
		if err != nil {
			return nil, err
		}
		return &body[lifecycle.TenantLimits]{limits}, nil
	})
}
