package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// TokenPath names a token. It is exported as PageQuery is.
type TokenPath struct {
	Caller
	ID string `path:"id" maxLength:"200" doc:"Id of the token, which is no secret"`
}

type tokenCreate struct {
	Caller
	Body client.TokenInput
}

type tokenDelete struct {
	TokenPath
	IfMatch string `header:"If-Match" doc:"*: a token has one revision"`
}

// errTokenRevision refuses another revision than the one that a token has.
func errTokenRevision(header string) error {
	revision, err := parseRevision(header)
	if err == nil && revision > 1 {
		err = fault.New(fault.StaleRevision, "a token has one revision, and this is not it").WithHint("Send If-Match: *.")
	}
	return err
}

func (s *Server) tokenRoutes() {
	tags := []string{"tokens"}
	register(s, huma.Operation{
		OperationID: "list-tokens", Method: http.MethodGet, Path: "/api/tokens", Tags: tags,
		Summary: "List tokens, without what would let anybody in", Description: "Who is no administrator sees their own.",
	}, func(ctx context.Context, in *PageQuery) (*body[client.List[client.Token]], error) {
		list, next, err := in.tenant.TokenList(ctx, in.page())
		if err != nil {
			return nil, err
		}
		items := make([]client.Token, len(list))
		for i := range list {
			items[i] = tokenForm(&list[i])
		}
		return &body[client.List[client.Token]]{client.List[client.Token]{Items: items, Next: next}}, nil
	})
	register(s, huma.Operation{
		OperationID: "create-token", Method: http.MethodPost, Path: "/api/tokens", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Make a token, which is shown this once", Metadata: showsSecret(),
		Description: "Everybody may make tokens of their own, of no higher role than they have; administrators make those of the tenant. " +
			"What a token makes stays within its scopes and ends with it.",
	}, func(ctx context.Context, in *tokenCreate) (*body[client.NewToken], error) {
		secret, info, err := in.tenant.CreateToken(ctx, control.TokenInput{
			Name: in.Body.Name, Role: identity.Role(in.Body.Role), Scopes: in.Body.Scopes, Expires: in.Body.Expires, Own: in.Body.Own,
		})
		if err != nil {
			return nil, err
		}
		return &body[client.NewToken]{client.NewToken{Token: tokenForm(&info), Secret: secret}}, nil
	})
	register(s, huma.Operation{
		OperationID: "revoke-token", Method: http.MethodDelete, Path: "/api/tokens/{id}", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary: "Revoke a token", Description: "Calls with it are refused at once, and the streams that it opened end within a second.",
	}, func(ctx context.Context, in *tokenDelete) (*nothing, error) {
		if err := errTokenRevision(in.IfMatch); err != nil {
			return nil, err
		}
		return nil, in.tenant.RevokeToken(ctx, in.ID)
	})
}

func tokenForm(i *identity.Info) client.Token {
	return client.Token{ID: i.ID, Name: i.Name, Role: string(i.Role), Scopes: i.Scopes, Created: i.Created, Expires: i.Expires, User: i.User}
}
