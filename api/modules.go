package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
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

// ModuleInput names a module. It is exported as PageQuery is.
type ModuleInput struct {
	Caller
	Digest string `path:"digest" maxLength:"128" doc:"Digest, or its first digits, at least 8"`
}

type moduleDelete struct {
	ModuleInput
	IfMatch string `header:"If-Match" maxLength:"128" doc:"ETag of the module, or *"`
}

// moduleOutput is a module with its ETag: it never changes, so that is its
// digest.
type moduleOutput struct {
	ETag string `header:"ETag"`
	Body client.Module
}

func moduleTag(v control.ModuleView) string { return `"` + v.Digest + `"` }

type moduleDifference struct {
	Caller
	Digest string `path:"digest" maxLength:"128" doc:"Digest of the module that is to be, or its first digits"`
	From   string `query:"from" maxLength:"128" doc:"Digest of the module that is there, or its first digits; required"`
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
	}, func(ctx context.Context, in *ModuleInput) (*moduleOutput, error) {
		v, err := in.tenant.Module(ctx, in.Digest)
		if err != nil {
			return nil, err
		}
		return &moduleOutput{ETag: moduleTag(v), Body: ModuleForm(v)}, nil
	})
	register(s, huma.Operation{
		OperationID: "compare-module", Method: http.MethodGet, Path: "/api/modules/{digest}/difference", Tags: []string{"modules"},
		Summary: "Say what changes when a module takes the place of another",
	}, func(ctx context.Context, in *moduleDifference) (*body[client.Difference], error) {
		d, err := in.tenant.Difference(ctx, in.From, in.Digest)
		if err != nil {
			return nil, err
		}
		return &body[client.Difference]{DifferenceForm(d)}, nil
	})
	register(s, huma.Operation{
		OperationID: "delete-module", Method: http.MethodDelete, Path: "/api/modules/{digest}", Tags: []string{"modules"},
		Summary: "Delete a module that no connector uses", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *moduleDelete) (*nothing, error) {
		v, err := in.tenant.Module(ctx, in.Digest)
		if err != nil {
			return nil, err
		}
		if in.IfMatch != "*" && in.IfMatch != moduleTag(v) {
			return nil, fault.New(fault.StaleRevision, "If-Match is not the ETag of this module")
		}
		return nil, in.tenant.DeleteModule(ctx, v.Digest)
	})
}

func moduleForm(m spec.Module) client.Module {
	return client.Module{
		Digest: m.Digest, Size: m.Size, Manifest: m.Manifest,
		Imports: m.Imports, Exports: m.Exports, Handles: m.Handles, Uploaded: m.Uploaded, Proposal: m.Proposal,
	}
}

// ModuleForm is a single module, with all that is known of it, as the API serves
// it.
func ModuleForm(v control.ModuleView) client.Module {
	form := moduleForm(v.Module)
	form.Capabilities = v.Manifest.Capabilities
	form.Can, form.Cannot, form.UsedBy = v.Can, v.Cannot, v.UsedBy
	for _, n := range v.Needs {
		form.Needs = append(form.Needs, client.Need(n))
	}
	form.Anatomy = &client.Anatomy{
		Toolchain: v.Anatomy.Toolchain, MemoryStart: v.Anatomy.MemoryStart, MemoryMost: v.Anatomy.MemoryMost,
		StartsCode: v.Anatomy.StartsCode, Extism: v.Anatomy.Extism, Sentences: v.Anatomy.Sentences(),
	}
	for _, b := range v.Anatomy.Bounds {
		form.Anatomy.Bounds = append(form.Anatomy.Bounds, client.Bound(b))
	}
	return form
}

// DifferenceForm is a difference as the API serves it.
func DifferenceForm(d control.Difference) client.Difference {
	list := func(s []string) []string { return append([]string{}, s...) } // [] rather than null
	return client.Difference{
		From: d.From, To: d.To, Consent: len(d.More) > 0,
		More: list(d.More), Fewer: list(d.Fewer), Other: list(d.Other),
	}
}
