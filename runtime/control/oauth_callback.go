package control

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// OAuthCallback is what an authorization server sends a browser back with.
type OAuthCallback struct {
	ProviderType            string // of the path
	Code, State             string
	Issuer                  string // iss (RFC 9207)
	Error, ErrorDescription string
}

// OAuthConnected is a connector that has its tokens, and the test of them.
type OAuthConnected struct {
	Connector ConnectorView
	Test      TestResult
}

// FinishOAuth trades the code of a callback for tokens, keeps them as secrets of
// the connector and tests it. It has to be called by who began it; the state is
// good once. Nothing is kept unless the exchange worked; whether the test passed
// is in the answer.
func (t *Tenant) FinishOAuth(ctx context.Context, cb OAuthCallback) (OAuthConnected, error) {
	if err := t.may(ctx, identity.Connectors, identity.Write); err != nil {
		return OAuthConnected{}, err
	}
	p, state, err := t.takeCallback(ctx, cb)
	if err != nil {
		t.oauthRefusal(&p.connector, err)
		return OAuthConnected{}, err
	}
	pairs, got, err := t.exchange(ctx, &p, state, cb.Code)
	if err != nil {
		t.oauthRefusal(&p.connector, err)
		return OAuthConnected{}, err
	}
	if err := t.keepTokens(ctx, &p, pairs, got, t.connected); err != nil {
		return OAuthConnected{}, err
	}
	test, err := t.TestConnector(ctx, p.connector.ID)
	if err != nil {
		test = TestResult{Message: fault.Clip(t.clean(err.Error()), maxMessage), At: time.Now().UTC()}
	}
	v, err := t.Connector(ctx, p.connector.ID)
	return OAuthConnected{Connector: v, Test: test}, err
}

// takeCallback finds what a callback belongs to and uses its state up.
func (t *Tenant) takeCallback(ctx context.Context, cb OAuthCallback) (p oauthParty, s oauthState, err error) {
	id, nonce, err := splitState(cb.State)
	if err != nil {
		return p, s, err
	}
	if p, err = t.oauthParty(ctx, id); err != nil {
		return p, s, err
	}
	if p.connector.ID != id || cb.ProviderType != p.module.Manifest.ProviderType {
		return p, s, fault.New(fault.OAuthState, "the state is not of a connector of the type %.64q", cb.ProviderType)
	}
	err = t.space.Update(ctx, func(w store.Writer) (err error) {
		s, err = takeOAuth(w, id, nonce, t.as, time.Now())
		return err
	})
	if err != nil {
		return p, s, err
	}
	t.hideParty(&p)
	t.hide(cb.Code, s.Verifier)
	issuer := p.endpoints().Issuer
	switch {
	case issuer != "" && subtle.ConstantTimeCompare([]byte(issuer), []byte(cb.Issuer)) != 1:
		return p, s, fault.New(fault.OAuthState, "the callback does not come from %s", issuer).
			WithHint("Connect it again, and agree on the pages of that server alone.")
	case cb.Error != "":
		return p, s, oauthRefused("the authorization server did not agree", t.clean(cb.Error), t.clean(cb.ErrorDescription))
	case cb.Code == "":
		return p, s, fault.New(fault.OAuthState, "the callback has no code")
	}
	return p, s, nil
}

// oauthRefusal notes what came of an attempt that gave no tokens.
func (t *Tenant) oauthRefusal(c *spec.Connector, err error) {
	f := fault.Of(t.cleanError(err))
	e := t.event(identity.ConnectorConnect, c)
	e.Outcome, e.Code, e.Detail = identity.Refused, f.Kind.String(), f.Text
	t.cfg.Audit.Note(t.id, e)
}

// exchange gets the pairs to keep, by the module or by the standard.
func (t *Tenant) exchange(ctx context.Context, p *oauthParty, s oauthState, code string) (map[string]string, tokens, error) {
	if p.has(abi.EntryExchangeOAuthCode) {
		return t.exchangeByGuest(ctx, p, s, code)
	}
	if p.endpoints().TokenURL == "" {
		return nil, tokens{}, noOAuth(p)
	}
	form := p.form("authorization_code")
	form.Set("code", code)
	form.Set("redirect_uri", s.Redirect)
	form.Set("code_verifier", s.Verifier)
	got, err := t.askTokens(ctx, p, form)
	return p.storable(got), got, err
}

// exchangeByGuest lets a throw-away guest trade the code. It reaches the token
// server and nothing else, whatever its connector was granted.
func (t *Tenant) exchangeByGuest(ctx context.Context, p *oauthParty, s oauthState, code string) (map[string]string, tokens, error) {
	in, err := json.Marshal(abi.ExchangeInput{Code: code, RedirectURI: s.Redirect, CodeVerifier: s.Verifier, Config: p.config})
	if err != nil {
		return nil, tokens{}, fault.Wrap(fault.Internal, err, "OAuth")
	}
	grants := []spec.Grant{}
	if p.endpoints().TokenURL != "" {
		g, err := t.tokenGrant(p)
		if err != nil {
			return nil, tokens{}, err
		}
		grants = append(grants, g)
	}
	raw, err := t.runtime.Ask(ctx, &p.connector, abi.EntryExchangeOAuthCode, in, grants)
	if err != nil {
		f := fault.Of(withoutTokens(err))
		if f.Kind == fault.Guest {
			f.Kind = fault.OAuthFailed
		}
		return nil, tokens{}, f
	}
	var pairs map[string]string
	if err := json.Unmarshal(raw, &pairs); err != nil {
		return nil, tokens{}, fault.New(fault.Guest, "the module's exchange_oauth_code answered no object of texts")
	}
	if len(pairs) == 0 {
		return nil, tokens{}, noOAuth(p)
	}
	for _, value := range pairs {
		t.hide(value)
	}
	return p.take(pairs)
}

// take takes out of a guest's pairs what says how long the tokens live, unless
// the config has keys of those names.
func (p *oauthParty) take(pairs map[string]string) (map[string]string, tokens, error) {
	got := tokens{Access: pairs["access_token"], Refresh: pairs["refresh_token"]}
	about := map[string]func(string){
		"expires_in":               func(v string) { _ = got.Expires.UnmarshalJSON([]byte(v)) },
		"refresh_token_expires_in": func(v string) { _ = got.RefreshExpires.UnmarshalJSON([]byte(v)) },
		"scope":                    func(v string) { got.Scope = v },
		"token_type":               func(string) {},
	}
	keep := maps.Clone(pairs)
	for key, read := range about {
		if v, given := pairs[key]; given && !p.schema.Names(key) {
			read(v)
			delete(keep, key)
		}
	}
	return keep, got, nil
}

// form is a request of the token endpoint, with what proves who asks.
func (p *oauthParty) form(grantType string) url.Values {
	form := url.Values{"grant_type": {grantType}, "client_id": {p.client.ID}}
	if p.client.Secret != "" {
		form.Set("client_secret", p.client.Secret)
	}
	return form
}

// storable are the tokens as parameters: those that the module can have a use
// for.
func (p *oauthParty) storable(got tokens) map[string]string {
	pairs := map[string]string{}
	for key, value := range map[string]string{"access_token": got.Access, "refresh_token": got.Refresh} {
		if value != "" && p.schema.Takes(key) {
			pairs[key] = value
		}
	}
	return pairs
}

// tokenGrant is the right to ask the token server: one that the tenant might
// give itself (fault.NotGrantable), since a module that it made may name any.
// Private networks are open to it only if the connector was granted them.
func (t *Tenant) tokenGrant(p *oauthParty) (spec.Grant, error) {
	u, err := webURL(p.endpoints().TokenURL)
	if err != nil {
		return spec.Grant{}, fault.Wrap(fault.ManifestInvalid, err, "oauth.token_url")
	}
	g := spec.Grant{
		Group: groupHTTP, Resources: []string{u.Scheme + "://" + u.Host + "/*"}, Rights: []spec.Right{spec.Read, spec.Write},
		Reason: "to get tokens",
	}
	if err := t.mayGrant([]spec.Grant{g}); err != nil {
		return spec.Grant{}, err
	}
	for _, own := range p.connector.Grants {
		if own.Group != g.Group {
			continue
		}
		for _, resource := range own.Resources {
			if strings.HasPrefix(resource, networkMark) {
				g.Resources = append(g.Resources, resource)
			}
		}
	}
	return g, nil
}

// askTokens asks the manifest's token endpoint.
func (t *Tenant) askTokens(ctx context.Context, p *oauthParty, form url.Values) (tokens, error) {
	if t.cfg.Egress == nil {
		return tokens{}, fault.New(fault.Unsupported, "this server has no way out").WithHint("Ask the operator of the server.")
	}
	g, err := t.tokenGrant(p)
	if err != nil {
		return tokens{}, err
	}
	rules, err := egress.NewRules([]spec.Grant{g})
	if err != nil {
		return tokens{}, err
	}
	client := t.cfg.Egress.Client(rules.Within(t.runtime.Purse()))
	defer client.CloseIdleConnections()
	got, err := askTokens(ctx, client, p.endpoints().TokenURL, form, t.clean)
	t.hide(got.Access, got.Refresh)
	return got, err
}
