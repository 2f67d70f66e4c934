package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// OAuthRequest says how to connect.
type OAuthRequest struct {
	RedirectURI string `json:"redirect_uri,omitempty" maxLength:"2048" doc:"An address of one's own machine, as http://127.0.0.1:port/, for a program that waits there; none: this server's callback, or the config's redirect_uri"`
}

// OAuthStart is a connection that was begun.
type OAuthStart struct {
	AuthorizeURL string    `json:"authorize_url" doc:"Where the user's browser has to go"`
	State        string    `json:"state" doc:"What the authorization server sends back: connector:nonce; good once"`
	ExpiresAt    time.Time `json:"expires_at"`
}

// OAuthResult is what came of a connection.
type OAuthResult struct {
	Action    Action     `json:"action" doc:"What a console does next"`
	Connector string     `json:"connector" doc:"Id"`
	Test      TestResult `json:"test" doc:"Of the connection with its new tokens"`
}

// Action is something for a console to do.
type Action struct {
	Type string `json:"type" enum:"redirect"`
	URL  string `json:"url" doc:"Of a page of this server"`
}

// StartOAuth begins to connect a connector with its service.
func (c *Client) StartOAuth(ctx context.Context, id string, in OAuthRequest) (s OAuthStart, err error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return s, fault.Wrap(fault.Internal, err, "request")
	}
	r := call{method: http.MethodPost, path: connectorPath(id, "/oauth/start")}
	r.body, r.kind = jsonBody(raw)
	err = c.do(ctx, r, &s)
	return s, err
}

// FinishOAuth hands on the query that an authorization server sent a browser
// back with.
func (c *Client) FinishOAuth(ctx context.Context, providerType string, query url.Values) (v OAuthResult, err error) {
	err = c.do(ctx, call{
		method: http.MethodGet, path: "/api/connectors/oauth/callback/" + url.PathEscape(providerType), query: query,
	}, &v)
	return v, err
}
