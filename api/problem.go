package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

const problemType = "application/problem+json"

// problemOf is a fault as the body of an answer.
func problemOf(c echo.Context, f *fault.Fault) client.Problem {
	info := f.Kind.Info()
	return client.Problem{
		Type: "/docs#" + info.Code, Title: info.Title, Status: info.Status,
		Detail: f.Text, Instance: c.Request().URL.Path, Code: info.Code, Hint: f.Advice(),
		Errors: f.Fields, Offset: max(f.Offset, 0), RequestID: requestID(c),
		RetryAfterMS: max(f.RetryAfter, 0).Milliseconds(),
	}
}

// headersOf are the headers that go with a fault.
func headersOf(h http.Header, f *fault.Fault) {
	if f.Kind == fault.Unauthenticated {
		h.Set("WWW-Authenticate", `Bearer realm="snaprail"`)
	}
	if f.RetryAfter > 0 {
		seconds := (f.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
}

// fail answers with a fault. Echo calls it for every error that a handler or
// the router returns.
func (s *Server) fail(err error, c echo.Context) {
	f := s.public(c, err)
	if c.Response().Committed {
		return // too late to say so
	}
	p := problemOf(c, f)
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(p) // strings and numbers always can be
	h := c.Response().Header()
	h.Set("Content-Type", problemType)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(text.Len()))
	headersOf(h, f)
	c.Response().WriteHeader(p.Status)
	if c.Request().Method != http.MethodHead {
		_, _ = c.Response().Write(text.Bytes()) // a client that has gone is no fault
	}
}

// public is err as the client may see it: without its tenant's secrets, and what is not a fault, or is the
// server's own failure, goes to the log and leaves only its kind.
func (s *Server) public(c echo.Context, err error) *fault.Fault {
	f := s.cfg.Control.Masked(c.Request().Context(), identityOf(c).Tenant, faultOf(err))
	switch f.Kind {
	case fault.Internal, fault.Integrity, fault.KeyWrong, fault.LogFailed: // what an operator has to know of
		s.cfg.Log.Error("request failed", "request", requestID(c), "method", c.Request().Method,
			"path", c.Request().URL.Path, "error", f)
	default:
	}
	if f.Kind == fault.Internal {
		return fault.New(fault.Internal, "the server failed; its log says why under request %s", requestID(c))
	}
	return f
}

// faultOf is the fault in err, where Echo's own errors are faults too.
func faultOf(err error) *fault.Fault {
	var f *fault.Fault
	var h *echo.HTTPError
	switch {
	case errors.As(err, &f):
		return fault.Of(err)
	case errors.As(err, &h):
		return ofStatus(h.Code, "")
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.New(fault.TooLarge, "the body is larger than %d bytes", tooLarge.Limit)
	}
	return fault.Of(err)
}

// ofStatus is the row of the table for what a library answers by status.
func ofStatus(status int, text string) *fault.Fault {
	kind, standard := fault.Internal, "the request failed"
	switch status {
	case http.StatusBadRequest:
		kind, standard = fault.BodyInvalid, "the request cannot be read"
	case http.StatusNotFound:
		kind, standard = fault.NotFound, "there is nothing at this path"
	case http.StatusMethodNotAllowed:
		kind, standard = fault.MethodUnsupported, "this path does not take this method"
	case http.StatusRequestTimeout:
		kind, standard = fault.Timeout, "the body did not arrive in time"
	case http.StatusRequestEntityTooLarge:
		kind, standard = fault.TooLarge, "the body is too large"
	case http.StatusUnsupportedMediaType:
		kind, standard = fault.MediaUnsupported, "the body is of a type that is not read here"
	case http.StatusUnprocessableEntity:
		kind, standard = fault.Invalid, "the request is not valid"
	}
	if text == "" {
		text = standard
	}
	f := fault.New(kind, "%s", text)
	if kind == fault.NotFound {
		f.Hint = "The API reference at /docs lists the paths."
	}
	return f
}
