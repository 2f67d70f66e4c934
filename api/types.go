package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
)

type typeList struct {
	Caller
	Category string `query:"category" maxLength:"64" doc:"Only of this category"`
}

// TypePath names a type. It is exported as PageQuery is.
type TypePath struct {
	Caller
	Category     string `path:"category" maxLength:"64" doc:"Name of the category"`
	ProviderType string `path:"provider_type" maxLength:"64" doc:"Provider type within the category"`
}

// present is the answer to HEAD: what is asked for is there.
type present struct{}

func (s *Server) typeRoutes() {
	tags := []string{"types"}
	register(s, huma.Operation{
		OperationID: "list-types", Method: http.MethodGet, Path: "/api/connectors/types", Tags: tags,
		Summary: "List the types of connectors, by category and name; those that are built in are marked",
	}, func(ctx context.Context, in *typeList) (*body[[]client.Type], error) {
		list, err := in.tenant.Types(ctx, in.Category)
		if err != nil {
			return nil, err
		}
		items := make([]client.Type, len(list))
		for i := range list {
			items[i] = typeForm(list[i])
		}
		return &body[[]client.Type]{items}, nil
	})
	register(s, huma.Operation{
		OperationID: "get-type", Method: http.MethodGet, Path: "/api/types/{category}/{provider_type}", Tags: tags,
		Summary: "Show a type, with what a connector of it needs",
	}, func(ctx context.Context, in *TypePath) (*body[client.TypeDetail], error) {
		d, err := in.tenant.Type(ctx, in.Category, in.ProviderType)
		if err != nil {
			return nil, err
		}
		return &body[client.TypeDetail]{detailForm(d)}, nil
	})
	register(s, huma.Operation{
		OperationID: "head-type", Method: http.MethodHead, Path: "/api/types/{category}/{provider_type}", Tags: tags,
		Summary: "Say whether there is a type", DefaultStatus: http.StatusOK,
	}, func(ctx context.Context, in *TypePath) (*present, error) {
		_, err := in.tenant.Type(ctx, in.Category, in.ProviderType)
		return &present{}, err
	})
}

func typeForm(t control.TypeView) client.Type {
	form := client.Type{
		ProviderType: t.ProviderType, DisplayName: t.DisplayName, Category: t.Category, Kind: t.Kind, Delivers: t.Delivers,
		Versions: make([]client.TypeVersion, len(t.Versions)), Module: t.Module, BuiltIn: t.BuiltIn,
	}
	for i, v := range t.Versions {
		form.Versions[i] = client.TypeVersion(v)
	}
	return form
}

func detailForm(d control.TypeDetail) client.TypeDetail {
	form := client.TypeDetail{
		Type: typeForm(d.TypeView), Description: d.Manifest.Description, ConfigSchema: d.Manifest.ConfigSchema,
		Can: d.Can, Cannot: d.Cannot, OAuth: d.Manifest.OAuth != nil,
	}
	for _, n := range d.Needs {
		form.Needs = append(form.Needs, client.Need(n))
	}
	return form
}
