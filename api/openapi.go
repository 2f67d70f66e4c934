package api

import (
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// document describes an operation whose handler is not huma's.
func (s *Server) document(op *huma.Operation) {
	s.huma.OpenAPI().AddOperation(op)
}

// schema is the schema of a type, as a reference.
func (s *Server) schema(t reflect.Type, name string) *huma.Schema {
	return s.huma.OpenAPI().Components.Schemas.Schema(t, true, name)
}

func text(description string) *huma.MediaType {
	return &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Description: description}}
}

func binary(description string) *huma.MediaType {
	return &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary", Description: description}}
}

func query(name, kind, description string) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: kind}}
}

// limitParam is how many entries of a list are asked for.
func limitParam() *huma.Param {
	least, most := 0.0, float64(maxLines)
	p := query("limit", huma.TypeInteger, "At most so many; 0: 500")
	p.Schema.Minimum, p.Schema.Maximum = &least, &most
	return p
}

func streamFormat() *huma.Param {
	p := query("format", huma.TypeString, "record, or cloudevents for the envelope of CloudEvents 1.0; none: record")
	p.Schema.Enum = []any{formatRecord, formatCloudEvent}
	return p
}

func lastEventID() *huma.Param {
	return &huma.Param{
		Name: "Last-Event-ID", In: "header", Schema: &huma.Schema{Type: huma.TypeString},
		Description: "Where to go on, in place of the query, as browsers send it",
	}
}

func (s *Server) documentUpload() {
	module := func(description string) *huma.Response {
		return &huma.Response{
			Description: description,
			Headers:     map[string]*huma.Header{"Location": {Schema: &huma.Schema{Type: huma.TypeString}}},
			Content:     map[string]*huma.MediaType{"application/json": {Schema: s.schema(reflect.TypeFor[client.Module](), "Module")}},
		}
	}
	s.document(&huma.Operation{
		OperationID: "create-module", Method: http.MethodPost, Path: "/api/modules", Tags: []string{"modules"},
		Summary:     "Upload a module",
		Description: "The module as it is, or a form with the parts module and, if the module has no manifest of its own, manifest.",
		Parameters: []*huma.Param{
			query("sha256", huma.TypeString, "Digest of the module in hex; another module is refused"),
			{
				Name: headerContentDigest, In: "header", Schema: &huma.Schema{Type: huma.TypeString},
				Description: "sha-256=:base64: (RFC 9530) of the module, also as a header of the form's part; another module is refused",
			},
		},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/wasm":         binary("A core module"),
			"application/octet-stream": binary("A core module"),
			"application/json": {Schema: &huma.Schema{
				Type: huma.TypeObject, Required: []string{"wasm"}, AdditionalProperties: true,
				Description: "An Extism manifest with exactly one module in it, as base64. Its config, limits and allowed hosts are kept as a proposal; the field snaprail holds the module's manifest.",
			}},
			"multipart/form-data": {Schema: &huma.Schema{
				Type: huma.TypeObject, Required: []string{"module"},
				Properties: map[string]*huma.Schema{
					"module":   {Type: huma.TypeString, Format: "binary"},
					"manifest": {Type: huma.TypeString, Description: "JSON"},
				},
			}},
		}},
		Responses: map[string]*huma.Response{
			"200": module("The tenant had this very module already"),
			"201": module("The module was taken in"),
		},
	})
}

func (s *Server) documentStream() {
	s.document(&huma.Operation{
		OperationID: "stream-records", Method: http.MethodGet, Path: "/api/stream", Tags: []string{"stream"},
		Summary: "Follow the records",
		Description: "Server-sent events named record, whose id is the record's position, or lines of JSON for `Accept: application/x-ndjson`. " +
			"A comment each 15 seconds says that the stream is alive; an event named problem says why it ends. " +
			"What is missing comes as a record of the kind gap.",
		Parameters: []*huma.Param{
			query("from", huma.TypeString, "A position behind which to start, start (the default), or now"),
			query("until", huma.TypeString, "now: end behind the records that there are now, with an event named end; without it the stream goes on"),
			query("connector", huma.TypeString, "Only of this connector, by id or name"),
			query("topic", huma.TypeString, "Only the events of one connector: /sources/ and its name"),
			streamFormat(),
			lastEventID(),
		},
		Responses: map[string]*huma.Response{"200": {Description: "The stream", Content: map[string]*huma.MediaType{
			typeEvents: text("Events"), typeLines: text("Lines of JSON"),
		}}},
	})
}

func (s *Server) documentLogs() {
	s.document(&huma.Operation{
		OperationID: "get-connector-logs", Method: http.MethodGet, Path: "/api/connectors/{id}/logs", Tags: []string{"connectors"},
		Summary:     "Read a connector's log, or follow it",
		Description: "With follow, server-sent events named line, whose id is the line's sequence, or lines of JSON.",
		Parameters: []*huma.Param{
			{Name: "id", In: "path", Required: true, Description: "Id or name", Schema: &huma.Schema{Type: huma.TypeString}},
			query("after", huma.TypeInteger, "Only lines behind this sequence"),
			limitParam(),
			query("follow", huma.TypeBoolean, "Go on with new lines"),
			lastEventID(),
		},
		Responses: map[string]*huma.Response{"200": {Description: "Lines, oldest first", Content: map[string]*huma.MediaType{
			"application/json": {Schema: s.schema(reflect.TypeFor[client.List[client.LogLine]](), "ListLogLine")},
			typeEvents:         text("Events"),
			typeLines:          text("Lines of JSON"),
		}}},
	})
}

// openAPI serves the document, which does not change once all routes are there.
func (s *Server) openAPI(kind string, marshal func(*huma.OpenAPI) ([]byte, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		doc, err := marshal(s.huma.OpenAPI())
		if err != nil {
			return fault.Wrap(fault.Internal, err, "OpenAPI document")
		}
		return c.Blob(http.StatusOK, kind, doc)
	}
}

func jsonDocument(doc *huma.OpenAPI) ([]byte, error) { return json.Marshal(doc) }

func yamlDocument(doc *huma.OpenAPI) ([]byte, error) { return doc.YAML() }
