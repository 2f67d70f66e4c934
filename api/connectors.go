package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// ConnectorPath names a connector. It is exported as PageQuery is.
type ConnectorPath struct {
	Caller
	ID string `path:"id" maxLength:"1024" doc:"Id or name"`
}

type connectorList struct {
	PageQuery
	Category       string `query:"category" maxLength:"64" doc:"Only of this category"`
	ProviderType   string `query:"provider_type" maxLength:"64" doc:"Only of this provider type"`
	Status         string `query:"status" enum:"draft,connected,error" doc:"Only with this outcome of the last test"`
	IsEnabled      string `query:"is_enabled" enum:"true,false" doc:"Only those that are to run, or only the others"`
	OrganizationID string `query:"organization_id" maxLength:"1024" doc:"Another than one's own gives an empty list"`
}

// filter is what the query asks for.
func (in *connectorList) filter() control.ConnectorFilter {
	f := control.ConnectorFilter{Category: in.Category, ProviderType: in.ProviderType, Status: spec.ConnectionStatus(in.Status)}
	if in.IsEnabled != "" {
		enabled := in.IsEnabled == "true"
		f.Enabled = &enabled
	}
	return f
}

type connectorDefault struct {
	Caller
	Category string `query:"category" required:"true" minLength:"1" maxLength:"64" doc:"Category whose calls go to it"`
}

type connectorCreate struct {
	Caller
	Body client.Connector
}

type connectorUpdate struct {
	ConnectorPath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read; none: whichever there is"`
	Body    client.Connector
}

type connectorDelete struct {
	ConnectorPath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read; none: whichever there is"`
}

// connectorOutput is a connector with its revision.
type connectorOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     client.Connector
}

func answer(v control.ConnectorView, err error) (*connectorOutput, error) {
	if err != nil {
		return nil, err
	}
	return &connectorOutput{ETag: etag(v.Revision), Body: connectorForm(v)}, nil
}

func (s *Server) connectorRoutes() {
	s.connectorWrites()
	s.connectorVerbs()
	op := func(id, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{"connectors"}}
	}
	register(s, op("list-connectors", "/api/connectors", "List connectors, by id"), s.listConnectors)
	register(s, op("get-default-connector", "/api/connectors/default", "Show the active default connector of a category"),
		func(ctx context.Context, in *connectorDefault) (*connectorOutput, error) {
			return answer(in.tenant.DefaultConnector(ctx, in.Category))
		})
	register(s, op("get-connector", "/api/connectors/{id}", "Show a connector"),
		func(ctx context.Context, in *ConnectorPath) (*connectorOutput, error) {
			return answer(in.tenant.Connector(ctx, in.ID))
		})
	register(s, op("get-connector-status", "/api/connectors/{id}/status", "Show what a connector does now"),
		func(ctx context.Context, in *ConnectorPath) (*body[lifecycle.Status], error) {
			v, err := in.tenant.Connector(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return &body[lifecycle.Status]{v.Runtime}, nil
		})
	s.configRoutes()
	s.deviceRoutes()
}

func (s *Server) listConnectors(ctx context.Context, in *connectorList) (*body[client.List[client.Connector]], error) {
	out := &body[client.List[client.Connector]]{client.List[client.Connector]{Items: []client.Connector{}}}
	if in.OrganizationID != "" && in.OrganizationID != in.id {
		return out, nil
	}
	list, next, err := in.tenant.Connectors(ctx, in.filter(), in.page())
	if err != nil {
		return nil, err
	}
	for i := range list {
		out.Body.Items = append(out.Body.Items, connectorForm(list[i]))
	}
	out.Body.Next = next
	return out, nil
}

func (s *Server) connectorWrites() {
	tags := []string{"connectors"}
	register(s, huma.Operation{
		OperationID: "create-connector", Method: http.MethodPost, Path: "/api/connectors", Tags: tags,
		Summary: "Create a connector, as a draft", DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *connectorCreate) (*connectorOutput, error) {
		out, err := answer(in.tenant.CreateConnector(ctx, connectorOf(in.Body)))
		if err == nil {
			out.Location = "/api/connectors/" + out.Body.ID
		}
		return out, err
	})
	register(s, huma.Operation{
		OperationID: "update-connector", Method: http.MethodPut, Path: "/api/connectors/{id}", Tags: tags,
		Summary: "Replace what is set of a connector; one that runs is swapped",
	}, func(ctx context.Context, in *connectorUpdate) (*connectorOutput, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return answer(in.tenant.UpdateConnector(ctx, in.ID, connectorOf(in.Body), revision))
	})
	register(s, huma.Operation{
		OperationID: "delete-connector", Method: http.MethodDelete, Path: "/api/connectors/{id}", Tags: tags,
		Summary: "Stop a connector and delete it", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *connectorDelete) (*nothing, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		return nil, in.tenant.DeleteConnector(ctx, in.ID, revision)
	})
}

func (s *Server) connectorVerbs() {
	verb := func(id, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodPost, Path: path, Summary: summary, Tags: []string{"connectors"}}
	}
	register(s, verb("test-connector", "/api/connectors/{id}/test", "Test the connection; a test that fails is a result too"),
		func(ctx context.Context, in *ConnectorPath) (*body[client.TestResult], error) {
			r, err := in.tenant.TestConnector(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return &body[client.TestResult]{testForm(r)}, nil
		})
	register(s, verb("activate-connector", "/api/connectors/{id}/activate", "Start a connector, after a test if none has passed"),
		func(ctx context.Context, in *ConnectorPath) (*connectorOutput, error) {
			return answer(in.tenant.Activate(ctx, in.ID))
		})
	register(s, verb("deactivate-connector", "/api/connectors/{id}/deactivate", "Stop a connector"),
		func(ctx context.Context, in *ConnectorPath) (*connectorOutput, error) {
			return answer(in.tenant.Deactivate(ctx, in.ID))
		})
	s.laneRoutes()
	s.quarantineRoutes()
}

// connectorOf is what a caller may set.
func connectorOf(c client.Connector) control.ConnectorInput {
	return control.ConnectorInput{
		Name: c.Name, Module: c.Module, Category: c.Category, ProviderType: c.ProviderType, Version: c.Version,
		Params: c.Params, Config: c.Config, Converter: c.Converter, Grants: c.Grants, Limits: c.Limits, Poll: c.Poll,
		Default: c.IsDefault, Enabled: c.IsEnabled, Consent: c.Consent, Set: c.Set, Remote: c.Remote, DeviceManager: c.DeviceManager, Mapping: c.Mapping,
		OnChange: c.OnChange, Feed: c.Feed,
	}
}

func connectorForm(v control.ConnectorView) client.Connector {
	c := v.Connector
	return client.Connector{
		ID: c.ID, Name: c.Name, Category: c.Category, ProviderType: c.ProviderType, Module: c.Module, OrganizationID: v.Tenant,
		Params: c.Params, Config: c.Config, Converter: c.Converter, Grants: c.Grants, Limits: c.Limits, Poll: c.Poll,
		IsDefault: &c.Default, IsEnabled: &c.Enabled,
		Status: c.Status, StatusMessage: c.StatusMessage, LastTestedAt: c.LastTestedAt, OAuth: c.OAuth,
		Created: c.Created, Updated: c.Updated, Revision: c.Revision, Runtime: &v.Runtime,
		Consents: c.Consents, Warnings: v.Warnings, Set: c.Set, Remote: c.Remote, DeviceManager: c.DeviceManager, Mapping: c.Mapping,
		OnChange: c.OnChange, Feed: c.Feed, Hooks: addressesOf(c.ID, &v.Runtime),
	}
}

func testForm(r control.TestResult) client.TestResult {
	latency := float64(r.Latency.Microseconds()) / 1000
	details := make(map[string]any, len(r.Details))
	for name, text := range r.Details {
		details[name] = text
	}
	details["latency_ms"] = latency // a number among texts, for callers that look for it here
	return client.TestResult{Success: r.Success, Message: r.Message, Details: details, LatencyMS: latency, TestedAt: r.At}
}
