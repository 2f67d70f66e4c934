package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
)

// SetPath names a set of connectors. It is exported as PageQuery is.
type SetPath struct {
	Caller
	Name string `path:"set" maxLength:"64" doc:"Name"`
}

type setProbe struct {
	SetPath
	Body client.SetProbe
}

type setCreate struct {
	Caller
	Body client.SetCreate
}

func (s *Server) setRoutes() {
	tags := []string{"sets"}
	register(s, huma.Operation{
		OperationID: "list-sets", Method: http.MethodGet, Path: "/api/sets", Tags: tags,
		Summary: "List the sets of connectors with their health, by name",
	}, func(ctx context.Context, in *PageQuery) (*body[client.List[client.Set]], error) {
		all, next, err := in.tenant.Sets(ctx, in.page())
		if err != nil {
			return nil, err
		}
		items := make([]client.Set, len(all))
		for i := range all {
			items[i] = setForm(all[i])
		}
		return &body[client.List[client.Set]]{client.List[client.Set]{Items: items, Next: next}}, nil
	})
	register(s, huma.Operation{
		OperationID: "get-set", Method: http.MethodGet, Path: "/api/sets/{set}", Tags: tags, Summary: "Show a set of connectors with its health",
	}, func(ctx context.Context, in *SetPath) (*body[client.Set], error) {
		return setAnswer(in.tenant.Set(ctx, in.Name))
	})
	register(s, huma.Operation{
		OperationID: "probe-set", Method: http.MethodPost, Path: "/api/sets/{set}/probe", Tags: tags,
		Summary: "Have a TCP port open for as long as a set is healthy, or none",
	}, func(ctx context.Context, in *setProbe) (*body[client.Set], error) {
		return setAnswer(in.tenant.ProbeSet(ctx, in.Name, in.Body.Port))
	})
	register(s, huma.Operation{
		OperationID: "create-set", Method: http.MethodPost, Path: "/api/sets", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Create a connector for each source of a server.config, as a set",
	}, func(ctx context.Context, in *setCreate) (*body[client.Set], error) {
		b := in.Body
		return setAnswer(in.tenant.CreateSet(ctx, control.SetInput{
			Name: b.Name, ServerConfig: []byte(b.ServerConfig), Remote: b.Remote, Module: b.Module,
			Category: b.Category, ProviderType: b.ProviderType, Version: b.Version, Grants: b.Grants,
		}))
	})
}

func setAnswer(v control.SetView, err error) (*body[client.Set], error) {
	if err != nil {
		return nil, err
	}
	return &body[client.Set]{setForm(v)}, nil
}

func setForm(v control.SetView) client.Set {
	c := client.Set{Name: v.Name, Health: v.Health, Declared: v.Declared, Working: v.Working, Members: v.Members, Warnings: v.Warnings}
	if v.Probe != nil {
		c.Probe = &client.Probe{Port: v.Probe.Port, Open: v.Probe.Open, Fixed: v.Probe.Fixed, Error: v.Probe.Error}
	}
	return c
}

// setExamples are those of the sets.
func setExamples() map[string]string {
	return map[string]string{
		"create-set": `{"name": "field", "remote": true, "server_config": "targetServer=https://rail.example.com/\nauthToken=…\nsources=press, oven\ntcpProbePort=8001\n"}`,
		"probe-set":  `{"tcp_probe_port": 8000}`,
	}
}
