package control

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// OAuthInput says where an authorization server is to send the browser back to.
type OAuthInput struct {
	// RedirectURI is an address of the caller's own machine, for a program that
	// waits there (RFC 8252): http, and a loopback address. "": the server's.
	RedirectURI string
	// Callback is the server's own callback, as its caller reaches it. The
	// config's redirect_uri takes its place.
	Callback string
}

// OAuthStart is a connection that was begun: the user's browser has to go to
// AuthorizeURL until ExpiresAt.
type OAuthStart struct {
	AuthorizeURL string
	State        string // connector:nonce
	ExpiresAt    time.Time
}

// oauthClient is what is read of a config by the host itself. It is the host's
// own business only where the module leaves the flow to it.
type oauthClient struct {
	ID           string   `json:"client_id"`
	Secret       string   `json:"client_secret"`
	RedirectURI  string   `json:"redirect_uri"`
	Scopes       wordList `json:"scopes"`
	RefreshToken string   `json:"refresh_token"`
}

// wordList is a list of texts, or one text with blanks between its words. What
// is neither is none: it is the module's own affair then.
type wordList []string

// UnmarshalJSON reads both forms.
func (l *wordList) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*l = strings.Fields(text)
		return nil
	}
	var words []string
	if json.Unmarshal(raw, &words) == nil {
		*l = words
	}
	return nil
}

// oauthParty is a connector whose module gets tokens by OAuth.
type oauthParty struct {
	connector spec.Connector
	module    spec.Module
	config    json.RawMessage // with its secrets
	client    oauthClient
	schema    *param.Schema // of the config; nil: none
}

// StartOAuth begins to connect a connector with its service: somebody has to
// agree there, in a browser, within ten minutes. fault.Unsupported: the module
// knows no OAuth.
func (t *Tenant) StartOAuth(ctx context.Context, idOrName string, in OAuthInput) (OAuthStart, error) {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return OAuthStart{}, err
	}
	p, err := t.oauthParty(ctx, idOrName)
	if err != nil {
		return OAuthStart{}, err
	}
	if p.endpoints().TokenURL != "" {
		if _, err := t.tokenGrant(&p); fault.Is(err, fault.NotGrantable) { // before anybody agrees to it
			t.refusal(identity.ConnectorConnect, &p.connector, err)
			return OAuthStart{}, err
		}
	}
	redirect, err := redirectOf(in, &p)
	if err != nil {
		return OAuthStart{}, err
	}
	now := time.Now()
	var nonce string
	var state oauthState
	err = t.space.Update(ctx, func(w store.Writer) (err error) {
		if nonce, state, err = beginOAuth(w, &p.connector, t.as, redirect, now); err != nil {
			return err
		}
		e := t.event(identity.ConnectorConnect, &p.connector)
		e.Detail = "begun"
		return identity.Append(w, e)
	})
	if err != nil {
		return OAuthStart{}, err
	}
	begun := OAuthStart{State: p.connector.ID + ":" + nonce, ExpiresAt: state.Expires.UTC()}
	begun.AuthorizeURL, err = t.authorizeURL(ctx, &p, state, begun.State)
	return begun, err
}

// oauthParty reads a connector with its module and its config, opened.
func (t *Tenant) oauthParty(ctx context.Context, idOrName string) (p oauthParty, err error) {
	if p.connector, err = t.read(ctx, idOrName); err != nil {
		return p, err
	}
	if p.module, err = t.shelf.Get(ctx, p.connector.Module); err != nil {
		return p, err
	}
	if !p.knowsOAuth() {
		return p, noOAuth(&p)
	}
	return p, t.openParty(ctx, &p)
}

// openParty reads the config, with its secrets.
func (t *Tenant) openParty(ctx context.Context, p *oauthParty) error {
	book, err := t.book(ctx)
	if err != nil {
		return err
	}
	if err := t.space.View(ctx, func(r store.Reader) (err error) {
		if p.schema, err = book.Schema(r, p.connector.Module); err == nil {
			p.config, err = book.ConfigBy(r, &p.connector, p.schema, true)
		}
		return err
	}); err != nil {
		return err
	}
	if len(p.config) == 0 {
		p.config = json.RawMessage("{}")
	}
	_ = json.Unmarshal(p.config, &p.client) // of another form it is the module's alone
	return nil
}

func noOAuth(p *oauthParty) error {
	return fault.New(fault.Unsupported, "%s does not connect by OAuth", p.module.Manifest.DisplayName).
		WithHint("Set its parameters, and test it.")
}

// knowsOAuth reports whether the module says anything of OAuth.
func (p *oauthParty) knowsOAuth() bool {
	return p.module.Manifest.OAuth != nil || p.has(abi.EntryExchangeOAuthCode) || p.has(abi.EntryOAuthAuthorizeURL)
}

// has reports whether the module claims an optional entry point. An export is
// no sign of it: an SDK exports them all.
func (p *oauthParty) has(entry string) bool {
	return slices.Contains(p.module.Manifest.EntryPoints, entry)
}

// endpoints are those of the manifest, if it has any.
func (p *oauthParty) endpoints() abi.OAuth {
	if p.module.Manifest.OAuth == nil {
		return abi.OAuth{}
	}
	return *p.module.Manifest.OAuth
}

// authorizeURL is where the browser has to go: by the module, or by its
// manifest.
func (t *Tenant) authorizeURL(ctx context.Context, p *oauthParty, s oauthState, state string) (string, error) {
	sum := sha256.Sum256([]byte(s.Verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	if !p.has(abi.EntryOAuthAuthorizeURL) {
		return p.standardURL(s, state, challenge)
	}
	in, err := json.Marshal(abi.AuthorizeInput{State: state, RedirectURI: s.Redirect, CodeChallenge: challenge, Config: p.config})
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "OAuth")
	}
	raw, err := t.runtime.Ask(ctx, &p.connector, abi.EntryOAuthAuthorizeURL, in, []spec.Grant{})
	if err != nil {
		return "", err
	}
	var out abi.AuthorizeOutput
	if err := json.Unmarshal(raw, &out); err != nil {
		return "", fault.New(fault.Guest, "the module's oauth_authorize_url answered no address")
	}
	return out.URL, vetAuthorizeURL(out.URL, state)
}

// vetAuthorizeURL sees that a browser may be sent to what a module made up: to
// a web page, and with the state, without which nothing could come back.
func vetAuthorizeURL(address, state string) error {
	u, err := webURL(address)
	if err != nil {
		return fault.Wrap(fault.Guest, err, "the module's oauth_authorize_url")
	}
	if u.Query().Get("state") != state {
		return fault.New(fault.Guest, "the module's oauth_authorize_url answered an address without the state")
	}
	return nil
}

// standardURL is the address of RFC 6749, 4.1.1 with PKCE.
func (p *oauthParty) standardURL(s oauthState, state, challenge string) (string, error) {
	u, err := webURL(p.endpoints().AuthorizeURL)
	if err != nil {
		return "", fault.Wrap(fault.ManifestInvalid, err, "oauth.authorize_url")
	}
	if p.client.ID == "" {
		return "", fault.New(fault.ConfigInvalid, "the connector has no client_id").
			WithFields(fault.Field{Pointer: "/config/client_id", Detail: "is needed to connect by OAuth"})
	}
	scopes := p.client.Scopes
	if len(scopes) == 0 {
		scopes = p.endpoints().Scopes
	}
	q := u.Query() // a manifest may ask for more, such as access_type=offline
	for name, value := range map[string]string{
		"response_type": "code", "client_id": p.client.ID, "redirect_uri": s.Redirect, "state": state,
		"code_challenge": challenge, "code_challenge_method": "S256",
	} {
		q.Set(name, value)
	}
	if len(scopes) > 0 {
		q.Set("scope", strings.Join(scopes, " "))
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// webURL reads the address of an authorization server: https, or http on this
// machine.
func webURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > maxAddress || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "":
		return nil, fault.New(fault.Invalid, "%.200q is no address of a web page", address)
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u):
		return u, nil
	}
	return nil, fault.New(fault.Invalid, "%.200q is not https", address)
}

// maxAddress bounds an address that a browser is sent to, in bytes.
const maxAddress = 8 << 10

// isLoopback reports whether an address is of the machine itself, whoever that
// is: written as an address, since a name may lead anywhere.
func isLoopback(u *url.URL) bool {
	a, err := netip.ParseAddr(u.Hostname())
	return err == nil && a.Unmap().IsLoopback()
}

// redirectOf is where the authorization server is to send the browser. A caller
// can only name their own machine: anything else would hand codes to strangers.
func redirectOf(in OAuthInput, p *oauthParty) (string, error) {
	switch {
	case in.RedirectURI != "":
		u, err := webURL(in.RedirectURI)
		if err != nil || u.Scheme != "http" || !isLoopback(u) || u.RawQuery != "" {
			return "", fault.New(fault.Invalid, "redirect_uri %.200q is not an address of your own machine", in.RedirectURI).
				WithHint("Write it as http://127.0.0.1:port/path, or leave it out.").
				WithFields(fault.Field{Pointer: "/redirect_uri", Detail: "is http and a loopback address"})
		}
		return in.RedirectURI, nil
	case p.client.RedirectURI != "":
		if _, err := webURL(p.client.RedirectURI); err != nil {
			return "", fault.New(fault.ConfigInvalid, "the config's redirect_uri: %s", err.Error()).
				WithFields(fault.Field{Pointer: "/config/redirect_uri", Detail: "is https, or http and a loopback address"})
		}
		return p.client.RedirectURI, nil
	case in.Callback == "":
		return "", fault.New(fault.Invalid, "it is not known where the browser is to come back to")
	}
	return in.Callback, nil
}
