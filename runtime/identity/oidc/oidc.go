// Package oidc lets people log in by an identity provider that speaks OpenID
// Connect: the authorization code flow with PKCE. It says who somebody is; what
// they may do, and that they have a session, is identity's to keep.
//
// Only cmd imports it. Its invariants: nothing of a login under way is kept
// here, it travels in a cookie of the browser that began it; an ID token is
// believed when its signature, issuer, audience, end and nonce are right; who
// has no role by the provider's word comes without one.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// Config says which provider is asked, and how.
type Config struct {
	Issuer   string // such as https://login.example.com
	ClientID string
	Secret   string // of the client; "": a public one, with PKCE alone
	Tenant   string // of everybody who comes from there
	// RoleClaim is the claim that says what somebody may do, a text or a list of
	// them; "": snaprail_role.
	RoleClaim string
	// Roles say which role a value of the claim is; nil: those of the same name.
	Roles map[string]identity.Role
	// Default is the role of who has none by the claim; "": they are refused.
	Default identity.Role
	Client  *http.Client // the way to the provider
}

const (
	// flowLife is how long a login may take.
	flowLife = 10 * time.Minute
	// callTime is how long the provider has to answer.
	callTime = 10 * time.Second
	// failureLife is how long it is not asked again after it gave no answer.
	failureLife = 5 * time.Second
	// maxCalls bounds the logins that wait for the provider at once.
	maxCalls = 64
)

// Provider is one identity provider. It is safe for concurrent use.
type Provider struct {
	cfg   Config
	calls chan struct{} // has a place for each login that waits for it

	asking chan struct{} // has a place for the one who asks what it offers

	mu     sync.Mutex
	found  *gooidc.Provider // nil: it has not answered yet
	failed error            // why, when it was asked last
	at     time.Time        // then
}

// New checks the config and asks nobody yet.
func New(cfg Config) (*Provider, error) {
	u, err := url.Parse(cfg.Issuer)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fault.New(fault.Usage, "the issuer %q is no address", cfg.Issuer)
	}
	if cfg.ClientID == "" || cfg.Client == nil {
		return nil, fault.New(fault.Usage, "an identity provider needs a client id")
	}
	if cfg.RoleClaim == "" {
		cfg.RoleClaim = "snaprail_role"
	}
	if cfg.Roles == nil {
		cfg.Roles = map[string]identity.Role{}
		for _, r := range identity.Roles() {
			cfg.Roles[string(r)] = r
		}
	}
	client := *cfg.Client
	client.Timeout = callTime // also of the keys, which are fetched on no request's behalf
	cfg.Client = &client
	return &Provider{cfg: cfg, calls: make(chan struct{}, maxCalls), asking: make(chan struct{}, 1)}, nil
}

// flow is a login under way, as its browser keeps it.
type flow struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Expires  time.Time `json:"expires"`
}

// Begin starts a login: the address at the provider that a browser is sent to,
// and what that browser has to keep until Finish. Where too many wait for the
// provider already, it is fault.RateLimited.
func (p *Provider) Begin(ctx context.Context, redirect string) (address, kept string, err error) {
	client, _, err := p.client(ctx, redirect)
	if err != nil {
		return "", "", err
	}
	f := flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Expires: time.Now().Add(flowLife)}
	raw, err := json.Marshal(f)
	if err != nil {
		return "", "", fault.Wrap(fault.Internal, err, "login")
	}
	address = client.AuthCodeURL(f.State, gooidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier))
	return address, base64.RawURLEncoding.EncodeToString(raw), nil
}

// Finish takes what the browser came back with and what it kept, and says who
// it is. A login that was begun elsewhere, or too long ago, is
// fault.OAuthState; one that the provider refuses, or whose ID token is not
// right, fault.OAuthFailed. Somebody without a role is for Users.Enter to refuse,
// which knows what they had before.
func (p *Provider) Finish(ctx context.Context, kept string, query url.Values, redirect string) (identity.External, error) {
	f, err := p.began(kept, query)
	if err != nil {
		return identity.External{}, err
	}
	if code := query.Get("error"); code != "" {
		return identity.External{}, fault.New(fault.OAuthFailed, "the identity provider refused: %.80q", code)
	}
	client, found, err := p.client(ctx, redirect)
	if err != nil {
		return identity.External{}, err
	}
	end, err := p.call()
	if err != nil {
		return identity.External{}, err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	ctx = gooidc.ClientContext(ctx, p.cfg.Client)
	token, err := client.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return identity.External{}, fault.New(fault.OAuthFailed, "the identity provider did not take the code")
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := found.VerifierContext(ctx, &gooidc.Config{ClientID: p.cfg.ClientID}).Verify(ctx, raw)
	if err != nil || subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1 {
		return identity.External{}, fault.New(fault.OAuthFailed, "the identity provider's answer is not right")
	}
	return p.person(id)
}

// began sees that the answer is to the login that this browser began.
func (p *Provider) began(kept string, query url.Values) (f flow, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(kept)
	if err != nil || json.Unmarshal(raw, &f) != nil || f.State == "" || f.Verifier == "" || time.Now().After(f.Expires) ||
		subtle.ConstantTimeCompare([]byte(f.State), []byte(query.Get("state"))) != 1 {
		return flow{}, fault.New(fault.OAuthState, "this browser has not begun this login, or it took too long").
			WithHint("Log in again.")
	}
	// RFC 9207: where the answer says who it is from, it is the one that was asked.
	if iss := query.Get("iss"); iss != "" && iss != p.cfg.Issuer {
		return flow{}, fault.New(fault.OAuthState, "the answer comes from another identity provider than was asked")
	}
	return f, nil
}

// call takes a place among those who wait for the provider.
func (p *Provider) call() (end func(), err error) {
	select {
	case p.calls <- struct{}{}:
		return func() { <-p.calls }, nil
	default:
		return nil, fault.New(fault.RateLimited, "%d logins wait for the identity provider already", maxCalls).WithRetryAfter(time.Second)
	}
}

// client is the OAuth client, after the provider was asked what it offers.
func (p *Provider) client(ctx context.Context, redirect string) (*oauth2.Config, *gooidc.Provider, error) {
	found, err := p.discovered(time.Now())
	if found == nil && err == nil {
		found, err = p.discover(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	return &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.cfg.Secret, Endpoint: found.Endpoint(), RedirectURL: redirect,
		Scopes: []string{gooidc.ScopeOpenID, "profile", "email"},
	}, found, nil
}

// discovered is what the provider offers, or why it did not say so just now;
// neither: it is to be asked.
func (p *Provider) discovered(now time.Time) (*gooidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil && p.failed != nil && now.Sub(p.at) < failureLife {
		return nil, p.failed
	}
	return p.found, nil
}

// discover asks the provider, one caller at a time and as long as that caller
// waits. The others wait for what it answers.
func (p *Provider) discover(ctx context.Context) (*gooidc.Provider, error) {
	end, err := p.call()
	if err != nil {
		return nil, err
	}
	defer end()
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	case <-ctx.Done():
		return nil, fault.Of(ctx.Err())
	}
	if found, err := p.discovered(time.Now()); found != nil || err != nil { // meanwhile
		return found, err
	}
	asked, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	found, err := gooidc.NewProvider(gooidc.ClientContext(asked, p.cfg.Client), p.cfg.Issuer)
	if ctx.Err() != nil {
		return nil, fault.Of(ctx.Err()) // who asked has gone, and that says nothing of the provider
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.failed = time.Now(), nil
	if err != nil {
		p.failed = fault.Wrap(fault.OAuthFailed, err, "the identity provider %s", p.cfg.Issuer)
		return nil, p.failed
	}
	p.found = found
	return found, nil
}

// person is who an ID token is about.
func (p *Provider) person(id *gooidc.IDToken) (identity.External, error) {
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return identity.External{}, fault.New(fault.OAuthFailed, "the ID token cannot be read")
	}
	// With several audiences, the token names the one that it was made for.
	if azp, ok := claims["azp"].(string); len(id.Audience) > 1 && (!ok || azp != p.cfg.ClientID) {
		return identity.External{}, fault.New(fault.OAuthFailed, "the ID token was made for another client")
	}
	who := identity.External{Tenant: p.cfg.Tenant, Issuer: p.cfg.Issuer, Subject: id.Subject, Role: p.role(claims[p.cfg.RoleClaim])}
	for _, name := range []string{"preferred_username", "email", "name"} {
		if text, ok := claims[name].(string); ok && who.Display == "" {
			who.Display = strings.ToValidUTF8(fault.Clip(text, 200), "")
		}
	}
	return who, nil
}

// role is the highest of the roles that a claim's values are.
func (p *Provider) role(claim any) identity.Role {
	values, ok := claim.([]any)
	if !ok {
		values = []any{claim}
	}
	best := p.cfg.Default
	for _, v := range values {
		text, _ := v.(string)
		if role, ok := p.cfg.Roles[text]; ok && (best == "" || role.Includes(best)) {
			best = role
		}
	}
	return best
}
