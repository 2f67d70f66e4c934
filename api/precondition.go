package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/fault"
)

// needsRevision reports whether a change has to say which revision it changes.
// The connectors' own paths are those of their first specification, where
// If-Match is honoured and not asked for.
func needsRevision(method, path string) bool {
	switch method {
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		return strings.HasPrefix(path, "/api/") && path != "/api/connectors" && !strings.HasPrefix(path, "/api/connectors/")
	}
	return false
}

// precondition refuses a change that does not say what it changes, before
// anything of its body is read.
func precondition(c echo.Context) error {
	r := c.Request()
	if !needsRevision(r.Method, c.Path()) || strings.TrimSpace(r.Header.Get("If-Match")) != "" {
		return nil
	}
	return fault.New(fault.RevisionRequired, "%s here needs If-Match", r.Method)
}
