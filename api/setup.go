package api

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/fault"
)

// formPolicy is pagePolicy for a page with a form that is sent to us.
const formPolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const (
	mediaForm = "application/x-www-form-urlencoded"
	// maxForm bounds the body of a form, in bytes.
	maxForm = 16 << 10
)

// setupData is what the page of a one-time link shows.
type setupData struct {
	Link, Tenant, Name, Wanted, Problem string
	Done                                bool
	Ended                               string // why the link is of no use; "": it is
}

func (s *Server) setupRoutes() {
	s.echo.GET("/setup", s.setupPage)
	s.echo.POST("/setup", s.setupForm)
	html := map[string]*huma.MediaType{typeHTML: text("HTML")}
	unauthenticated := &huma.Response{Ref: "#/components/responses/" + s.problemOfStatus(s.huma.OpenAPI(), http.StatusUnauthorized)}
	page := s.forAnybody("get-set-up-page", "/setup", "The page of a one-time link", html)
	page.Parameters = append(page.Parameters, query("link", huma.TypeString, "The secret of the link"))
	page.Responses["401"] = unauthenticated
	form := &huma.Operation{
		OperationID: "set-up-by-form", Method: http.MethodPost, Path: "/setup", Tags: []string{"login"}, Security: nobody(),
		Summary: "Use a one-time link up, by the form of its page",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			mediaForm: {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: &huma.Schema{Type: huma.TypeString}}},
		}},
		Responses: map[string]*huma.Response{"200": {Description: "The page, with what came of it", Content: html}, "401": unauthenticated},
	}
	s.document(form)
}

// setupPage shows the form of a link, without using it up: some programs look
// at links before a person does.
func (s *Server) setupPage(c echo.Context) error {
	data := setupData{Link: c.QueryParam("link")}
	if err := s.invited(c, &data); err != nil {
		return s.ended(c, err)
	}
	return s.renderForm(c, http.StatusOK, data)
}

// ended tells a person, on a page, that a link is of no use any more. Programs
// are told as of everything else.
func (s *Server) ended(c echo.Context, err error) error {
	if !fault.Is(err, fault.Unauthenticated) || !strings.Contains(c.Request().Header.Get("Accept"), typeHTML) {
		return err
	}
	headersOf(c.Response().Header(), fault.Of(err))
	return s.renderForm(c, http.StatusUnauthorized, setupData{Ended: fault.Of(err).Text})
}

func (s *Server) invited(c echo.Context, data *setupData) (err error) {
	if s.cfg.Users == nil {
		return fault.New(fault.Unsupported, "this server has no users")
	}
	data.Tenant, data.Name, err = s.cfg.Users.Invited(c.Request().Context(), data.Link)
	if err != nil {
		s.metrics.authFailed(err)
	}
	return err
}

// setupForm uses a link up.
func (s *Server) setupForm(c echo.Context) error {
	if err := notForeign(c.Request()); err != nil {
		return err
	}
	form, err := s.readForm(c)
	if err != nil {
		return err
	}
	data := setupData{Link: form.Get("link"), Wanted: form.Get("name")}
	if err := s.invited(c, &data); err != nil {
		return s.ended(c, err)
	}
	if form.Get("password") != form.Get("again") {
		data.Problem = "The two passwords are not the same."
		return s.renderForm(c, http.StatusUnprocessableEntity, data)
	}
	user, err := s.cfg.Users.Redeem(c.Request().Context(), data.Link, data.Wanted, form.Get("password"))
	switch {
	case fault.Is(err, fault.Invalid) || fault.Is(err, fault.Exists):
		data.Problem = fault.Of(err).Text
		return s.renderForm(c, http.StatusUnprocessableEntity, data)
	case err != nil:
		return s.ended(c, err)
	}
	return s.renderForm(c, http.StatusOK, setupData{Tenant: user.Tenant, Name: user.Name, Done: true})
}

// readForm reads a body that a form sent, which is small, and so has little time
// for all of it: strangers may send one. When it fails the deadline stays, and
// the connection ends.
func (s *Server) readForm(c echo.Context) (url.Values, error) {
	r, conn := c.Request(), controller(c)
	_ = conn.SetReadDeadline(time.Now().Add(s.pace.silence)) // not every writer has one
	r.Body = http.MaxBytesReader(c.Response(), r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, fault.Wrap(fault.BodyInvalid, err, "form")
	}
	_ = conn.SetReadDeadline(time.Time{}) // the handler may take longer
	return r.PostForm, nil
}

func (s *Server) renderForm(c echo.Context, status int, data setupData) error {
	var b bytes.Buffer
	if err := s.pages.templates.ExecuteTemplate(&b, "setup.html", data); err != nil {
		return fault.Wrap(fault.Internal, err, "page setup.html")
	}
	c.Response().Header().Set("Content-Security-Policy", formPolicy)
	return c.HTMLBlob(status, b.Bytes())
}
