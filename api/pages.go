package api

import (
	"bytes"
	"embed"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/fault"
)

//go:embed page
var pageFiles embed.FS

// pagePolicy lets a page use our style sheet and nothing else.
const pagePolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// The content types of the pages.
const (
	typeHTML = "text/html"
	typeCSS  = "text/css"
)

// pages are the HTML pages: the status page and the API reference, which is
// made once, from the OpenAPI document.
type pages struct {
	templates *template.Template
	docs      reference
}

func newPages(doc *huma.OpenAPI) *pages {
	return &pages{
		templates: template.Must(template.ParseFS(pageFiles, "page/*.html")),
		docs:      newReference(doc),
	}
}

// render answers with a page, whole or not at all.
func (s *Server) render(c echo.Context, name string, data any) error {
	var b bytes.Buffer
	if err := s.pages.templates.ExecuteTemplate(&b, name, data); err != nil {
		return fault.Wrap(fault.Internal, err, "page %s", name)
	}
	c.Response().Header().Set("Content-Security-Policy", pagePolicy)
	return c.HTMLBlob(http.StatusOK, b.Bytes())
}

func (s *Server) style(c echo.Context) error {
	css, err := pageFiles.ReadFile("page/style.css")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "style sheet")
	}
	c.Response().Header().Set("Cache-Control", "max-age=300")
	return c.Blob(http.StatusOK, typeCSS+"; charset=utf-8", css)
}

func (s *Server) docsPage(c echo.Context) error { return s.render(c, "docs.html", s.pages.docs) }

// reference is what the API reference shows.
type reference struct {
	Version, Description string
	Operations           []operationDoc
	Schemas              []schemaDoc
	Problems             []fault.Info
}

type operationDoc struct {
	ID, Method, Path, Summary, Description string
	Rows                                   []rowDoc
}

type rowDoc struct{ Kind, Name, Text string }

type schemaDoc struct {
	Name   string
	Fields []fieldDoc
}

type fieldDoc struct{ Name, Type, Text string }

func newReference(doc *huma.OpenAPI) reference {
	r := reference{Version: doc.Info.Version, Description: doc.Info.Description}
	for _, k := range fault.Kinds() {
		r.Problems = append(r.Problems, k.Info())
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
			if op != nil {
				r.Operations = append(r.Operations, newOperationDoc(op))
			}
		}
	}
	schemas := doc.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		r.Schemas = append(r.Schemas, newSchemaDoc(name, schemas[name]))
	}
	return r
}

func newOperationDoc(op *huma.Operation) operationDoc {
	d := operationDoc{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description}
	for _, p := range op.Parameters {
		d.Rows = append(d.Rows, rowDoc{p.In, p.Name, p.Description})
	}
	if op.RequestBody != nil {
		d.Rows = append(d.Rows, contentRows("body", op.RequestBody.Content)...)
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if status == "default" {
			continue
		}
		rows := contentRows(status, op.Responses[status].Content)
		if len(rows) == 0 {
			rows = []rowDoc{{status, "", op.Responses[status].Description}}
		}
		d.Rows = append(d.Rows, rows...)
	}
	return d
}

func contentRows(kind string, content map[string]*huma.MediaType) (rows []rowDoc) {
	for _, media := range slices.Sorted(maps.Keys(content)) {
		rows = append(rows, rowDoc{kind, media, typeName(content[media].Schema)})
	}
	return rows
}

func newSchemaDoc(name string, s *huma.Schema) schemaDoc {
	d := schemaDoc{Name: name}
	for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[field]
		notes := []string{p.Description}
		if slices.Contains(s.Required, field) && !p.ReadOnly {
			notes = append(notes, "(required)")
		}
		if p.ReadOnly {
			notes = append(notes, "(filled in by the server)")
		}
		d.Fields = append(d.Fields, fieldDoc{field, typeName(p), strings.TrimSpace(strings.Join(notes, " "))})
	}
	return d
}

// typeName is a schema in a word or two.
func typeName(s *huma.Schema) string {
	switch {
	case s == nil:
		return "any"
	case s.Ref != "":
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	case s.Type == huma.TypeArray:
		return "list of " + typeName(s.Items)
	case len(s.OneOf) > 0:
		names := make([]string, len(s.OneOf))
		for i, one := range s.OneOf {
			names[i] = typeName(one)
		}
		return strings.Join(names, " or ")
	case len(s.Enum) > 0:
		names := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			text, _ := v.(string)
			names[i] = strconv.Quote(text)
		}
		return strings.Join(names, ", ")
	case s.Type == "":
		return "any"
	case s.Format != "":
		return s.Type + " (" + s.Format + ")"
	}
	return s.Type
}
