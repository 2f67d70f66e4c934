package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// statusCookie lets a browser see the status page, and nothing else: no other
// handler looks at it.
const statusCookie = "snaprail_status"

// statusRows bounds the table of the status page.
const statusRows = 200

type statusData struct {
	Version, Uptime string
	SignedIn, More  bool
	Connectors      []statusRow
}

type statusRow struct {
	Name, State, Reason, Last string
	Records                   uint64
}

// statusPage shows what runs. Without a token it shows only itself.
func (s *Server) statusPage(c echo.Context) error {
	if token := c.QueryParam("token"); token != "" {
		return s.signIn(c, token)
	}
	data := statusData{Version: s.cfg.Version, Uptime: time.Since(s.started).Round(time.Second).String()}
	if cookie, err := c.Cookie(statusCookie); err == nil && cookie.Value != "" {
		err := s.enter(c.Request().Context(), c, cookie.Value)
		switch {
		case fault.Is(err, fault.Unauthenticated):
			s.authFailed(c, err)
			c.SetCookie(s.cookie(c, "", -1))
		case err != nil:
			return err
		default:
			if err := s.limited(c); err != nil {
				return err
			}
			if err := data.fill(c, tenantOf(c)); err != nil {
				return err
			}
		}
	}
	return s.render(c, "status.html", data)
}

// signIn takes the token out of the address, where it would be seen, into a
// cookie.
func (s *Server) signIn(c echo.Context, token string) error {
	if err := s.enter(c.Request().Context(), c, token); err != nil {
		s.authFailed(c, err)
		return err
	}
	const day = 24 * 60 * 60
	c.SetCookie(s.cookie(c, token, day))
	return c.Redirect(http.StatusSeeOther, "/")
}

func (s *Server) cookie(c echo.Context, token string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure where there is TLS: an edge box serves its own network without
		Name: statusCookie, Value: token, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.Request().TLS != nil,
	}
}

func (d *statusData) fill(c echo.Context, t *control.Tenant) error {
	list, next, err := t.Connectors(c.Request().Context(), control.ConnectorFilter{}, control.Page{Limit: statusRows})
	if err != nil {
		return err
	}
	d.SignedIn, d.More = true, next != ""
	for i := range list {
		r := &list[i].Runtime
		row := statusRow{
			Name: list[i].Name, State: string(r.State), Reason: r.Reason,
			Records: r.Counters.Records, Last: "none yet",
		}
		if last := r.Counters.LastRecord; !last.IsZero() {
			row.Last = last.UTC().Format("2006-01-02 15:04:05 UTC")
		}
		d.Connectors = append(d.Connectors, row)
	}
	return nil
}
