package peertest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/snaprail/snaprail/hostfns/peertest"
)

// TestAuthServerChecksWhatItGets: a peer that accepts anything would prove
// nothing of a client.
func TestAuthServerChecksWhatItGets(t *testing.T) {
	const verifier = "a-verifier-of-forty-three-characters-or-more"
	const redirect = "http://127.0.0.1/back"
	a := peertest.NewAuthServer(t)
	a.RedirectURIs = []string{redirect}
	sum := sha256.Sum256([]byte(verifier))
	code := func() string {
		return a.Browse(a.AuthorizeURL()+"?"+url.Values{
			"response_type": {"code"}, "client_id": {a.ClientID}, "redirect_uri": {redirect}, "state": {"s"},
			"code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
		}.Encode(), true).Query().Get("code")
	}
	ask := func(edit func(url.Values)) (status int, body map[string]any) {
		form := url.Values{
			"grant_type": {"authorization_code"}, "code": {code()}, "redirect_uri": {redirect},
			"client_id": {a.ClientID}, "client_secret": {a.ClientSecret}, "code_verifier": {verifier},
		}
		edit(form)
		resp, err := http.PostForm(a.TokenURL(), form)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, body
	}
	for name, edit := range map[string]func(url.Values){
		"another verifier": func(f url.Values) { f.Set("code_verifier", verifier+"x") },
		"another redirect": func(f url.Values) { f.Set("redirect_uri", redirect+"/") },
		"a wrong secret":   func(f url.Values) { f.Set("client_secret", "x") },
		"no such code":     func(f url.Values) { f.Set("code", "x") },
	} {
		if status, body := ask(edit); status == http.StatusOK {
			t.Errorf("%s: %v", name, body)
		}
	}
	used := ""
	status, body := ask(func(f url.Values) { used = f.Get("code") })
	access, _ := body["access_token"].(string)
	refresh, _ := body["refresh_token"].(string)
	if status != http.StatusOK || !a.Valid(access) {
		t.Fatalf("%d %v", status, body)
	}
	rotate := func(f url.Values) { f.Set("grant_type", "refresh_token"); f.Set("refresh_token", refresh) }
	if status, body = ask(rotate); status != http.StatusOK || body["refresh_token"] == refresh || a.Valid(access) {
		t.Errorf("refresh: %d %v, and the old token is valid: %v", status, body, a.Valid(access))
	}
	access, _ = body["access_token"].(string)
	if status, _ = ask(rotate); status == http.StatusOK || a.Valid(access) {
		t.Errorf("a refresh token was used twice: %d, and the family lives: %v", status, a.Valid(access))
	}
	if status, _ = ask(func(f url.Values) { f.Set("code", used) }); status == http.StatusOK {
		t.Error("a code was used twice")
	}
}
