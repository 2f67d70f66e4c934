package api

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// LoginProvider lets people log in elsewhere, by the browser's way there and
// back.
type LoginProvider interface {
	// Begin is where a browser is sent to, and what it keeps until it is back at
	// redirect.
	Begin(ctx context.Context, redirect string) (address, kept string, err error)
	Finish(ctx context.Context, kept string, query url.Values, redirect string) (identity.External, error)
}

const (
	providerPath     = "/api/login/oidc"
	providerCallback = providerPath + "/callback"
	providerTime     = 10 * time.Minute
)

// providerRoutes are there when there is a provider.
func (s *Server) providerRoutes() {
	if s.cfg.Provider == nil || s.cfg.Users == nil {
		return
	}
	s.echo.GET(providerPath, s.beginProvider)
	s.echo.GET(providerCallback, s.finishProvider)
	for id, path := range map[string]string{"begin-oidc": providerPath, "finish-oidc": providerCallback} {
		s.document(&huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{"login"}, Security: nobody(),
			Summary: map[string]string{"begin-oidc": "Log in by the identity provider", "finish-oidc": "Where the identity provider sends a browser back to"}[id],
			Responses: map[string]*huma.Response{
				"200": {Description: "A page that leads to ours, with the session", Content: map[string]*huma.MediaType{typeHTML: text("HTML")}},
				"303": {Description: "The way to the identity provider", Headers: map[string]*huma.Header{"Location": textHeader("address")}},
			},
		})
	}
}

// providerCookie keeps a login under way in the browser that began it. It comes
// back with a navigation from the provider's site, so it is not Strict.
func providerCookie(r *http.Request, value string, age time.Duration) *http.Cookie {
	c := newSessionCookie(r, value) //nolint:gosec // HttpOnly, and Secure where there is TLS
	c.Name, c.SameSite, c.MaxAge = c.Name+"-oidc", http.SameSiteLaxMode, int(age.Seconds())
	return &c
}

func (s *Server) redirectOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return cmp.Or(s.cfg.PublicURL, scheme+"://"+r.Host) + providerCallback
}

func (s *Server) beginProvider(c echo.Context) error {
	r := c.Request()
	address, kept, err := s.cfg.Provider.Begin(r.Context(), s.redirectOf(r))
	if err != nil {
		return err
	}
	c.SetCookie(providerCookie(r, kept, providerTime))
	return c.Redirect(http.StatusSeeOther, address)
}

// finishProvider answers with a page that leads to ours: a browser that came
// from the provider's site would not send the session along with a redirect.
func (s *Server) finishProvider(c echo.Context) error {
	r := c.Request()
	kept := ""
	if cookie, err := r.Cookie(sessionCookieName(r) + "-oidc"); err == nil {
		kept = cookie.Value
	}
	c.SetCookie(providerCookie(r, "", -time.Second))
	who, err := s.cfg.Provider.Finish(r.Context(), kept, r.URL.Query(), s.redirectOf(r))
	if err != nil {
		s.metrics.authFailed(err)
		s.cfg.Audit.Note("", identity.Event{
			Who: identity.Who{Kind: identity.ByNobody, ID: c.RealIP()}, Action: identity.Login,
			Outcome: identity.Refused, Code: fault.Of(err).Kind.String(), Detail: "by the identity provider",
		})
		return err
	}
	secret, _, err := s.cfg.Users.Enter(r.Context(), who, remote(c))
	if err != nil {
		return err
	}
	session := newSessionCookie(r, secret)
	c.SetCookie(&session)
	c.Response().Header().Set("Content-Security-Policy", pagePolicy)
	return c.HTML(http.StatusOK, `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/"><title>Snaprail</title><p>Logged in. <a href="/">On to Snaprail</a>.</p>`)
}
