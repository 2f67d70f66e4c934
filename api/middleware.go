package api

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/fault"
)

// How long the server waits.
const (
	// answerTimeout is how long a client may take to read an answer that is
	// not a stream.
	answerTimeout = time.Minute
	retryGate     = 5 * time.Second
)

const headerRequestID = "X-Request-Id"

// versioned makes /api/v1 another name of /api, before a route is looked for.
func versioned(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		u.Path = unversioned(u.Path)
		if u.RawPath != "" {
			u.RawPath = unversioned(u.RawPath)
		}
		return next(c)
	}
}

func unversioned(path string) string {
	rest, ok := strings.CutPrefix(path, "/api/v1")
	if ok && (rest == "" || rest[0] == '/') {
		return "/api" + rest
	}
	return path
}

// identified gives each request an id, its client's if that is a decent one.
func identified(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(headerRequestID)
		if !isRequestID(id) {
			id = rand.Text()
		}
		c.Response().Header().Set(headerRequestID, id)
		return next(c)
	}
}

func isRequestID(s string) bool {
	const most = 64
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	})
}

func requestID(c echo.Context) string { return c.Response().Header().Get(headerRequestID) }

// logged writes the access log. It knows no query, since that may hold a
// token, and no header.
func (s *Server) logged(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		begin := time.Now()
		if err := next(c); err != nil {
			c.Error(err)
		}
		level := slog.LevelInfo
		switch c.Path() {
		case "/", "/healthz", "/readyz", "/metrics", "/style.css":
			level = slog.LevelDebug // asked for by machines, all the time
		}
		r, w := c.Request(), c.Response()
		s.cfg.Log.LogAttrs(r.Context(), level, "request",
			slog.String("request", requestID(c)), slog.String("tenant", identityOf(c).Tenant),
			slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Int("status", w.Status), slog.Int64("bytes", w.Size),
			slog.Duration("took", time.Since(begin)), slog.String("remote", r.RemoteAddr))
		return nil
	}
}

// recovered turns a panic into a fault. The stack is for the log alone.
func (s *Server) recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel that is never wrapped
				panic(p)
			}
			s.cfg.Log.Error("handler panicked", "request", requestID(c), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "a handler panicked")
		}()
		return next(c)
	}
}

// guarded refuses names that are not ours, bounds the answer in time, and sets
// the headers that every answer has.
func (s *Server) guarded(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if !s.knows(c.Request().Host) {
			return fault.New(fault.WrongHost, "this server is not %q", c.Request().Host)
		}
		c.Response().Before(func() {
			_ = controller(c).SetWriteDeadline(time.Now().Add(answerTimeout)) // not every writer has one
		})
		if err := unescape(c); err != nil {
			return err
		}
		return next(c)
	}
}

// unescape decodes the parts of a path that stand for names. The router has
// matched the path as it was sent, so that an escaped slash ends no part.
func unescape(c echo.Context) error {
	if c.Request().URL.RawPath == "" {
		return nil // the path had nothing that had to stay escaped
	}
	values := slices.Clone(c.ParamValues())
	for i := range values {
		v, err := url.PathUnescape(values[i])
		if err != nil {
			return fault.Wrap(fault.BodyInvalid, err, "path")
		}
		values[i] = v
	}
	c.SetParamValues(values...)
	return nil
}

// controller reaches the connection of a request. It goes past Echo's
// response, whose Flush keeps errors to itself.
func controller(c echo.Context) *http.ResponseController {
	return http.NewResponseController(c.Response().Writer)
}

// knows reports whether the name in a Host header is one of ours. Without a
// list, all are.
func (s *Server) knows(host string) bool {
	if len(s.cfg.Hosts) == 0 {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	return slices.ContainsFunc(s.cfg.Hosts, func(known string) bool {
		return strings.EqualFold(known, host) || strings.EqualFold(known, name)
	})
}
