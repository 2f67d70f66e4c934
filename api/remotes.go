package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	remotes "github.com/snaprail/snaprail/api/remote"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// remotePath is where the code of remote connectors attaches: under /api/v1,
// which is another name of /api, it is the path that the SDK's client uses.
const remotePath = "/api/wsock/websocket"

func (s *Server) remoteRoutes() {
	door := remotes.New(remotes.Config{Ending: s.ending, Log: s.cfg.Log, Check: s.pace.recheck})
	s.echo.GET(remotePath, func(c echo.Context) error {
		s.hijacked.Add(1)
		defer s.hijacked.Done()
		door.Serve(c.Response(), c.Request(), guard{s, c})
		return nil
	})
	op := s.forAnybody("attach-remote-connector", remotePath, "Attach as the code of a remote connector, over a WebSocket", map[string]*huma.MediaType{
		"text/plain": text("What is here, for requests without an upgrade"),
	})
	op.Description = "The protocol is that of the Vantiq connector SDK, whose client uses the path /api/v1/wsock/websocket: " +
		"its first message brings the token, whose scope has to have remote:use, and its second the name of the source, which is the connector's."
	op.Responses["101"] = &huma.Response{Description: "The WebSocket is open"}
}

// guard lets the code of remote connectors in.
type guard struct {
	s *Server
	c echo.Context
}

// Enter implements remotes.Guard.
func (g guard) Enter(ctx context.Context, token string) (*control.Tenant, func(), error) {
	who, err := g.s.cfg.Tokens.Verify(ctx, token)
	if err == nil {
		err = g.s.narrow(g.c, who)
	}
	if err != nil {
		g.s.authFailed(g.c, err)
		return nil, nil, err
	}
	if err := g.s.spend(who, false, nil); err != nil {
		return nil, nil, err
	}
	leave, err := g.s.streams.enter(who.Tenant)
	if err != nil {
		return nil, nil, err
	}
	return tenantOf(g.c), leave, nil
}

// Holds implements remotes.Guard.
func (g guard) Holds(ctx context.Context, token string) error {
	who, err := g.s.cfg.Tokens.Verify(ctx, token)
	if err == nil && !who.May(identity.Remote, identity.Use, false) {
		return fault.New(fault.Unauthenticated, "the token may not attach any more")
	}
	return err
}
