package oidc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/identity/oidc"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

const redirect = "https://edge.example/api/login/oidc/callback"

// provider is a small identity provider that checks what it is asked.
type provider struct {
	*httptest.Server
	t      *testing.T
	key    *ecdsa.PrivateKey
	claims map[string]any    // that each ID token has beside the usual ones
	sign   *ecdsa.PrivateKey // of ID tokens
	asked  map[string]url.Values
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, key: key, sign: key, claims: map[string]any{}, asked: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.json(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		raw, err := p.key.PublicKey.Bytes() // 0x04, x, y
		if err != nil {
			t.Error(err)
		}
		b64 := base64.RawURLEncoding.EncodeToString
		p.json(w, map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": b64(raw[1:33]), "y": b64(raw[33:])}}})
	})
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

// authorize is the browser's visit: it gives the code to come back with.
func (p *provider) authorize(address string) (code, state string) {
	p.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	q := u.Query()
	if u.Scheme+"://"+u.Host != p.URL || q.Get("client_id") != "snaprail" || q.Get("response_type") != "code" || q.Get("redirect_uri") != redirect ||
		q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || !strings.Contains(q.Get("scope"), "openid") {
		p.t.Fatalf("asked for %s", address)
	}
	code = rand.Text()
	p.asked[code] = q
	return code, q.Get("state")
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	q, known := p.asked[r.FormValue("code")]
	delete(p.asked, r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	id, secret, _ := r.BasicAuth()
	if !known || id != "snaprail" || secret != "hush" || r.FormValue("redirect_uri") != redirect ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	claims := map[string]any{
		"iss": p.URL, "sub": "s-1", "aud": "snaprail", "nonce": q.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"preferred_username": "ada", "groups": []string{"staff", "line-operators"},
	}
	maps.Copy(claims, p.claims)
	p.json(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": p.jwt(claims)})
}

func (p *provider) jwt(claims map[string]any) string {
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			p.t.Error(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	text := part(map[string]string{"alg": "ES256", "kid": "1"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, p.sign, sum[:])
	if err != nil {
		p.t.Error(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func (p *provider) ours() *oidc.Provider {
	p.t.Helper()
	o, err := oidc.New(oidc.Config{
		Issuer: p.URL, ClientID: "snaprail", Secret: "hush", Tenant: "plant", RoleClaim: "groups",
		Roles: map[string]identity.Role{"line-operators": identity.Operator, "bosses": identity.Admin}, Client: p.Client(),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return o
}

func TestLoginByProvider(t *testing.T) {
	p := newProvider(t)
	o := p.ours()
	login := func() (identity.External, error) {
		address, kept, err := o.Begin(t.Context(), redirect)
		if err != nil {
			t.Fatal(err)
		}
		code, state := p.authorize(address)
		return o.Finish(t.Context(), kept, url.Values{"code": {code}, "state": {state}, "iss": {p.URL}}, redirect)
	}
	who, err := login()
	want := identity.External{Tenant: "plant", Issuer: p.URL, Subject: "s-1", Display: "ada", Role: identity.Operator}
	if err != nil || who != want {
		t.Fatalf("%+v, %v", who, err)
	}
	p.claims["groups"] = []string{"line-operators", "bosses"}
	if who, err := login(); err != nil || who.Role != identity.Admin {
		t.Errorf("%+v, %v", who, err)
	}
	for _, groups := range []any{[]string{"staff"}, nil} {
		p.claims["groups"] = groups
		if who, err := login(); err != nil || who.Role != "" || who.Subject != "s-1" {
			t.Errorf("without a role: %+v, %v", who, err)
		}
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		claims map[string]any
		key    *ecdsa.PrivateKey
		kind   fault.Kind
	}{
		"another audience": {map[string]any{"aud": "other"}, p.key, fault.OAuthFailed},
		"another client":   {map[string]any{"aud": []string{"snaprail", "other"}, "azp": "other"}, p.key, fault.OAuthFailed},
		"another issuer":   {map[string]any{"iss": "https://evil.example"}, p.key, fault.OAuthFailed},
		"another nonce":    {map[string]any{"nonce": "replayed"}, p.key, fault.OAuthFailed},
		"an end":           {map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}, p.key, fault.OAuthFailed},
		"another key":      {nil, stranger, fault.OAuthFailed},
	} {
		p.claims, p.sign = c.claims, c.key
		if _, err := login(); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnswersToOthersAreRefused: a login is finished once, in the browser that
// began it, soon, and by the provider that was asked.
func TestAnswersToOthersAreRefused(t *testing.T) {
	p := newProvider(t)
	o := p.ours()
	begin := func() (kept, code, state string) {
		address, kept, err := o.Begin(t.Context(), redirect)
		if err != nil {
			t.Fatal(err)
		}
		code, state = p.authorize(address)
		return kept, code, state
	}
	kept, code, state := begin()
	otherKept, otherCode, _ := begin()
	var old map[string]any
	raw, err := base64.RawURLEncoding.DecodeString(kept)
	if err == nil {
		err = json.Unmarshal(raw, &old)
	}
	if err != nil {
		t.Fatal(err)
	}
	old["expires"] = time.Now().Add(-time.Second)
	if raw, err = json.Marshal(old); err != nil {
		t.Fatal(err)
	}
	late := base64.RawURLEncoding.EncodeToString(raw)
	for name, c := range map[string]struct {
		kept  string
		query url.Values
		kind  fault.Kind
	}{
		"too late":          {late, url.Values{"code": {code}, "state": {state}}, fault.OAuthState},
		"no cookie":         {"", url.Values{"code": {code}, "state": {state}}, fault.OAuthState},
		"another browser's": {otherKept, url.Values{"code": {code}, "state": {state}}, fault.OAuthState},
		"no state":          {kept, url.Values{"code": {code}}, fault.OAuthState},
		"another provider":  {kept, url.Values{"code": {code}, "state": {state}, "iss": {"https://evil.example"}}, fault.OAuthState},
		"refused":           {kept, url.Values{"error": {"access_denied"}, "state": {state}}, fault.OAuthFailed},
		"injected code":     {kept, url.Values{"code": {otherCode}, "state": {state}}, fault.OAuthFailed}, // PKCE
	} {
		if _, err := o.Finish(t.Context(), c.kept, c.query, redirect); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := url.Values{"code": {code}, "state": {state}}
	if _, err := o.Finish(t.Context(), kept, good, redirect); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Finish(t.Context(), kept, good, redirect); !fault.Is(err, fault.OAuthFailed) {
		t.Errorf("a second time: %v", err)
	}
}

// TestEnterKeepsOneUser of a person, with the role of the last time; nobody can
// take their name, and who is disabled here stays out.
func TestEnterKeepsOneUser(t *testing.T) {
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	users := identity.NewUsers(s.System(), nil, identity.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1})
	ada := identity.External{Tenant: "plant", Issuer: "https://a.example", Subject: "1", Display: "Ada", Role: identity.Operator}
	enter := func(e identity.External) (identity.Identity, error) {
		_, who, err := users.Enter(context.WithoutCancel(t.Context()), e, netip.MustParseAddr("192.0.2.1"))
		return who, err
	}
	first, err := enter(ada)
	if err != nil {
		t.Fatal(err)
	}
	ada.Role = identity.Viewer
	again, err := enter(ada)
	if err != nil || again.ID != first.ID || again.Role != identity.Viewer {
		t.Errorf("%+v, %v", again, err)
	}
	for _, e := range []identity.External{
		{Tenant: "plant", Issuer: "https://b.example", Subject: "1", Display: "Ada", Role: identity.Viewer},
		{Tenant: "plant", Issuer: "https://a.example", Subject: "2", Display: "Ada", Role: identity.Viewer},
	} {
		if who, err := enter(e); err != nil || who.ID == first.ID {
			t.Errorf("%+v is %+v, %v", e, who, err)
		}
	}
	by := identity.Who{Kind: identity.ByLocal}
	if _, err := users.Add(t.Context(), by, "plant", "OIDC-ada", identity.Admin); !fault.Is(err, fault.Invalid) {
		t.Errorf("a name of theirs: %v", err)
	}
	if err := users.SetPassword(t.Context(), by, "plant", first.Name, "correct horse battery"); !fault.Is(err, fault.WrongState) {
		t.Errorf("a password here: %v", err)
	}
	yes := true
	if _, err := users.Change(t.Context(), by, "plant", first.Name, identity.UserChange{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	if _, err := enter(ada); !fault.Is(err, fault.LoginFailed) {
		t.Errorf("disabled: %v", err)
	}
}

// TestWhoIsPutOutAtTheProviderIsOutHere: with the role go the sessions and what
// their own tokens may do, at the next login; an own token of somebody who has
// not logged in for long is not believed either.
func TestWhoIsPutOutAtTheProviderIsOutHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		defer func() { _ = s.Close() }()
		users := identity.NewUsers(s.System(), nil, identity.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1})
		tokens := identity.New(s.System())
		from := netip.MustParseAddr("192.0.2.1")
		ada := identity.External{Tenant: "plant", Issuer: "https://a.example", Subject: "1", Display: "Ada", Role: identity.Admin}
		enter := func() (secret, token string) {
			secret, who, err := users.Enter(t.Context(), ada, from)
			if err != nil {
				t.Fatal(err)
			}
			token, _, err = tokens.Issue(t.Context(), who.Who(), identity.NewToken{Tenant: "plant", Name: rand.Text(), Role: identity.Admin, User: who.Name})
			if err != nil {
				t.Fatal(err)
			}
			return secret, token
		}
		secret, token := enter()
		if who, err := tokens.Verify(t.Context(), token); err != nil || who.Role != identity.Admin {
			t.Fatalf("%+v, %v", who, err)
		}
		ada.Role = ""
		if _, _, err := users.Enter(t.Context(), ada, from); !fault.Is(err, fault.RoleRequired) {
			t.Errorf("let in without a role: %v", err)
		}
		if _, err := users.VerifySession(t.Context(), secret, false); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the session goes on: %v", err)
		}
		if _, err := tokens.Verify(t.Context(), token); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the token is good: %v", err)
		}
		ada.Role, ada.Subject = "", "nobody yet"
		if _, _, err := users.Enter(t.Context(), ada, from); !fault.Is(err, fault.RoleRequired) {
			t.Errorf("a stranger without a role: %v", err)
		}
		if list, err := users.List(t.Context(), "plant"); err != nil || len(list) != 1 {
			t.Errorf("%d users are kept, %v", len(list), err)
		}

		ada.Role, ada.Subject = identity.Operator, "1"
		if _, token = enter(); token == "" {
			t.Fatal("no token")
		}
		time.Sleep(identity.ExternalLife - time.Hour) //nolint:forbidigo // in a bubble
		if _, err := tokens.Verify(t.Context(), token); err != nil {
			t.Errorf("within the time: %v", err)
		}
		time.Sleep(2 * time.Hour) //nolint:forbidigo // in a bubble
		if _, err := tokens.Verify(t.Context(), token); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("nobody has vouched for them for %s: %v", identity.ExternalLife, err)
		}
	})
}

// TestAProviderThatDoesNotAnswer: few wait for it at once, who goes away waits no
// longer, and that it did not answer is known for a while. It is asked anew then.
func TestAProviderThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way := &silent{}
		o, err := oidc.New(oidc.Config{Issuer: "https://login.example", ClientID: "snaprail", Tenant: "plant", Client: &http.Client{Transport: way}})
		if err != nil {
			t.Fatal(err)
		}
		var ended, many atomic.Int64
		begin := func(ctx context.Context) {
			_, _, err := o.Begin(ctx, redirect)
			ended.Add(1)
			if fault.Is(err, fault.RateLimited) {
				many.Add(1)
			} else if err == nil {
				t.Error("a login began at a provider that says nothing")
			}
		}
		gone, leave := context.WithCancel(t.Context())
		for range 3000 {
			go begin(gone)
		}
		synctest.Wait()
		if many.Load() < 2900 || ended.Load() != many.Load() || way.asked.Load() != 1 {
			t.Errorf("%d were sent away, %d have ended, the provider was asked %d times", many.Load(), ended.Load(), way.asked.Load())
		}
		leave()
		synctest.Wait()
		if ended.Load() != 3000 {
			t.Errorf("%d have ended when all had gone", ended.Load())
		}
		ended.Store(0)
		asked, began := way.asked.Load(), time.Now()
		for range 30 {
			go begin(t.Context())
		}
		for ended.Load() < 30 {
			time.Sleep(time.Second) //nolint:forbidigo // in a bubble
		}
		if took := time.Since(began); took > 12*time.Second || way.asked.Load() != asked+1 {
			t.Errorf("30 who stay ended after %s, and the provider was asked %d times", took, way.asked.Load()-asked)
		}
		time.Sleep(6 * time.Second) //nolint:forbidigo // in a bubble
		begin(t.Context())
		if way.asked.Load() != asked+2 {
			t.Error("it is not asked again")
		}
	})
}

// silent is a way to a provider that takes requests and answers none.
type silent struct{ asked atomic.Int64 }

func (s *silent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	<-r.Context().Done()
	return nil, r.Context().Err()
}
