package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// healthz says that the process answers.
func (s *Server) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// readyz says whether it can take work.
func (s *Server) readyz(c echo.Context) error {
	select {
	case <-s.ending:
		return fault.New(fault.ShuttingDown, "the server is stopping")
	default:
	}
	if err := s.cfg.Control.Ready(c.Request().Context()); err != nil {
		return err
	}
	return c.String(http.StatusOK, "ready\n")
}

func (s *Server) version(c echo.Context) error {
	return c.JSON(http.StatusOK, client.Version{
		Version: s.cfg.Version, Contract: abi.Version{Major: abi.Major, Minor: abi.Minor},
	})
}
