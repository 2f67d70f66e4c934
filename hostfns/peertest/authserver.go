package peertest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// AuthServer is an authorization server (RFC 6749) with one client: the code
// grant with PKCE (RFC 7636, S256 only), refresh tokens that are rotated and
// whose reuse ends the whole family (RFC 9700, 4.14), and the parameter iss
// (RFC 9207). The fields may be changed between requests.
type AuthServer struct {
	ClientID     string
	ClientSecret string        // "": a public client
	RedirectURIs []string      // compared as they are
	Lifetime     time.Duration // of an access token; default 1 h
	Death        time.Duration // of a refresh token, told as refresh_token_expires_in; 0: not told
	KeepRefresh  bool          // a refresh answers no new refresh token
	NoISS        bool          // callbacks carry no iss

	t      testing.TB
	http   *httptest.Server
	mu     sync.Mutex
	codes  map[string]*grant
	access map[string]*grant
	fresh  map[string]*grant // refresh tokens that are good
	spent  map[string]*grant // refresh tokens that were rotated away
	next   []answer
	asked  []url.Values
}

// grant is what one consent of a user allowed.
type grant struct {
	redirect, challenge, scope string
	codeUsed, ended            bool
	expires                    time.Time // of its access token
}

// answer is one that a test put in the place of the server's own.
type answer struct {
	status int
	body   string
}

// NewAuthServer starts a server, which ends with the test.
func NewAuthServer(t testing.TB) *AuthServer {
	t.Helper()
	a := &AuthServer{
		ClientID: "client-1", ClientSecret: "s3cret-of-client-1", Lifetime: time.Hour, t: t,
		codes: map[string]*grant{}, access: map[string]*grant{}, fresh: map[string]*grant{}, spent: map[string]*grant{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", a.authorize)
	mux.HandleFunc("POST /token", a.token)
	a.http = httptest.NewServer(mux)
	t.Cleanup(a.http.Close)
	return a
}

// Issuer is the server's name, and where it is.
func (a *AuthServer) Issuer() string { return a.http.URL }

// AuthorizeURL is the endpoint that a browser is sent to.
func (a *AuthServer) AuthorizeURL() string { return a.http.URL + "/authorize" }

// TokenURL is the endpoint that a client asks for tokens.
func (a *AuthServer) TokenURL() string { return a.http.URL + "/token" }

// Browse plays a browser whose user agrees, or not: it opens the address and
// answers the one that the server sends it back to.
func (a *AuthServer) Browse(address string, agree bool) *url.URL {
	a.t.Helper()
	if !agree {
		address += "&deny=1"
	}
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		a.t.Fatal(err)
	}
	resp, err := a.http.Client().Transport.RoundTrip(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		a.t.Fatalf("the authorization server does not redirect: %s", resp.Status)
	}
	return back
}

// Answer puts an answer in the place of the token endpoint's next one.
func (a *AuthServer) Answer(status int, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = append(a.next, answer{status, body})
}

// Asked are the forms that the token endpoint got.
func (a *AuthServer) Asked() []url.Values {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

// Valid reports whether an access token is good now.
func (a *AuthServer) Valid(token string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.access[token]
	return g != nil && !g.ended && time.Now().Before(g.expires)
}

// Revoke ends everything that was granted.
func (a *AuthServer) Revoke() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, g := range a.fresh {
		g.ended = true
	}
}

func (a *AuthServer) authorize(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := r.URL.Query()
	redirect := q.Get("redirect_uri")
	if q.Get("client_id") != a.ClientID || !slices.Contains(a.RedirectURIs, redirect) {
		http.Error(w, "unknown client or redirect_uri", http.StatusBadRequest) // never a redirect
		return
	}
	back, err := url.Parse(redirect)
	if err != nil {
		http.Error(w, "redirect_uri", http.StatusBadRequest)
		return
	}
	out := back.Query()
	out.Set("state", q.Get("state"))
	if !a.NoISS {
		out.Set("iss", a.http.URL)
	}
	switch {
	case q.Get("deny") != "":
		out.Set("error", "access_denied")
		out.Set("error_description", "The user said no")
	case q.Get("response_type") != "code" || q.Get("state") == "" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43:
		out.Set("error", "invalid_request")
		out.Set("error_description", "wants response_type code, a state and an S256 challenge")
	default:
		code := rand.Text()
		a.codes[code] = &grant{redirect: redirect, challenge: q.Get("code_challenge"), scope: q.Get("scope")}
		out.Set("code", code)
	}
	back.RawQuery = out.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (a *AuthServer) token(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	a.asked = append(a.asked, r.PostForm)
	if len(a.next) > 0 {
		said := a.next[0]
		a.next = a.next[1:]
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(said.status)
		_, _ = w.Write([]byte(said.body))
		return
	}
	if !a.isClient(r) {
		refuse(w, http.StatusUnauthorized, "invalid_client", "wrong client or secret")
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		a.redeem(w, r.PostForm)
	case "refresh_token":
		a.refresh(w, r.PostForm)
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "")
	}
}

// isClient takes the client's secret from the header or from the form.
func (a *AuthServer) isClient(r *http.Request) bool {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	return id == a.ClientID && subtle.ConstantTimeCompare([]byte(secret), []byte(a.ClientSecret)) == 1
}

func (a *AuthServer) redeem(w http.ResponseWriter, form url.Values) {
	g := a.codes[form.Get("code")]
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case g == nil:
		refuse(w, http.StatusBadRequest, "invalid_grant", "no such code")
	case g.codeUsed:
		g.ended = true // somebody has it who should not
		refuse(w, http.StatusBadRequest, "invalid_grant", "the code was used before")
	case g.redirect != form.Get("redirect_uri"):
		refuse(w, http.StatusBadRequest, "invalid_grant", "another redirect_uri")
	case base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge:
		refuse(w, http.StatusBadRequest, "invalid_grant", "the verifier does not fit the challenge")
	default:
		g.codeUsed = true
		a.issue(w, g, true)
	}
}

func (a *AuthServer) refresh(w http.ResponseWriter, form url.Values) {
	token := form.Get("refresh_token")
	if g := a.spent[token]; g != nil {
		g.ended = true
		refuse(w, http.StatusBadRequest, "invalid_grant", "the refresh token was used before")
		return
	}
	g := a.fresh[token]
	if g == nil || g.ended {
		refuse(w, http.StatusBadRequest, "invalid_grant", "no such refresh token")
		return
	}
	if !a.KeepRefresh {
		delete(a.fresh, token)
		a.spent[token] = g
	}
	a.issue(w, g, !a.KeepRefresh)
}

func (a *AuthServer) issue(w http.ResponseWriter, g *grant, refresh bool) {
	access := "at-" + strings.ToLower(rand.Text())
	g.expires = time.Now().Add(a.Lifetime)
	maps.DeleteFunc(a.access, func(_ string, of *grant) bool { return of == g }) // the newest alone is good
	a.access[access] = g
	body := map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int(a.Lifetime.Seconds()), "scope": g.scope,
	}
	if refresh {
		token := "rt-" + strings.ToLower(rand.Text())
		a.fresh[token] = g
		body["refresh_token"] = token
	}
	if a.Death > 0 {
		body["refresh_token_expires_in"] = int(a.Death.Seconds())
	}
	writeJSON(w, http.StatusOK, body)
}

func refuse(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]any{"error": code, "error_description": description})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
