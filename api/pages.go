package api

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"

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
