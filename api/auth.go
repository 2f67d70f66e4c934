package api

import (
	"context"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// Verifier says whose a token is. An unknown token is fault.Unauthenticated.
type Verifier interface {
	Verify(ctx context.Context, token string) (identity.Identity, error)
}

// The names under which a request carries what authenticate found.
const (
	keyTenant   = "tenant"
	keyIdentity = "identity"
)

// authenticate finds out whose a request is, by its Authorization header or its
// session, and narrows the control plane to that tenant.
func (s *Server) authenticate(ctx context.Context, c echo.Context) error {
	return s.authenticateBy(ctx, c, true)
}

// stillHolds finds out whether the credential of a request that goes on for
// long still holds.
func (s *Server) stillHolds(ctx context.Context, c echo.Context) error {
	return s.authenticateBy(ctx, c, false)
}

func (s *Server) authenticateBy(ctx context.Context, c echo.Context, touch bool) error {
	who, err := s.whose(ctx, c, touch)
	if err == nil {
		err = s.narrow(c, who)
	}
	if err != nil {
		s.authFailed(c, err)
	}
	return err
}

// authFailed counts a caller that was not let in, and notes it in the server's
// audit trail: with the address alone, since a token that is not one may be a
// slip of the pen in one that is.
func (s *Server) authFailed(c echo.Context, err error) {
	s.metrics.authFailed(err)
	f := fault.Of(err)
	if f.Kind != fault.Unauthenticated {
		return
	}
	s.cfg.Audit.Note("", identity.Event{
		Who: identity.Who{Kind: identity.ByNobody, ID: c.RealIP()}, Action: identity.Login,
		Outcome: identity.Refused, Code: f.Kind.String(), Detail: f.Text,
	})
}

// enter verifies a token and notes whose it is.
func (s *Server) enter(ctx context.Context, c echo.Context, token string) error {
	who, err := s.cfg.Tokens.Verify(ctx, token)
	if err != nil {
		return err
	}
	return s.narrow(c, who)
}

// narrow notes whose a request is, and puts the control plane of their tenant
// into their hands.
func (s *Server) narrow(c echo.Context, who identity.Identity) error {
	tenant, err := s.cfg.Control.Tenant(who.Tenant)
	if fault.Is(err, fault.NotFound) { // it is being deleted, and its credentials with it
		return fault.New(fault.Unauthenticated, "the tenant is gone")
	}
	if err != nil {
		return err
	}
	c.Set(keyIdentity, who)
	c.Set(keyTenant, tenant.By(who))
	return nil
}

// bearer is the token of an Authorization header.
func bearer(header string) (string, error) {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", fault.New(fault.Unauthenticated, "the request has no bearer token")
	}
	return token, nil
}

// authenticated is a handler that is only reached with a token.
func (s *Server) authenticated(handle func(echo.Context, *control.Tenant) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		return s.admitted(c, func() error { return handle(c, tenantOf(c)) })
	}
}

// admitted runs what is for callers with a credential alone, unless the
// tenant's rate or a missing precondition is in its way. Nothing of a body has
// been read by then. Every handler of that kind comes through here.
func (s *Server) admitted(c echo.Context, handle func() error) error {
	if err := s.authenticate(c.Request().Context(), c); err != nil {
		return err
	}
	if err := s.limited(c); err != nil {
		return err
	}
	if err := precondition(c); err != nil {
		return err
	}
	return s.once(c, handle)
}

// tenantOf is the tenant of an authenticated request. Another one has none,
// and whoever forgot to authenticate it fails at the first call.
func tenantOf(c echo.Context) *control.Tenant {
	t, _ := c.Get(keyTenant).(*control.Tenant)
	return t
}

// identityOf is the identity of an authenticated request.
func identityOf(c echo.Context) identity.Identity {
	who, _ := c.Get(keyIdentity).(identity.Identity)
	return who
}
