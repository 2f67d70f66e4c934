package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

// PageQuery is how a list is asked for. It is exported because huma skips an
// embedded struct that is not.
type PageQuery struct {
	Caller
	After string `query:"after" maxLength:"1024" doc:"The next of the page before; none: from the start"`
	Limit int    `query:"limit" minimum:"0" maximum:"500" doc:"At most so many; 0: 100"`
}

func (p PageQuery) page() control.Page { return control.Page{After: p.After, Limit: p.Limit} }

// body is an answer of JSON.
type body[T any] struct{ Body T }

// nothing is an answer without a body.
type nothing struct{}

type moduleInput struct {
	Caller
	Digest string `path:"digest" maxLength:"128" doc:"Digest, or its first digits, at least 8"`
}

func (s *Server) moduleRoutes() {
	s.echo.POST("/api/modules", s.authenticated(s.upload))
	s.documentUpload()
	register(s, huma.Operation{
		OperationID: "list-modules", Method: http.MethodGet, Path: "/api/modules", Tags: []string{"modules"},
		Summary: "List modules, by digest",
	}, func(ctx context.Context, in *PageQuery) (*body[client.List[client.Module]], error) {
		list, next, err := in.tenant.Modules(ctx, in.page())
		if err != nil {
			return nil, err
		}
		items := make([]client.Module, len(list))
		for i := range list {
			items[i] = moduleForm(list[i])
		}
		return &body[client.List[client.Module]]{client.List[client.Module]{Items: items, Next: next}}, nil
	})
	register(s, huma.Operation{
		OperationID: "get-module", Method: http.MethodGet, Path: "/api/modules/{digest}", Tags: []string{"modules"},
		Summary: "Show a module, with what it can and cannot do",
	}, func(ctx context.Context, in *moduleInput) (*body[client.Module], error) {
		v, err := in.tenant.Module(ctx, in.Digest)
		if err != nil {
			return nil, err
		}
		form := moduleForm(v.Module)
		form.Capabilities = v.Manifest.Capabilities
		form.Can, form.Cannot, form.UsedBy = v.Can, v.Cannot, v.UsedBy
		return &body[client.Module]{form}, nil
	})
	register(s, huma.Operation{
		OperationID: "delete-module", Method: http.MethodDelete, Path: "/api/modules/{digest}", Tags: []string{"modules"},
		Summary: "Delete a module that no connector uses", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *moduleInput) (*nothing, error) {
		return nil, in.tenant.DeleteModule(ctx, in.Digest)
	})
}

func moduleForm(m spec.Module) client.Module {
	return client.Module{
		Digest: m.Digest, Size: m.Size, Manifest: m.Manifest,
		Imports: m.Imports, Exports: m.Exports, Uploaded: m.Uploaded,
	}
}
