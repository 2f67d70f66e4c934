package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// oauthPage is what a browser shows that has come back from an authorization
// server.
type oauthPage struct {
	Again         string // where to go at once; "": nowhere
	Connected     bool
	Title, Detail string
	Hint          string
	// Copy says that who began it may be in another program, which takes the
	// page's address.
	Copy bool
}

// comeBack marks the second try of a browser.
const comeBack = "snaprail_again"

// callbackPages answers the callback of OAuth with a page where a browser asks.
// Inside, the request is the same as any other.
//
// A browser that another site sends here leaves our session's cookie at home
// (SameSite=Strict). It is sent to the same address once more, by a page of our
// own: then the cookie comes along, and whoever began the connection is known.
// Nothing has happened by then, since nobody gets in without a credential.
func (s *Server) callbackPages(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, callbackPath) || !wantsPage(r) {
			return next(c)
		}
		w := c.Response().Writer
		kept := &keptAnswer{header: w.Header(), status: http.StatusOK}
		c.Response().Writer = kept
		if err := next(c); err != nil {
			s.fail(err, c)
		}
		c.Response().Writer = w
		page, status := pageOf(r, kept)
		var b bytes.Buffer
		if err := s.pages.templates.ExecuteTemplate(&b, "oauth.html", page); err != nil {
			return fault.Wrap(fault.Internal, err, "page")
		}
		h := w.Header()
		for _, name := range []string{"Content-Length", "ETag", "WWW-Authenticate"} {
			h.Del(name)
		}
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", pagePolicy)
		w.WriteHeader(status)
		_, _ = w.Write(b.Bytes()) // the browser has gone, or it has the page
		return nil
	}
}

// wantsPage reports whether a browser asks, and no program.
func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html") && r.Header.Get("Authorization") == ""
}

// pageOf makes a page of an answer.
func pageOf(r *http.Request, kept *keptAnswer) (oauthPage, int) {
	var done client.OAuthResult
	if kept.status == http.StatusOK && json.Unmarshal(kept.body.Bytes(), &done) == nil {
		page := oauthPage{Connected: true, Title: "Connected", Detail: done.Test.Message}
		if !done.Test.Success {
			page.Title = "Connected, and the test failed"
		}
		return page, http.StatusOK
	}
	if kept.status == http.StatusUnauthorized && r.URL.Query().Get(comeBack) == "" {
		return oauthPage{Title: "One moment", Again: r.URL.Path + "?" + r.URL.RawQuery + "&" + comeBack + "=1"}, http.StatusOK
	}
	var problem client.Problem
	if json.Unmarshal(kept.body.Bytes(), &problem) != nil {
		problem.Title = http.StatusText(kept.status)
	}
	return oauthPage{
		Title: problem.Title, Detail: problem.Detail, Hint: problem.Hint,
		Copy: kept.status == http.StatusUnauthorized || problem.Code == fault.OAuthState.String(),
	}, kept.status
}

// Refresh is the content of the page's refresh.
func (p oauthPage) Refresh() string { return "0;url=" + p.Again }

// keptAnswer keeps an answer that is small.
type keptAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (k *keptAnswer) Header() http.Header { return k.header }

// WriteHeader implements http.ResponseWriter.
func (k *keptAnswer) WriteHeader(status int) { k.status = status }

// Write implements http.ResponseWriter.
func (k *keptAnswer) Write(b []byte) (int, error) { return k.body.Write(b) }
