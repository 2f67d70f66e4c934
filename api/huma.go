package api

import (
	"context"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// maxBody bounds a body of JSON.
const maxBody = 1 << 20

// newHuma makes the API of the JSON resources. Its errors take our form by a
// transformer, since the library's own place for that is a global.
func (s *Server) newHuma(e *echo.Echo) huma.API {
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	registry.RegisterTypeAlias(reflect.TypeFor[spec.Duration](), reflect.TypeFor[durationSchema]())
	api := humaecho.New(e, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Snaprail", Version: s.cfg.Version,
				Description: "Connectors, modules, devices and the stream of records. Every path under /api answers under /api/v1 too.",
			},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token": {Type: "http", Scheme: "bearer", Description: "A token; the server writes one into its data directory at its first start."},
				},
			},
			Security: []map[string][]string{{"token": {}}},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{s.transform},
	})
	api.UseMiddleware(s.admit)
	return api
}

// forgetForeign takes the library's own errors out of the document: they are
// never answered.
func forgetForeign(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
}

// schemaName names generic types without brackets, and tells the server's
// version from the contract's.
func schemaName(t reflect.Type, hint string) string {
	switch t {
	case reflect.TypeFor[client.Version]():
		return "ServerVersion"
	case reflect.TypeFor[client.Import](): // of a configuration; the other is a module's
		return "ConfigImport"
	}
	return strings.ReplaceAll(huma.DefaultSchemaNamer(t, hint), "Client", "")
}

// durationSchema is spec.Duration in the OpenAPI document.
type durationSchema struct{}

// Schema is huma's way to ask for it.
func (durationSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		OneOf:       []*huma.Schema{{Type: "string", Examples: []any{"1.5s"}}, {Type: "number"}},
		Description: "1.5s, 2m, or a number of seconds",
	}
}

// callContext is huma.Context under a name that does not hide its method
// Context when it is embedded.
type callContext = huma.Context

// operationContext is a call on its way through huma. Its status is ours as
// soon as it is known to be an error.
type operationContext struct {
	callContext
	status int
}

// SetStatus prefers the status of our table.
func (c *operationContext) SetStatus(code int) {
	if c.status != 0 {
		code = c.status
	}
	c.callContext.SetStatus(code)
}

// Unwrap lets the adapter find its own context.
func (c *operationContext) Unwrap() huma.Context { return c.callContext }

// public reports whether anybody may call an operation: it says so itself.
func public(op *huma.Operation) bool { return op.Security != nil && len(op.Security) == 0 }

// admit lets nobody in without a credential, unless all may come. It runs before
// everything else of an
// operation, so that no operation can be forgotten.
func (s *Server) admit(ctx huma.Context, next func(huma.Context)) {
	c := humaecho.Unwrap(ctx)
	if public(ctx.Operation()) {
		next(&operationContext{callContext: ctx})
		return
	}
	if err := s.admitted(c, func() error {
		next(&operationContext{callContext: ctx})
		return nil
	}); err != nil {
		s.fail(err, c)
	}
}

// Caller is the part of each operation's input that says whose call it is.
type Caller struct {
	tenant *control.Tenant
	id     string // of the tenant
}

// Resolve takes the tenant from the token, which admit has verified.
func (in *Caller) Resolve(ctx huma.Context) []error {
	c := humaecho.Unwrap(ctx)
	in.tenant, in.id = tenantOf(c), identityOf(c).Tenant
	return nil
}

// refusal carries a fault through huma.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }

// GetStatus makes it a huma.StatusError.
func (r *refusal) GetStatus() int { return faultOf(r.err).Kind.Info().Status }

// ContentType makes its body a problem.
func (r *refusal) ContentType(string) string { return problemType }

// register adds an operation whose errors are faults.
func register[I, O any](s *Server, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.MaxBodyBytes = maxBody
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, &refusal{err}
		}
		return out, nil
	})
}

// problemResponse is the answer to whatever fails, in the OpenAPI document.
func (s *Server) problemResponse() *huma.Response {
	schema := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[client.Problem](), true, "Problem")
	return &huma.Response{
		Description: "A problem; the codes are listed at /docs",
		Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
	}
}

// transform gives every error our form; other bodies pass.
func (s *Server) transform(ctx huma.Context, _ string, body any) (any, error) {
	var f *fault.Fault
	c := humaecho.Unwrap(ctx)
	switch e := body.(type) {
	case *refusal:
		f = s.public(c, e.err)
	case *huma.ErrorModel:
		f = fromHuma(e)
	default:
		return body, tag(ctx, body)
	}
	if o, ok := ctx.(*operationContext); ok {
		o.status = f.Kind.Info().Status
	}
	ctx.SetHeader("Content-Type", problemType)
	headersOf(c.Response().Header(), f)
	return problemOf(c, f), nil
}

// fromHuma is what huma found wrong with a request. The wrong values are not
// repeated: they may be secrets.
func fromHuma(e *huma.ErrorModel) *fault.Fault {
	f := ofStatus(e.Status, "")
	if e.Status == 422 || e.Status == 400 {
		f = ofStatus(e.Status, e.Detail)
	}
	for _, d := range e.Errors {
		if d == nil {
			continue
		}
		place, pointer := pointerOf(d.Location)
		detail := d.Message
		if place != "" {
			detail = place + ": " + detail
		}
		f.Fields = append(f.Fields, fault.Field{Pointer: pointer, Detail: detail})
	}
	return f
}

// pointerOf turns huma's body.grants[0].group into a JSON Pointer. Places
// outside of the body have none and are named instead.
func pointerOf(location string) (place, pointer string) {
	rest, ok := strings.CutPrefix(location, "body")
	if !ok {
		return location, ""
	}
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(rest, "."), ".") {
		name, indexes, indexed := strings.Cut(part, "[")
		if name != "" {
			b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
		}
		for index := range strings.SplitSeq(indexes, "[") {
			if indexed {
				b.WriteString("/" + strings.TrimSuffix(index, "]"))
			}
		}
	}
	return "", b.String()
}
