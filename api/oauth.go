package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
)

// callbackPath is where authorization servers send browsers back to.
const callbackPath = "/api/connectors/oauth/callback/"

type oauthStart struct {
	ConnectorPath
	Body *client.OAuthRequest
	base string // of this server, as the caller reaches it
}

// Resolve notes under which address the server was asked.
func (in *oauthStart) Resolve(ctx huma.Context) []error {
	in.base = baseOf(humaecho.Unwrap(ctx).Request())
	return in.Caller.Resolve(ctx)
}

// baseOf is a server's own address. Whether the name is one of ours was looked
// at before.
func baseOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

type oauthCallback struct {
	Caller
	ProviderType     string `path:"provider_type" maxLength:"64" doc:"Of the connector that is connected"`
	Code             string `query:"code" maxLength:"8192" doc:"What the authorization server gives for tokens"`
	State            string `query:"state" maxLength:"512" doc:"connector:nonce, of the start"`
	Issuer           string `query:"iss" maxLength:"2048" doc:"Who sends the browser back (RFC 9207)"`
	Error            string `query:"error" maxLength:"1024" doc:"Why there is no code"`
	ErrorDescription string `query:"error_description" maxLength:"8192" doc:"The same for people"`
}

func (s *Server) oauthRoutes() {
	tags := []string{"connectors"}
	register(s, huma.Operation{
		OperationID: "start-connector-oauth", Method: http.MethodPost, Path: "/api/connectors/{id}/oauth/start", Tags: tags, Metadata: showsSecret(),
		Summary:     "Begin to connect a connector by OAuth",
		Description: "Somebody has to open authorize_url in a browser and agree, within ten minutes. The browser comes back to the callback, which only the same user or token can finish.",
	}, s.startOAuth)
	register(s, huma.Operation{
		OperationID: "finish-connector-oauth", Method: http.MethodGet, Path: callbackPath + "{provider_type}", Tags: tags,
		Summary:     "Finish what OAuth began: where authorization servers send browsers back to",
		Description: "Trades the code for tokens, keeps them as secrets of the connector, and tests it. A browser gets a page.",
	}, func(ctx context.Context, in *oauthCallback) (*body[client.OAuthResult], error) {
		done, err := in.tenant.FinishOAuth(ctx, control.OAuthCallback{
			ProviderType: in.ProviderType, Code: in.Code, State: in.State, Issuer: in.Issuer,
			Error: in.Error, ErrorDescription: in.ErrorDescription,
		})
		if err != nil {
			return nil, err
		}
		return &body[client.OAuthResult]{client.OAuthResult{
			Action:    client.Action{Type: "redirect", URL: "/connectors/" + url.PathEscape(done.Connector.ID)},
			Connector: done.Connector.ID, Test: testForm(done.Test),
		}}, nil
	})
}

func (s *Server) startOAuth(ctx context.Context, in *oauthStart) (*body[client.OAuthStart], error) {
	v, err := in.tenant.Connector(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var asked client.OAuthRequest
	if in.Body != nil {
		asked = *in.Body
	}
	base := strings.TrimRight(s.cfg.PublicURL, "/")
	if base == "" {
		base = in.base
	}
	begun, err := in.tenant.StartOAuth(ctx, v.ID, control.OAuthInput{
		RedirectURI: asked.RedirectURI, Callback: base + callbackPath + url.PathEscape(v.ProviderType),
	})
	if err != nil {
		return nil, err
	}
	return &body[client.OAuthStart]{client.OAuthStart{AuthorizeURL: begun.AuthorizeURL, State: begun.State, ExpiresAt: begun.ExpiresAt}}, nil
}
