package api

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
)

// The headers of a request that may be sent twice.
const (
	headerIdempotencyKey = "Idempotency-Key"
	headerReplayed       = "Idempotency-Replayed"
)

func idempotencyParam() *huma.Param {
	most := maxKey
	return &huma.Param{
		Name: headerIdempotencyKey, In: "header",
		Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &most, Examples: []any{"8e03978e-40d5-43e8-bc93-6894a57f9324"}},
		Description: "The same request with the same key is done once within 24 hours: sent again, it is answered as the first time, with " +
			headerReplayed + ": true",
	}
}

// documentPlain describes what is there for anybody: the pages, the document
// itself, and what machines ask for.
func (s *Server) documentPlain() {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		s.documentHealth(method, "/healthz", "Say that the process answers", "ok")
		s.documentHealth(method, "/readyz", "Say whether the server can take work", "ready")
	}
	s.forAnybody("get-version", "/version", "Say what the server is", map[string]*huma.MediaType{
		"application/json": {Schema: s.schema(reflect.TypeFor[client.Version](), "ServerVersion")},
	})
	s.forAnybody("get-openapi", "/openapi.json", "This document", map[string]*huma.MediaType{
		"application/openapi+json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
	})
	s.forAnybody("get-openapi-yaml", "/openapi.yaml", "This document as YAML", map[string]*huma.MediaType{"application/openapi+yaml": text("YAML")})
	s.forAnybody("get-docs", "/docs", "The API reference as a page", map[string]*huma.MediaType{typeHTML: text("HTML")})
	s.forAnybody("get-style", "/style.css", "The style of the pages", map[string]*huma.MediaType{typeCSS: text("CSS")})
	metrics := s.forAnybody("get-metrics", "/metrics", "The figures of the process, for Prometheus", map[string]*huma.MediaType{
		"text/plain": text("The text format of Prometheus"),
	})
	metrics.Description = "This machine is answered without a token, unless a proxy stands on it; others need one of the tenant that operates the server."
	metrics.Responses["401"] = &huma.Response{Ref: "#/components/responses/" + s.problemOfStatus(s.huma.OpenAPI(), http.StatusUnauthorized)}
	metrics.Responses["403"] = &huma.Response{Ref: "#/components/responses/" + s.problemOfStatus(s.huma.OpenAPI(), http.StatusForbidden)}
	page := s.forAnybody("get-status-page", "/", "The status page", map[string]*huma.MediaType{typeHTML: text("HTML")})
	page.Description = "With a token in the query, a cookie that opens this page alone takes its place."
	page.Parameters = append(page.Parameters, query("token", huma.TypeString, "A token, which a cookie takes the place of"))
	page.Responses["303"] = &huma.Response{Description: "Signed in", Headers: map[string]*huma.Header{"Location": textHeader("/")}}
	page.Responses["401"] = metrics.Responses["401"]
	page.Responses["429"] = &huma.Response{Ref: "#/components/responses/" + s.problemOfStatus(s.huma.OpenAPI(), http.StatusTooManyRequests)}
}

func (s *Server) documentHealth(method, path, summary, body string) {
	op := &huma.Operation{
		OperationID: map[string]string{http.MethodGet: "get", http.MethodHead: "head"}[method] + "-" + path[1:],
		Method:      method, Path: path, Summary: summary, Tags: []string{"server"}, Security: nobody(),
		Responses: map[string]*huma.Response{"200": {Description: "It does"}},
	}
	if method == http.MethodGet {
		op.Responses["200"].Content = map[string]*huma.MediaType{"text/plain": text(body)}
	}
	s.document(op)
}

// forAnybody describes an operation that anybody may call.
func (s *Server) forAnybody(id, path, summary string, content map[string]*huma.MediaType) *huma.Operation {
	op := &huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{"server"}, Security: nobody(),
		Responses: map[string]*huma.Response{"200": {Description: "What was asked for", Content: content}},
	}
	s.document(op)
	return op
}

// nobody is the security of an operation that needs no credential.
func nobody() []map[string][]string { return []map[string][]string{} }
