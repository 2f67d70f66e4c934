package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

// CategoryPath names a category. It is exported as PageQuery is.
type CategoryPath struct {
	Caller
	Name string `path:"category" maxLength:"64" doc:"Name"`
}

type categoryCreate struct {
	Caller
	Body client.Category
}

type categoryUpdate struct {
	CategoryPath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read, or *"`
	Body    client.Category
}

type categoryDelete struct {
	CategoryPath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read, or *"`
}

// categoryOutput is a category with its revision. One that is built in has
// none, and gets its ETag as whatever has none does.
type categoryOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     client.Category
}

func categoryAnswer(c spec.Category, err error) (*categoryOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &categoryOutput{Body: client.CategoryOf(c)}
	if c.Revision > 0 {
		out.ETag = etag(c.Revision)
	}
	return out, nil
}

func categoryOf(c client.Category) spec.Category {
	of := spec.Category{Name: c.Name, DisplayName: c.DisplayName, Description: c.Description}
	for _, o := range c.Operations {
		of.Operations = append(of.Operations, spec.Operation(o))
	}
	return of
}

// arguments are those of an operation: one object, as it was sent, since its
// fields are the provider's business.
type arguments json.RawMessage

// UnmarshalJSON keeps what is there.
func (a *arguments) UnmarshalJSON(raw []byte) error {
	*a = append((*a)[:0], raw...)
	return nil
}

// Schema is huma's way to ask for it.
func (arguments) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true,
		Description: "The operation's arguments by name, as its category lists them; bytes are in base64",
	}
}

// Waiting says how long a caller waits. It is exported as PageQuery is.
type Waiting struct {
	WaitMS int64 `query:"wait_ms" minimum:"0" maximum:"60000" doc:"How long to wait for the answer, in milliseconds; none: ten seconds"`
}

func (w Waiting) wait() time.Duration { return time.Duration(w.WaitMS) * time.Millisecond }

type categoryCall struct {
	CategoryPath
	Waiting
	Operation string `path:"operation" maxLength:"64" doc:"Name of the operation"`
	Body      arguments
}

type connectorCall struct {
	ConnectorPath
	Waiting
	Operation string `path:"operation" maxLength:"64" doc:"Name of the operation"`
	Body      arguments
}

func (s *Server) categoryRoutes() {
	s.categoryWrites()
	tags := []string{"categories"}
	register(s, huma.Operation{
		OperationID: "list-categories", Method: http.MethodGet, Path: "/api/categories", Tags: tags,
		Summary: "List categories, by name: those that are built in and the tenant's own",
	}, func(ctx context.Context, in *PageQuery) (*body[client.List[client.Category]], error) {
		all, next, err := in.tenant.Categories(ctx, in.page())
		if err != nil {
			return nil, err
		}
		items := make([]client.Category, len(all))
		for i := range all {
			items[i] = client.CategoryOf(all[i])
		}
		return &body[client.List[client.Category]]{client.List[client.Category]{Items: items, Next: next}}, nil
	})
	register(s, huma.Operation{
		OperationID: "get-category", Method: http.MethodGet, Path: "/api/categories/{category}", Tags: tags, Summary: "Show a category",
	}, func(ctx context.Context, in *CategoryPath) (*categoryOutput, error) {
		return categoryAnswer(in.tenant.Category(ctx, in.Name))
	})
	register(s, huma.Operation{
		OperationID: "call-category", Method: http.MethodPost, Path: "/api/categories/{category}/call/{operation}", Tags: tags, Metadata: showsSecret(),
		Summary: "Run an operation with the category's default connector, else with the provider that is built in",
	}, func(ctx context.Context, in *categoryCall) (*body[client.CallResult], error) {
		return called(in.tenant.CallCategory(ctx, in.Name, in.Operation, json.RawMessage(in.Body), in.wait()))
	})
	register(s, huma.Operation{
		OperationID: "call-connector", Method: http.MethodPost, Path: "/api/connectors/{id}/call/{operation}", Tags: []string{"connectors"}, Metadata: showsSecret(),
		Summary: "Run an operation of a connector, between two of its steps",
	}, func(ctx context.Context, in *connectorCall) (*body[client.CallResult], error) {
		return called(in.tenant.CallConnector(ctx, in.ID, in.Operation, json.RawMessage(in.Body), in.wait()))
	})
}

func (s *Server) categoryWrites() {
	tags := []string{"categories"}
	register(s, huma.Operation{
		OperationID: "create-category", Method: http.MethodPost, Path: "/api/categories", Tags: tags,
		Summary: "Add a category, with the operations that its providers must offer", DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *categoryCreate) (*categoryOutput, error) {
		out, err := categoryAnswer(in.tenant.AddCategory(ctx, categoryOf(in.Body)))
		if err == nil {
			out.Location = "/api/categories/" + out.Body.Name
		}
		return out, err
	})
	register(s, huma.Operation{
		OperationID: "update-category", Method: http.MethodPut, Path: "/api/categories/{category}", Tags: tags,
		Summary: "Replace a category of one's own; its modules must offer the operations",
	}, func(ctx context.Context, in *categoryUpdate) (*categoryOutput, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return categoryAnswer(in.tenant.UpdateCategory(ctx, in.Name, categoryOf(in.Body), revision))
	})
	register(s, huma.Operation{
		OperationID: "delete-category", Method: http.MethodDelete, Path: "/api/categories/{category}", Tags: tags,
		Summary: "Remove a category of one's own that no module is of", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *categoryDelete) (*nothing, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return nil, in.tenant.RemoveCategory(ctx, in.Name, revision)
	})
}

func called(r control.CallResult, err error) (*body[client.CallResult], error) {
	if err != nil {
		return nil, err
	}
	const millisecond = 1e6
	return &body[client.CallResult]{client.CallResult{
		Result: r.Result, Category: r.Category, ProviderType: r.ProviderType, ConnectorID: r.Connector, Connector: r.Name,
		BuiltIn: r.Connector == "", LatencyMS: float64(r.Latency.Nanoseconds()) / millisecond,
	}}, nil
}
