package api

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// Visitor is the part of an operation's input that says where a call comes
// from. It is exported as PageQuery is.
type Visitor struct {
	request *http.Request
	from    netip.Addr
}

// Resolve takes it from the request.
func (in *Visitor) Resolve(ctx huma.Context) []error {
	c := humaecho.Unwrap(ctx)
	in.request, in.from = c.Request(), remote(c)
	return nil
}

type loginInput struct {
	Visitor
	Body client.Credentials
}

// session is an answer that begins or ends one.
type session[T any] struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      T
}

type sessionEnd struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

type meInput struct {
	Caller
	who identity.Identity
}

// Resolve takes who it is from the credential.
func (in *meInput) Resolve(ctx huma.Context) []error {
	in.who = identityOf(humaecho.Unwrap(ctx))
	return in.Caller.Resolve(ctx)
}

type setupInput struct {
	Visitor
	Body struct {
		Link     string `json:"link" maxLength:"200" example:"snl_first_4fGk" doc:"The secret of the link"`
		Name     string `json:"name,omitempty" maxLength:"64" example:"ada" doc:"Of the first administrator; other links know whose they are"`
		Password string `json:"password" maxLength:"1024" example:"correct horse battery"`
	}
}

type passwordInput struct {
	Caller
	Visitor
	Body struct {
		Old      string `json:"old" maxLength:"1024" example:"correct horse battery"`
		Password string `json:"password" maxLength:"1024" example:"staple of the horse"`
	}
}

// Resolve asks both parts.
func (in *passwordInput) Resolve(ctx huma.Context) []error {
	return append(in.Caller.Resolve(ctx), in.Visitor.Resolve(ctx)...)
}

func (s *Server) loginRoutes() {
	tags := []string{"login"}
	register(s, huma.Operation{
		OperationID: "login", Method: http.MethodPost, Path: "/api/login", Tags: tags, Security: nobody(),
		Summary: "Log in, for a session in a cookie",
		Description: "The cookie is good for 12 hours after it was used last, and for a week at most. Failed attempts slow their network and the account down; " +
			"who logs in from where they did before is not slowed down by strangers. Programs use tokens.",
		Metadata: showsSecret(),
	}, s.login)
	register(s, huma.Operation{
		OperationID: "logout", Method: http.MethodPost, Path: "/api/logout", Tags: tags, Security: nobody(),
		Summary: "End the session", DefaultStatus: http.StatusNoContent,
	}, s.logout)
	register(s, huma.Operation{
		OperationID: "set-up", Method: http.MethodPost, Path: "/api/setup", Tags: tags, Security: nobody(),
		Summary: "Use a one-time link up, to set a password", Description: "The link of a fresh server makes its first administrator.",
	}, s.setUp)
	register(s, huma.Operation{
		OperationID: "get-me", Method: http.MethodGet, Path: "/api/me", Tags: tags,
		Summary: "Say who the credential stands for and what it may do",
	}, func(_ context.Context, in *meInput) (*body[client.Me], error) {
		return &body[client.Me]{s.meForm(in.who)}, nil
	})
	register(s, huma.Operation{
		OperationID: "change-password", Method: http.MethodPost, Path: "/api/me/password", Tags: tags,
		Summary: "Change one's own password", DefaultStatus: http.StatusNoContent,
		Description: "It takes the old one, and ends one's other sessions.",
	}, func(ctx context.Context, in *passwordInput) (*nothing, error) {
		return nil, in.tenant.ChangePassword(ctx, in.Body.Old, in.Body.Password, in.from)
	})
}

func (s *Server) login(ctx context.Context, in *loginInput) (*session[client.Me], error) {
	if err := notForeign(in.request); err != nil {
		return nil, err
	}
	if s.cfg.Users == nil {
		return nil, fault.New(fault.Unsupported, "this server has no users").WithHint("Use a token.")
	}
	secret, who, err := s.cfg.Users.Login(ctx, identity.Attempt{
		Tenant: cmp.Or(in.Body.Tenant, s.cfg.Tenant), Name: in.Body.Name, Password: in.Body.Password, From: in.from,
	})
	if err != nil {
		s.metrics.authFailed(err)
		return nil, err
	}
	return &session[client.Me]{SetCookie: newSessionCookie(in.request, secret), Body: s.meForm(who)}, nil
}

func (s *Server) logout(ctx context.Context, in *struct{ Visitor }) (*sessionEnd, error) {
	secret := sessionOf(in.request)
	if secret != "" && s.cfg.Users != nil {
		if err := ownPage(in.request); err != nil {
			return nil, err
		}
		if err := s.cfg.Users.Logout(ctx, secret); err != nil {
			return nil, err
		}
	}
	return &sessionEnd{newSessionCookie(in.request, "")}, nil
}

func (s *Server) setUp(ctx context.Context, in *setupInput) (*body[client.Credentials], error) {
	if err := notForeign(in.request); err != nil {
		return nil, err
	}
	if s.cfg.Users == nil {
		return nil, fault.New(fault.Unsupported, "this server has no users").WithHint("Use a token.")
	}
	user, err := s.cfg.Users.Redeem(ctx, in.Body.Link, in.Body.Name, in.Body.Password)
	if err != nil {
		s.metrics.authFailed(err)
		return nil, err
	}
	return &body[client.Credentials]{client.Credentials{Tenant: user.Tenant, Name: user.Name}}, nil
}

// meForm is an identity as the API shows it.
func (s *Server) meForm(who identity.Identity) client.Me {
	operator := s.cfg.Control.Operates(who.Tenant)
	me := client.Me{
		Tenant: who.Tenant, Kind: string(who.Kind), ID: who.ID, Name: who.Name, User: who.UserName, Role: string(who.Role),
		Operator: operator, Permissions: []string{},
	}
	for _, p := range identity.Permissions() {
		for _, v := range identity.Verbs() {
			if who.May(p.Area, v, operator) {
				me.Permissions = append(me.Permissions, string(p.Area)+":"+string(v))
			}
		}
	}
	return me
}
