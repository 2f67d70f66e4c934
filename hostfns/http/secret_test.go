package http_test

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

const token = `t0k"en/+ü&<secret>`

// The host fills in what the guest names; a peer that sends it back, in any
// form, does not tell it to the guest.
func TestSecrets(t *testing.T) {
	quoted, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	echoes := map[string]string{
		"plain": token, "json": string(quoted), "query": url.QueryEscape(token), "path": url.PathEscape(token),
		"hex": hex.EncodeToString([]byte(token)), "base64": b64([]byte(token)),
		"base64 behind one": b64([]byte("x" + token + "y")), "base64 behind two": b64([]byte("xy" + token)),
		"base64url": base64.RawURLEncoding.EncodeToString([]byte(token)),
	}
	var authorization, cookie string
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		authorization, cookie = r.Header.Get("Authorization"), r.Header.Get("Cookie")
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		switch r.URL.Path {
		case "/redirect":
			nethttp.Redirect(w, r, "/?q="+url.QueryEscape(token), nethttp.StatusFound)
			return
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			write(t, z, "echo "+token)
			if err := z.Close(); err != nil {
				t.Error(err)
			}
			return
		case "/br":
			w.Header().Set("Content-Encoding", "br")
			write(t, w, "who knows")
			return
		}
		write(t, w, "echo "+echoes[r.URL.Query().Get("as")]+" end")
	})
	h := session(t, egress.New(egress.Config{}), capability.Scope{
		Grants: granted(s.URL, local), Secrets: secrets{"token": token + "\n", "user": "someone", "short": "abc"},
	})
	asked := func(path string, q abi.HTTPRequest) abi.HTTPResponse {
		t.Helper()
		q.URL = s.URL + path
		reply, err := ask(t, h, q)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, form := range echoes {
			if strings.Contains(string(reply.Body), form) || strings.Contains(reply.URL, form) || strings.Contains(header(reply, "X-Echo"), form) {
				t.Errorf("%s: the guest sees %s", path, reply.Body)
			}
		}
		return reply
	}
	for as := range echoes {
		asked("/?as="+url.QueryEscape(as), abi.HTTPRequest{Headers: headers("Authorization", "Bearer secret://token", "Cookie", "a=secret://short; b=secret://user")})
	}
	if authorization != "Bearer "+token {
		t.Errorf("the peer got %q", authorization)
	}
	if got := asked("/?as=plain", abi.HTTPRequest{Headers: headers("Authorization", "Bearer secret://token", "Cookie", "a=secret://short; b=secret://user")}); cookie != "a=abc; b=someone" || string(got.Body) != "echo [masked] end" || header(got, "X-Echo") != "Bearer [masked]" {
		t.Errorf("cookie %q, %q, %q", cookie, got.Body, header(got, "X-Echo"))
	}
	asked("/redirect", abi.HTTPRequest{Headers: headers("X-Token", "secret://token")})
	if got := asked("/gzip", abi.HTTPRequest{Headers: headers("X-Token", "secret://token")}); string(got.Body) != "echo [masked]" {
		t.Errorf("%q", got.Body)
	}
	if _, err := ask(t, h, abi.HTTPRequest{URL: s.URL + "/br", Headers: headers("X-Token", "secret://token")}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("a reply in which nothing can be looked for: %v", err)
	}
	asked("/br", abi.HTTPRequest{})
	asked("/", abi.HTTPRequest{Username: "secret://user", Password: "secret://token"})
	if want := "Basic " + b64([]byte("someone:"+token)); authorization != want {
		t.Errorf("basic authentication as %q, want %q", authorization, want)
	}
}

// A request names few secrets, each as often as it likes within the bound of its
// headers.
func TestManySecrets(t *testing.T) {
	all := secrets{"long": strings.Repeat("x", 60<<10)}
	for i := range 20 {
		all[fmt.Sprintf("s%d", i)] = "value"
	}
	s := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) {})
	h := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(s.URL, local), Secrets: all})
	many := ""
	for i := range 17 {
		many += fmt.Sprintf("secret://s%d ", i)
	}
	for value, want := range map[string]fault.Kind{
		many: fault.Invalid, strings.Repeat("secret://s1 ", 1000): 0, strings.Repeat("secret://long ", 1000): fault.TooLarge,
	} {
		_, err := ask(t, h, abi.HTTPRequest{URL: s.URL, Headers: headers("X", value)})
		if (err == nil) != (want == 0) || err != nil && !fault.Is(err, want) {
			t.Errorf("%.40s: %v", value, err)
		}
	}
}

func TestSecretsThatAreNotThere(t *testing.T) {
	scope := capability.Scope{Grants: granted("http://h"), Secrets: secrets{"bad": "a\r\nb"}}
	for name, want := range map[string]fault.Kind{"gone": fault.SecretMissing, "bad": fault.Invalid, "": fault.Invalid} {
		_, err := ask(t, session(t, egress.New(egress.Config{}), scope), abi.HTTPRequest{URL: "http://h/", Headers: headers("X", "secret://"+name)})
		if !fault.Is(err, want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	scope.Secrets = nil
	if _, err := ask(t, session(t, egress.New(egress.Config{}), scope), abi.HTTPRequest{URL: "http://h/", Password: "secret://x"}); !fault.Is(err, fault.SecretMissing) {
		t.Errorf("without secrets: %v", err)
	}
}

// A secret does not come out by an error either: the peer's words are in it.
func TestSecretsInErrors(t *testing.T) {
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		conn, _, err := w.(nethttp.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		write(t, conn, "no HTTP at all: "+r.Header.Get("X-Token")+"\r\n\r\n")
	})
	scope := capability.Scope{Grants: granted(s.URL, local), Secrets: secrets{"token": "hidden-value"}}
	_, err := ask(t, session(t, egress.New(egress.Config{}), scope), abi.HTTPRequest{URL: s.URL + "/?key=in-the-query", Headers: headers("X-Token", "secret://token")})
	f := fault.Of(err)
	if !fault.Is(err, fault.ResourceUnavailable) || strings.Contains(f.Text+f.Advice(), "hidden") || strings.Contains(f.Text+f.Advice(), "in-the-query") {
		t.Errorf("%s: %s (%s)", f.Kind, f.Text, f.Advice())
	}
}

// A secret goes to the host that it was meant for, and along no redirect.
func TestSecretsStayWithTheirHost(t *testing.T) {
	var seen nethttp.Header
	other := serve(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) { seen = r.Header })
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		nethttp.Redirect(w, r, other.URL, nethttp.StatusFound)
	})
	scope := capability.Scope{Grants: granted(s.URL, other.URL, local), Secrets: secrets{"token": "hidden-value"}}
	_, err := ask(t, session(t, egress.New(egress.Config{}), scope), abi.HTTPRequest{URL: s.URL, Headers: headers("X-Token", "secret://token", "X-Own", "v")})
	if err != nil || seen == nil || strings.Contains(fmt.Sprint(seen), "hidden") || seen.Get("X-Own") != "" {
		t.Errorf("%v, %v", seen, err)
	}
}

// A guest asks by an authority and a certificate of its own, which may be
// secrets.
func TestTLSBySecrets(t *testing.T) {
	s := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { write(t, w, "in") }))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	h := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(s.URL, local), Secrets: secrets{"ca": ca}})
	if _, err := ask(t, h, abi.HTTPRequest{URL: s.URL}); !fault.Is(err, fault.PeerTLS) {
		t.Errorf("an authority that nobody knows: %v", err)
	}
	for _, by := range []string{ca, "secret://ca"} {
		if reply, err := ask(t, h, abi.HTTPRequest{URL: s.URL, TLS: &abi.HTTPTLS{CA: by}}); err != nil || string(reply.Body) != "in" {
			t.Errorf("%.20s: %s, %v", by, reply.Body, err)
		}
	}
	// More kinds of TLS than are kept: the oldest makes room.
	for i := range 10 {
		_, err := ask(t, h, abi.HTTPRequest{URL: s.URL, TLS: &abi.HTTPTLS{CA: ca, ServerName: fmt.Sprintf("n%d.test", i)}})
		if !fault.Is(err, fault.PeerTLS) {
			t.Errorf("another name: %v", err)
		}
	}
	if _, err := ask(t, h, abi.HTTPRequest{URL: s.URL, TLS: &abi.HTTPTLS{CA: "secret://gone"}}); !fault.Is(err, fault.SecretMissing) {
		t.Error(err)
	}
}
