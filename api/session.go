package api

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// The names of the cookie that holds a session. With TLS it is one that a
// browser takes from this very host and over TLS alone.
const (
	sessionCookie       = "snaprail"
	sessionCookieSecure = "__Host-snaprail"
)

func sessionCookieName(r *http.Request) string {
	if r.TLS != nil {
		return sessionCookieSecure
	}
	return sessionCookie
}

// newSessionCookie is a cookie with a session's secret; "" takes it away. The
// session's end is the server's to keep, so that using it lengthens it.
func newSessionCookie(r *http.Request, secret string) http.Cookie {
	cookie := http.Cookie{ //nolint:gosec // Secure where there is TLS: an edge box serves its own network without
		Name: sessionCookieName(r), Value: secret, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	}
	if secret == "" {
		cookie.MaxAge = -1
	}
	return cookie
}

// sessionOf is the session's secret that a request brings; "" for none.
func sessionOf(r *http.Request) string {
	cookie, err := r.Cookie(sessionCookieName(r))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// whose is whose request it is: by its Authorization header, or without one by
// its session. touch says that it is a call, and not a look at whether an
// earlier one still holds.
func (s *Server) whose(ctx context.Context, c echo.Context, touch bool) (identity.Identity, error) {
	r := c.Request()
	header := r.Header.Get("Authorization")
	session := sessionOf(r)
	if header != "" || session == "" || s.cfg.Users == nil {
		token, err := bearer(header)
		if err != nil {
			return identity.Identity{}, err
		}
		return s.cfg.Tokens.Verify(ctx, token)
	}
	if !safe(r.Method) {
		if err := ownPage(r); err != nil {
			return identity.Identity{}, err
		}
	}
	return s.cfg.Users.VerifySession(ctx, session, touch)
}

// safe reports whether a method changes nothing.
func safe(method string) bool { return !changes(method) }

// ownPage refuses a request that a page of another site may have made: a
// browser sends the session's cookie with what any page asks of us, and says in
// headers that no page can set which one it was. One that says nothing is
// refused too.
func ownPage(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return fault.New(fault.CrossOrigin, "a request with a session says where it comes from, by Origin or Sec-Fetch-Site")
	}
	return notForeign(r)
}

// notForeign is ownPage for what needs no session, such as a login: a program
// that is no browser says nothing.
func notForeign(r *http.Request) error {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return fault.New(fault.CrossOrigin, "the request comes from a page that is not ours (Sec-Fetch-Site: %.40s)", site)
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	u, err := url.Parse(origin)
	same := err == nil && strings.EqualFold(u.Host, r.Host) && (u.Scheme == scheme || u.Scheme == "https") && u.Path == ""
	if !same {
		return fault.New(fault.CrossOrigin, "the request comes from %.200q, which is not this server", origin)
	}
	return nil
}

// remote is the address that a request comes from.
func remote(c echo.Context) netip.Addr {
	addr, _ := netip.ParseAddr(c.RealIP()) // the zero one stands for all that have none
	return addr
}
