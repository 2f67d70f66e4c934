package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	hosthttp "github.com/snaprail/snaprail/hostfns/http"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
	"github.com/snaprail/snaprail/runtime/supervisor"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// callback is the server's own, as an authorization server knows it.
const callback = "http://127.0.0.1:8080/api/connectors/oauth/callback/drive"

// oauthRig is a node, an authorization server beside it, and a connector of a
// module that leaves the flow to the host.
type oauthRig struct {
	*rig
	peer *peertest.AuthServer
	ann  *control.Tenant // in the hands of a person
	id   string          // of the connector
}

// person is somebody with a session.
func person(name string) identity.Identity {
	return identity.Identity{Tenant: "plant", Kind: identity.KindUser, ID: name, Name: name, User: name, Session: name + "-1", Role: identity.Admin}
}

const driveSchema = `{"type":"object","required":["client_id"],"additionalProperties":false,"properties":{
	"client_id":{"type":"string"},"client_secret":{"type":"string","writeOnly":true},"redirect_uri":{"type":"string"},
	"scopes":{"type":"array","items":{"type":"string"}},
	"access_token":{"type":"string","writeOnly":true},"refresh_token":{"type":"string","writeOnly":true}}}`

func newOAuthRig(t *testing.T, adjust ...func(*abi.OAuth)) *oauthRig {
	t.Helper()
	r := &oauthRig{rig: newNode(t), peer: peertest.NewAuthServer(t)}
	r.peer.RedirectURIs = []string{callback, "http://127.0.0.1:4567/"}
	o := &abi.OAuth{
		AuthorizeURL: r.peer.AuthorizeURL() + "?access_type=offline", TokenURL: r.peer.TokenURL(),
		Scopes: []string{"files.read", "files.write"}, Issuer: r.peer.Issuer(),
	}
	for _, a := range adjust {
		a(o)
	}
	digest := r.oauthModule("drive", o)
	r.ann = r.tenantOf(person("ann"))
	r.id = r.connector("drive", digest, true)
	return r
}

// newNode is a whole node whose parts can keep secrets and go out.
func newNode(t *testing.T) *rig {
	t.Helper()
	return newNodeOn(t, memory.New())
}

// newNodeOn is one on a store of the test's own.
func newNodeOn(t *testing.T, on store.Store) *rig {
	t.Helper()
	r := &rig{t: t, store: on}
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	out := egress.New(egress.Config{})
	groups := capability.NewRegistry(hosthttp.New(out))
	keys, err := secret.Open(t.Context(), r.store.System(), secret.KEK{1})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(t.Context(), engine.Config{CacheDir: cacheDir, Groups: groups.Groups(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.New(catalog.Config{Dir: filepath.Join(dir, "modules"), Store: r.store, Engine: e, Groups: groups, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	audit := identity.NewAudit(context.WithoutCancel(t.Context()), r.store, log)
	super := supervisor.New(context.WithoutCancel(t.Context()), supervisor.Config{
		Dir: filepath.Join(dir, "outbox"), Store: r.store, Catalog: cat, Engine: e, Groups: groups, Secrets: keys, Audit: audit, Log: log,
	})
	r.super, r.audit = super, audit
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := errors.Join(super.Stop(ctx), audit.Close(ctx), e.Close(ctx), r.store.Close()); err != nil {
			t.Error(err)
		}
	})
	r.service = control.New(control.Config{
		Store: r.store, Catalog: cat, Supervisor: super, Engine: e, Groups: groups, Secrets: keys, Audit: audit,
		Egress: out, Operator: "plant",
	})
	for _, id := range []string{"plant", "other"} {
		if err := super.AddTenant(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := super.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.Tenant = r.tenant("plant")
	return r
}

func (r *rig) tenantOf(who identity.Identity) *control.Tenant {
	r.t.Helper()
	t, err := r.service.Tenant(who.Tenant)
	if err != nil {
		r.t.Fatal(err)
	}
	return t.By(who)
}

// oauthModule uploads a hand-made connector with these endpoints; nil: none.
func (r *rig) oauthModule(name string, o *abi.OAuth) string {
	r.t.Helper()
	return r.oauthModuleVersion(name, "1.0.0", o)
}

func (r *rig) oauthModuleVersion(name, version string, o *abi.OAuth) string {
	r.t.Helper()
	raw, err := json.Marshal(abi.Manifest{
		Category: "telemetry", ProviderType: name, DisplayName: name, Version: version,
		ABI: abi.Version{Major: abi.Major, Minor: abi.Minor}, Kind: abi.KindConnector, Mode: abi.ModeEvent,
		ConfigSchema: json.RawMessage(driveSchema), OAuth: o,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	entry := func(name string) w.Function {
		return w.Function{Export: name, Params: "ii", Results: "I", Body: w.I64(0)}
	}
	return r.upload(w.Module{
		Pages: 2,
		Functions: []w.Function{
			{Export: abi.ExportAlloc, Params: "i", Results: "i", Body: w.I32(0x10000)}, entry(abi.EntryOpen), entry(abi.EntryOnEvents),
		},
		Custom: []w.Custom{{Name: abi.ManifestSection, Body: raw}},
	}.Bytes())
}

// connector makes one that may reach the peer, or not.
func (r *oauthRig) connector(name, digest string, reach bool) string {
	r.t.Helper()
	in := control.ConnectorInput{
		Name: name, Module: digest,
		Params: []spec.Param{
			{Key: "client_id", Value: r.peer.ClientID}, {Key: "client_secret", Value: r.peer.ClientSecret, Type: spec.ParamSecret},
		},
	}
	if reach {
		in.Grants = []spec.Grant{{Group: "http", Resources: []string{"cidr:127.0.0.0/8"}}}
	}
	return r.create(in).ID
}

// begun begins to connect as somebody.
func (r *oauthRig) begun(as *control.Tenant, in control.OAuthInput) control.OAuthStart {
	r.t.Helper()
	if in.RedirectURI == "" {
		in.Callback = callback
	}
	s, err := as.StartOAuth(r.t.Context(), r.id, in)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// back is the callback of what the peer sends a browser back with.
func back(u *url.URL) control.OAuthCallback {
	q := u.Query()
	return control.OAuthCallback{
		ProviderType: "drive", Code: q.Get("code"), State: q.Get("state"), Issuer: q.Get("iss"),
		Error: q.Get("error"), ErrorDescription: q.Get("error_description"),
	}
}

// agreed is the callback after ann has begun and agreed.
func (r *oauthRig) agreed() control.OAuthCallback {
	r.t.Helper()
	return back(r.peer.Browse(r.begun(r.ann, control.OAuthInput{}).AuthorizeURL, true))
}

// opened is what the guest would be configured with.
func (r *oauthRig) stored() spec.Connector {
	r.t.Helper()
	space, err := r.store.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	var c spec.Connector
	if err := space.View(r.t.Context(), func(reader store.Reader) error {
		e, err := reader.Get(store.Connectors, r.id)
		if err != nil {
			return err
		}
		return json.Unmarshal(e.Value, &c)
	}); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// untouched sees that nothing of a token was stored.
func (r *oauthRig) untouched(what string) {
	r.t.Helper()
	if c := r.stored(); c.OAuth != nil || len(c.Params) != 2 {
		r.t.Errorf("%s: stored %+v with %d rows", what, c.OAuth, len(c.Params))
	}
}

// TestOAuthConnects: from the start to tokens that are kept, and nobody sees.
func TestOAuthConnects(t *testing.T) {
	r := newOAuthRig(t)
	s := r.begun(r.ann, control.OAuthInput{})
	u, err := url.Parse(s.AuthorizeURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if id, nonce, _ := strings.Cut(s.State, ":"); id != r.id || len(nonce) < 26 || q.Get("state") != s.State {
		t.Errorf("the state is %s, and in the address %s", s.State, q.Get("state"))
	}
	if left := time.Until(s.ExpiresAt); left > 10*time.Minute || left < 9*time.Minute {
		t.Errorf("it expires in %s", left)
	}
	if q.Get("access_type") != "offline" || q.Get("scope") != "files.read files.write" || q.Get("code_challenge_method") != "S256" ||
		q.Get("redirect_uri") != callback || q.Get("client_secret") != "" || strings.Contains(s.AuthorizeURL, r.peer.ClientSecret) {
		t.Errorf("the address is %s", s.AuthorizeURL)
	}
	done, err := r.ann.FinishOAuth(t.Context(), back(r.peer.Browse(s.AuthorizeURL, true)))
	if err != nil {
		t.Fatal(err)
	}
	if !done.Test.Success || done.Connector.Status != spec.StatusConnected || done.Connector.ID != r.id {
		t.Errorf("the test said %+v, the status is %s", done.Test, done.Connector.Status)
	}
	c := r.stored()
	raw, _ := json.Marshal(c)
	if strings.Contains(string(raw), "at-") || strings.Contains(string(raw), "rt-") {
		t.Errorf("a token is stored open: %s", raw)
	}
	kinds := map[string]spec.ParamType{}
	for _, p := range c.Params {
		kinds[p.Key] = p.Type
	}
	if kinds["access_token"] != spec.ParamSecret || kinds["refresh_token"] != spec.ParamSecret || len(kinds) != 4 {
		t.Errorf("the rows are %v", kinds)
	}
	if o := c.OAuth; o == nil || strings.Join(o.Scopes, " ") != "files.read files.write" || o.Failure != "" || o.Stopped ||
		time.Until(o.ExpiresAt) < 59*time.Minute || time.Since(o.Refreshed) > time.Minute {
		t.Errorf("known of the tokens: %+v", o)
	}
	trail, _, err := r.Audit(t.Context(), control.AuditQuery{Action: "connector.connect"}, control.Page{})
	if err != nil || len(trail) != 2 || trail[0].Detail != "connected" || trail[0].Who.Name != "ann" {
		t.Errorf("the trail is %+v, %v", trail, err)
	}
}

// TestAbuseOAuthCallbacks is case 32: what was replayed, swapped, injected or
// sent by somebody else is refused, and nothing is kept of it.
func TestAbuseOAuthCallbacks(t *testing.T) {
	r := newOAuthRig(t)
	bob := r.tenantOf(person("bob"))
	stranger := r.tenantOf(identity.OfServer("other"))
	mine := func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) { return r.ann, cb }
	second := r.connector("second", r.stored().Module, true)
	for name, c := range map[string]struct {
		make func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback)
		kind fault.Kind
	}{
		"another user of the tenant": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) { return bob, cb }, fault.OAuthState},
		"another tenant":             {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) { return stranger, cb }, fault.NotFound},
		"bob's session with ann's code": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.State = r.begun(bob, control.OAuthInput{}).State // his state, her code: a login CSRF
			return bob, cb
		}, fault.OAuthFailed},
		"a code of another flow": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.Code = r.agreed().Code // of her own, but with another verifier
			return mine(cb)
		}, fault.OAuthFailed},
		"a made-up code": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.Code = "x"
			return mine(cb)
		}, fault.OAuthFailed},
		"no code": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) { cb.Code = ""; return mine(cb) }, fault.OAuthState},
		"another issuer": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.Issuer = "https://evil.example"
			return mine(cb)
		}, fault.OAuthState},
		"no issuer": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.Issuer = ""
			return mine(cb)
		}, fault.OAuthState},
		"another provider": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.ProviderType = "mail"
			return mine(cb)
		}, fault.OAuthState},
		"a made-up nonce": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.State = r.id + ":AAAAAAAAAAAAAAAAAAAAAAAAAA"
			return mine(cb)
		}, fault.OAuthState},
		"no nonce": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.State = r.id + ":"
			return mine(cb)
		}, fault.OAuthState},
		"no state": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.State = ""
			return mine(cb)
		}, fault.OAuthState},
		"a name for an id": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.State = strings.Replace(cb.State, r.id, "drive", 1)
			return mine(cb)
		}, fault.OAuthState},
		"another connector of hers": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.State = strings.Replace(cb.State, r.id, second, 1)
			return mine(cb)
		}, fault.OAuthState},
		"no such connector": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.State = strings.Replace(cb.State, r.id, "con_x", 1)
			return mine(cb)
		}, fault.NotFound},
		"the user said no": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			cb.Error, cb.ErrorDescription = "access_denied", "No\x1b[31m!"
			return mine(cb)
		}, fault.OAuthFailed},
		"a state of old": {func(cb control.OAuthCallback) (*control.Tenant, control.OAuthCallback) {
			r.expireStates()
			return mine(cb)
		}, fault.OAuthState},
	} {
		as, cb := c.make(r.agreed())
		_, err := as.FinishOAuth(t.Context(), cb)
		f := wanted(t, err, c.kind)
		if strings.ContainsAny(f.Text, "\x1b\n") || strings.Contains(f.Text, r.peer.ClientSecret) {
			t.Errorf("%s: %q", name, f.Text)
		}
		r.untouched(name)
	}
}

// expireStates makes every open state one of ten minutes ago.
func (r *oauthRig) expireStates() {
	r.t.Helper()
	space, err := r.store.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	if err := space.Update(r.t.Context(), func(wr store.Writer) error {
		for e, err := range store.All(wr, store.OAuthStates, "") {
			if err != nil {
				return err
			}
			var s map[string]any
			if err := json.Unmarshal(e.Value, &s); err != nil {
				return err
			}
			s["expires"] = time.Now().Add(-time.Second)
			raw, _ := json.Marshal(s)
			if _, err := wr.Put(store.OAuthStates, e.ID, raw); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
}

// TestAbuseOAuthStateIsGoodOnce: not even for callbacks at the same moment.
func TestAbuseOAuthStateIsGoodOnce(t *testing.T) {
	r := newOAuthRig(t)
	cb := r.agreed()
	var wait sync.WaitGroup
	results := make(chan error, 8)
	for range cap(results) {
		wait.Go(func() {
			_, err := r.ann.FinishOAuth(t.Context(), cb)
			results <- err
		})
	}
	wait.Wait()
	close(results)
	good := 0
	for err := range results {
		if err == nil {
			good++
		} else if !fault.Is(err, fault.OAuthState) {
			t.Error(err)
		}
	}
	if asked := len(r.peer.Asked()); good != 1 || asked != 1 {
		t.Errorf("%d of them worked, and the token endpoint was asked %d times", good, asked)
	}
	revision := r.stored().Revision
	if _, err := r.ann.FinishOAuth(t.Context(), cb); !fault.Is(err, fault.OAuthState) || r.stored().Revision != revision {
		t.Errorf("replayed later: %v", err)
	}
}

// TestOAuthIsBoundToThePerson: a person's token on the command line and their
// session in a browser are one, a token of the tenant's own is not.
func TestOAuthIsBoundToThePerson(t *testing.T) {
	r := newOAuthRig(t)
	token := person("ann")
	token.Kind, token.ID, token.Session = identity.KindToken, "tok1", ""
	cb := back(r.peer.Browse(r.begun(r.tenantOf(token), control.OAuthInput{}).AuthorizeURL, true))
	lone := identity.Identity{Tenant: "plant", Kind: identity.KindToken, ID: "ann", Role: identity.Admin}
	if _, err := r.tenantOf(lone).FinishOAuth(t.Context(), cb); !fault.Is(err, fault.OAuthState) {
		t.Errorf("a token named like her: %v", err)
	}
	if _, err := r.ann.FinishOAuth(t.Context(), cb); err != nil {
		t.Errorf("her session: %v", err)
	}
}

func TestOAuthNeedsTheRightToWrite(t *testing.T) {
	r := newOAuthRig(t)
	cb := r.agreed()
	for _, role := range []identity.Role{identity.Operator, identity.Viewer, ""} {
		who := person("ann")
		who.Role = role
		as := r.tenantOf(who)
		_, err := as.StartOAuth(t.Context(), r.id, control.OAuthInput{Callback: callback})
		wantFault(t, err, fault.RoleRequired)
		_, err = as.FinishOAuth(t.Context(), cb)
		wantFault(t, err, fault.RoleRequired)
	}
	r.untouched("without the right")
}

// TestOAuthOfAModuleWithoutIt is S3.95.
func TestOAuthOfAModuleWithoutIt(t *testing.T) {
	r := newOAuthRig(t)
	id := r.connector("plain", r.oauthModule("plain", nil), false)
	_, err := r.ann.StartOAuth(t.Context(), id, control.OAuthInput{Callback: callback})
	wantFault(t, err, fault.Unsupported)
	_, err = r.ann.FinishOAuth(t.Context(), control.OAuthCallback{ProviderType: "plain", State: id + ":x", Code: "x"})
	wantFault(t, err, fault.Unsupported)
}

// TestAbuseOAuthRedirects: codes are sent to the server, to the caller's own
// machine, or to where the config says, and nowhere else.
func TestAbuseOAuthRedirects(t *testing.T) {
	r := newOAuthRig(t)
	for _, to := range []string{
		"https://evil.example/", "http://evil.example/", "http://localhost:1/", "http://127.0.0.1.evil.example/", "//evil.example/",
		"https://127.0.0.1:1/", "http://127.0.0.1@evil.example/", "http://10.0.0.1/", "javascript:alert(1)", "/relative", "http://127.0.0.1:1/?x=y", "http://127.0.0.1:1/#x",
	} {
		if _, err := r.ann.StartOAuth(t.Context(), r.id, control.OAuthInput{RedirectURI: to, Callback: callback}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", to, err)
		}
	}
	for _, to := range []string{"http://127.0.0.1:4567/", "http://[::1]:4567/x"} {
		s, err := r.ann.StartOAuth(t.Context(), r.id, control.OAuthInput{RedirectURI: to})
		if err != nil || !strings.Contains(s.AuthorizeURL, url.QueryEscape(to)) {
			t.Errorf("%s: %+v, %v", to, s, err)
		}
	}
	own := r.begun(r.ann, control.OAuthInput{RedirectURI: "http://127.0.0.1:4567/"})
	if _, err := r.ann.FinishOAuth(t.Context(), back(r.peer.Browse(own.AuthorizeURL, true))); err != nil {
		t.Errorf("by the caller's own machine: %v", err)
	}
}

// TestOAuthRedirectOfTheConfig is S3.92: an address that is registered with the
// service takes the place of the server's own.
func TestOAuthRedirectOfTheConfig(t *testing.T) {
	r := newOAuthRig(t)
	for to, kind := range map[string]fault.Kind{"https://rail.example/back": fault.Internal, "http://rail.example/back": fault.ConfigInvalid} {
		c := r.create(control.ConnectorInput{Name: to, Module: r.stored().Module, Params: []spec.Param{
			{Key: "client_id", Value: r.peer.ClientID}, {Key: "redirect_uri", Value: to},
		}})
		s, err := r.ann.StartOAuth(t.Context(), c.ID, control.OAuthInput{Callback: callback})
		if kind == fault.ConfigInvalid {
			wantFault(t, err, kind)
			continue
		}
		if err != nil || !strings.Contains(s.AuthorizeURL, url.QueryEscape(to)) {
			t.Errorf("%s: %+v, %v", to, s, err)
		}
	}
}

// TestAbuseOAuthAddressesOfModules: a manifest sends nobody but to web pages.
func TestAbuseOAuthAddressesOfModules(t *testing.T) {
	for _, address := range []string{"javascript:alert(1)", "http://auth.example/", "", "https://user:word@auth.example/", "data:text/html,x", "https:auth"} {
		r := newOAuthRig(t, func(o *abi.OAuth) { o.AuthorizeURL = address })
		if s, err := r.ann.StartOAuth(t.Context(), r.id, control.OAuthInput{Callback: callback}); !fault.Is(err, fault.ManifestInvalid) {
			t.Errorf("%s: %+v, %v", address, s, err)
		}
	}
}

// TestAbuseOAuthStatesAreBounded: who begins and never finishes fills nothing,
// and keeps nobody from connecting.
func TestAbuseOAuthStatesAreBounded(t *testing.T) {
	r := newOAuthRig(t)
	first := r.agreed()
	var last control.OAuthCallback
	for range 120 {
		last = back(r.peer.Browse(r.begun(r.ann, control.OAuthInput{}).AuthorizeURL, true))
	}
	space, err := r.store.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	_ = space.View(t.Context(), func(reader store.Reader) error {
		if list, err := reader.List(store.OAuthStates, "", "", 1000); err != nil || len(list) != 100 {
			t.Errorf("%d states are kept, %v", len(list), err)
		}
		return nil
	})
	if _, err := r.ann.FinishOAuth(t.Context(), first); !fault.Is(err, fault.OAuthState) {
		t.Errorf("the first, whose place was taken: %v", err)
	}
	if _, err := r.ann.FinishOAuth(t.Context(), last); err != nil {
		t.Errorf("the last: %v", err)
	}
}

// TestOAuthTokenAnswers is S3.93: what is no answer with tokens keeps nothing.
func TestOAuthTokenAnswers(t *testing.T) {
	r := newOAuthRig(t)
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"an error":         {400, `{"error":"invalid_client","error_description":"who?"}`},
		"a failure":        {500, `<html>stack trace</html>`},
		"no token":         {200, `{"token_type":"Bearer"}`},
		"no JSON":          {200, `access_token=x`},
		"another type":     {200, `{"access_token":{"a":1}}`},
		"a redirect":       {302, ``},
		"a bomb":           {200, `{"access_token":"` + strings.Repeat("x", 70<<10) + `"}`},
		"a long token":     {200, `{"access_token":"` + strings.Repeat("x", 20<<10) + `"}`},
		"created, not OK":  {201, `{"access_token":"x"}`},
		"a wrong lifetime": {200, `{"access_token":"x","expires_in":"soon"}`},
	} {
		cb := r.agreed()
		r.peer.Answer(answer.status, answer.body)
		_, err := r.ann.FinishOAuth(t.Context(), cb)
		f := wanted(t, err, fault.OAuthFailed)
		if strings.Contains(f.Text, "stack trace") || strings.Contains(f.Text, r.peer.ClientSecret) || len(f.Text) > 1000 {
			t.Errorf("%s: %.200s", name, f.Text)
		}
		r.untouched(name)
	}
}

// TestAbuseOAuthTokensFollowNoRedirect: what proves who asks is sent to the
// token endpoint, and nowhere that it points to.
func TestAbuseOAuthTokensFollowNoRedirect(t *testing.T) {
	var elsewhere atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/token" {
			http.Redirect(w, req, "/elsewhere", http.StatusTemporaryRedirect)
			return
		}
		elsewhere.Add(1)
	}))
	t.Cleanup(server.Close)
	r := newOAuthRig(t, func(o *abi.OAuth) { o.TokenURL = server.URL + "/token" })
	_, err := r.ann.FinishOAuth(t.Context(), r.agreed())
	wantFault(t, err, fault.OAuthFailed)
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("it was followed %d times", n)
	}
	r.untouched("a redirect")
}

// TestAbuseOAuthReachesPrivateNetworksByGrantAlone: the manifest's word does not
// open the server's own network to a module.
func TestAbuseOAuthReachesPrivateNetworksByGrantAlone(t *testing.T) {
	r := newOAuthRig(t)
	r.id = r.connector("closed", r.stored().Module, false)
	cb := r.agreed()
	_, err := r.ann.FinishOAuth(t.Context(), cb)
	wantFault(t, err, fault.EgressForbidden)
	if asked := r.peer.Asked(); len(asked) > 0 {
		t.Errorf("the token endpoint was asked: %v", asked)
	}
}
