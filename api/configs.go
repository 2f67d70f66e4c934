package api

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// mergePatch is the type of a body as RFC 7396 has it.
const mergePatch = "application/merge-patch+json"

type connectorPatch struct {
	ConnectorPath
	IfMatch string          `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read; none: whichever there is"`
	Body    json.RawMessage `contentType:"application/merge-patch+json"`
}

type paramsUpdate struct {
	ConnectorPath
	IfMatch string `header:"If-Match" maxLength:"64" doc:"ETag of the revision that was read; none: whichever there is"`
	Body    client.Params
}

// paramsOutput are rows with the revision of their connector.
type paramsOutput struct {
	ETag string `header:"ETag"`
	Body client.Params
}

func paramsAnswer(rows []spec.Param, revision uint64) *paramsOutput {
	if rows == nil {
		rows = []spec.Param{}
	}
	return &paramsOutput{ETag: etag(revision), Body: client.Params{Params: rows}}
}

type configInput struct {
	ConnectorPath
	Reveal bool `query:"reveal" doc:"Show the values of secrets: needs secrets:write, and is noted in the audit trail"`
}

type configOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         client.Assembled
}

// configRoutes are those of what a connector is configured with.
func (s *Server) configRoutes() {
	s.patchRoute()
	s.paramRoutes()
	register(s, huma.Operation{
		OperationID: "get-connector-config", Method: http.MethodGet, Path: "/api/connectors/{id}/config", Tags: []string{"connectors"},
		Summary: "Show the configuration as it is put together, with its secrets masked",
	}, func(ctx context.Context, in *configInput) (*configOutput, error) {
		config, err := in.tenant.Config(ctx, in.ID, in.Reveal)
		if err != nil {
			return nil, err
		}
		return &configOutput{CacheControl: "no-store", Body: client.Assembled{Success: true, Config: config}}, nil
	})
	s.importRoute()
}

func (s *Server) patchRoute() {
	register(s, huma.Operation{
		OperationID: "patch-connector", Method: http.MethodPatch, Path: "/api/connectors/{id}", Tags: []string{"connectors"},
		Summary: "Change some of what is set of a connector",
		Description: "A JSON merge patch (RFC 7396) of what create takes: what is not named stays, null takes away, and a list is replaced as a whole. " +
			"With version, or another type, the module becomes that of the type.",
	}, func(ctx context.Context, in *connectorPatch) (*connectorOutput, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		if err := knownMembers(in.Body); err != nil {
			return nil, err
		}
		return answer(in.tenant.PatchConnector(ctx, in.ID, in.Body, revision))
	})
}

// knownMembers refuses members of a patch that a connector does not have, as
// create does: a slip of the pen would change nothing, and nobody would know.
func knownMembers(patch json.RawMessage) error {
	var said map[string]json.RawMessage
	if json.Unmarshal(patch, &said) != nil {
		return nil //nolint:nilerr // it is no object, and refused as that
	}
	var bad []fault.Field
	form := reflect.TypeFor[client.Connector]()
	for _, name := range slices.Sorted(maps.Keys(said)) {
		known := slices.ContainsFunc(reflect.VisibleFields(form), func(f reflect.StructField) bool {
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			return tag == name
		})
		if !known && len(bad) < maxUnknown {
			at := strings.NewReplacer("~", "~0", "/", "~1").Replace(fault.Clip(name, 80))
			bad = append(bad, fault.Field{Pointer: "/" + at, Detail: "unexpected property"})
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "the patch names what a connector does not have").WithFields(bad...)
}

// maxUnknown is how many unknown members of a patch are named.
const maxUnknown = 20

func (s *Server) paramRoutes() {
	register(s, huma.Operation{
		OperationID: "list-connector-params", Method: http.MethodGet, Path: "/api/connectors/{id}/params", Tags: []string{"connectors"},
		Summary: "List the rows of a connector's configuration",
	}, func(ctx context.Context, in *ConnectorPath) (*paramsOutput, error) {
		rows, revision, err := in.tenant.Params(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return paramsAnswer(rows, revision), nil
	})
	register(s, huma.Operation{
		OperationID: "set-connector-params", Method: http.MethodPut, Path: "/api/connectors/{id}/params", Tags: []string{"connectors"},
		Summary: "Replace the rows of a connector's configuration; a secret without a value keeps the one that it has",
	}, func(ctx context.Context, in *paramsUpdate) (*paramsOutput, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return nil, err
		}
		v, err := in.tenant.SetParams(ctx, in.ID, in.Body.Params, revision)
		if err != nil {
			return nil, err
		}
		return paramsAnswer(v.Params, v.Revision), nil
	})
}
