package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
	"github.com/snaprail/snaprail/hostfns/peertest"
)

const (
	redirect = "http://127.0.0.1:8080/api/connectors/oauth/callback/googledrive"
	verifier = "a-verifier-of-forty-three-characters-or-more"
)

// rig is a guest, and a drive with its authorization server. What the guest asks
// of either reaches it.
func rig(t *testing.T) (*guesttest.Harness, *peertest.Drive) {
	t.Helper()
	auth := peertest.NewAuthServer(t)
	auth.RedirectURIs = []string{redirect}
	d := &peertest.Drive{Auth: auth}
	h := guesttest.New(t, &storage{})
	h.Web(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host == "drive.test" {
			d.ServeHTTP(w, r)
			return
		}
		resp, err := http.Post(r.URL.String(), r.Header.Get("Content-Type"), r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	return h, d
}

func config(a *peertest.AuthServer, more string) string {
	return fmt.Sprintf(`{"client_id":%q,"client_secret":%q,"api_url":"https://drive.test/","token_uri":%q%s}`, a.ClientID, a.ClientSecret, a.TokenURL(), more)
}

// exchanged is the answer of the guest to a code.
func exchanged(h *guesttest.Harness, a *peertest.AuthServer, edit func(*abi.ExchangeInput)) (pairs map[string]string, err error) {
	sum := sha256.Sum256([]byte(verifier))
	code := a.Browse(a.AuthorizeURL()+"?"+url.Values{
		"response_type": {"code"}, "client_id": {a.ClientID}, "redirect_uri": {redirect}, "state": {"s"}, "scope": {"drive.file"},
		"code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}.Encode(), true).Query().Get("code")
	in := abi.ExchangeInput{Code: code, RedirectURI: redirect, CodeVerifier: verifier, Config: json.RawMessage(config(a, ""))}
	edit(&in)
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	answer, err := h.Call(abi.EntryExchangeOAuthCode, raw)
	if err != nil {
		return nil, err
	}
	return pairs, json.Unmarshal(answer, &pairs)
}

func TestCodeBecomesTokens(t *testing.T) {
	h, d := rig(t)
	pairs, err := exchanged(h, d.Auth, func(*abi.ExchangeInput) {})
	if err != nil || !d.Auth.Valid(pairs["access_token"]) || pairs["refresh_token"] == "" || pairs["expires_in"] != "3600" || pairs["scope"] != "drive.file" {
		t.Fatalf("%v, %v", pairs, err)
	}
	for name, edit := range map[string]func(*abi.ExchangeInput){
		"another verifier": func(in *abi.ExchangeInput) { in.CodeVerifier = "x" },
		"another redirect": func(in *abi.ExchangeInput) { in.RedirectURI = "https://evil.example" },
		"a made-up code":   func(in *abi.ExchangeInput) { in.Code = "x" },
	} {
		pairs, err := exchanged(h, d.Auth, edit)
		var fault *abi.Error
		if !errors.As(err, &fault) || fault.Code != "oauth_failed" || len(pairs) > 0 || strings.Contains(fault.Text, d.Auth.ClientSecret) {
			t.Errorf("%s: %v, %v", name, pairs, err)
		}
	}
}

// TestImportsAsGoogleHasThem are S3.21: the file of a client is imported as it
// was downloaded.
func TestImportsAsGoogleHasThem(t *testing.T) {
	h, _ := rig(t)
	for in, want := range map[string]string{
		`{"installed":{"client_id":"a"}}`: `{"client_id":"a"}`, `{"web":{"client_id":"b"}}`: `{"client_id":"b"}`,
		`{"client_id":"c"}`: `{"client_id":"c"}`, `{"installed":"no"}`: `{"installed":"no"}`,
		`{"installed":{"a":"1"},"web":{"a":"2"}}`: `{"a":"1"}`,
	} {
		if got, err := h.Call(abi.EntryNormalizeImport, []byte(in)); err != nil || string(got) != want {
			t.Errorf("%s became %s, %v", in, got, err)
		}
	}
	if _, err := h.Call(abi.EntryNormalizeImport, []byte(`[]`)); err == nil {
		t.Error("a list was imported")
	}
}

func TestFilesComeAndGo(t *testing.T) {
	h, d := rig(t)
	pairs, err := exchanged(h, d.Auth, func(*abi.ExchangeInput) {})
	if err != nil {
		t.Fatal(err)
	}
	h.MustOpen(config(d.Auth, `,"access_token":"`+pairs["access_token"]+`","folder":"f-1"`))
	put := func(path, data string) {
		h.MustOperate("put", fmt.Sprintf(`{"path":%q,"data":%q,"content_type":"text/plain"}`, path, base64.StdEncoding.EncodeToString([]byte(data))))
	}
	put("reports/it's \\ monday.txt", "one")
	put("reports/it's \\ monday.txt", "two")
	put("my reports/", "three")
	if got := d.Files(); len(got) != 2 || got["reports/it's \\ monday.txt"] != "two" {
		t.Fatalf("the drive holds %v", got)
	}
	var found listing
	if err := json.Unmarshal([]byte(h.MustOperate("list", `{"prefix":"reports/"}`)), &found); err != nil || len(found.Items) != 1 || found.Items[0].Size != 3 {
		t.Errorf("listed %+v, %v", found, err)
	}
	var got object
	if err := json.Unmarshal([]byte(h.MustOperate("get", `{"path":"my reports/"}`)), &got); err != nil || string(got.Data) != "three" || got.ContentType != "text/plain" {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := json.Unmarshal([]byte(h.MustOperate("stat", `{"path":"my reports/"}`)), &got); err != nil || got.Size != 5 || got.Modified == "" {
		t.Errorf("stat %+v, %v", got, err)
	}
	h.MustOperate("delete", `{"path":"my reports/"}`)
	for _, op := range []string{"get", "stat", "delete"} {
		_, err := h.Operate(op, `{"path":"my reports/"}`)
		var fault *abi.Error
		if !errors.As(err, &fault) || fault.Code != "no_such_path" {
			t.Errorf("%s: %v", op, err)
		}
	}
	d.Auth.Revoke()
}

func TestConnectionNamesTheAccount(t *testing.T) {
	h, d := rig(t)
	pairs, err := exchanged(h, d.Auth, func(*abi.ExchangeInput) {})
	if err != nil {
		t.Fatal(err)
	}
	for more, want := range map[string]string{
		`,"access_token":"` + pairs["access_token"] + `"`: "ann@plant.test",
		`,"access_token":"x"`:                             "401",
		``:                                                "nobody has connected it",
	} {
		result, err := h.Test(config(d.Auth, more))
		if err != nil || result.Success != (want == "ann@plant.test") || !strings.Contains(result.Message, want) {
			t.Errorf("%s: %+v, %v", more, result, err)
		}
	}
	if result, err := h.Test(`{}`); err != nil || result.Success || !strings.Contains(result.Message, "client_id") {
		t.Errorf("%+v, %v", result, err)
	}
}
