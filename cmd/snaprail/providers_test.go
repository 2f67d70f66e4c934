package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// provider creates a connector of a shipped module that may reach a peer on this
// machine, and answers its id. It is a draft.
func (n *node) provider(digest, name, peer string, params map[string]string) string {
	n.t.Helper()
	rows := []map[string]any{}
	for key, value := range params {
		rows = append(rows, map[string]any{"key": key, "value": value})
	}
	raw, err := json.Marshal(map[string]any{
		"name": name, "module": digest, "params": rows,
		"grants": []any{map[string]any{"group": "http", "resources": []string{peer + "/*", "cidr:127.0.0.0/8"}, "rights": []string{"read", "write"}}},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	c, err := n.api.CreateConnector(n.t.Context(), raw)
	if err != nil {
		n.t.Fatal(err)
	}
	return c.ID
}

// begin tests and activates a connector.
func (n *node) begin(id string) {
	n.t.Helper()
	if r, err := n.api.TestConnector(n.t.Context(), id); err != nil || !r.Success {
		n.t.Fatalf("test: %+v, %v\n%s", r, err, n.stderr)
	}
	if _, err := n.api.Activate(n.t.Context(), id); err != nil {
		n.t.Fatal(err)
	}
}

// operate runs an operation of a connector.
func (n *node) operate(id, operation string, args map[string]any) string {
	n.t.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		n.t.Fatal(err)
	}
	out, err := n.api.CallConnector(n.t.Context(), id, operation, raw, 0)
	if err != nil {
		n.t.Fatalf("%s: %v\n%s", operation, err, n.stderr)
	}
	return string(out.Result)
}

// TestProvidersThroughTheHost runs the shipped providers in the real program,
// through its host functions, against peers that check what they get.
func TestProvidersThroughTheHost(t *testing.T) {
	n := newNode(t)
	for name, run := range map[string]func(*testing.T, *node){
		"s3": storesFiles, "slackhook": postsTexts, "webhookmail": handsMailOver,
	} {
		t.Run(name, func(t *testing.T) {
			defer func(outer *testing.T) { n.t = outer }(n.t) //nolint:thelper // it gives the node its test back
			n.t = t
			run(t, n)
		})
	}
}

func storesFiles(t *testing.T, n *node) {
	t.Helper()
	peer := peertest.NewS3()
	server := httptest.NewServer(peer)
	defer server.Close()
	id := n.provider(n.push("s3"), "files", server.URL, map[string]string{
		"bucket": peer.Bucket, "access_key": peer.AccessKey, "secret_key": peer.SecretKey, "region": peer.Region, "endpoint": server.URL,
	})
	n.begin(id)
	n.operate(id, "put", map[string]any{"path": "a b/ü+c.txt", "data": []byte("hello"), "content_type": "text/plain"})
	if got := n.operate(id, "get", map[string]any{"path": "a b/ü+c.txt"}); !strings.Contains(got, base64.StdEncoding.EncodeToString([]byte("hello"))) {
		t.Errorf("get answers %s", got)
	}
	if got := n.operate(id, "list", map[string]any{"prefix": "a b/"}); !strings.Contains(got, `"size":5`) {
		t.Errorf("list answers %s", got)
	}
	if got := n.operate(id, "stat", map[string]any{"path": "a b/ü+c.txt"}); !strings.Contains(got, `"size":5`) {
		t.Errorf("stat answers %s", got)
	}
	big := bytes.Repeat([]byte{7}, 600<<10)
	n.operate(id, "put", map[string]any{"path": "big", "data": big})
	if got := n.operate(id, "get", map[string]any{"path": "big"}); len(got) < 800<<10 {
		t.Errorf("a large object came as %d bytes", len(got))
	}
	n.operate(id, "delete", map[string]any{"path": "a b/ü+c.txt"})
	if got := peer.Objects(); len(got) != 1 || got["big"] != string(big) || len(peer.Refused()) > 0 {
		t.Errorf("the storage holds %d objects, and refused %q", len(got), peer.Refused())
	}
	v, err := n.api.Connector(t.Context(), id)
	if raw, _ := json.Marshal(v); err != nil || strings.Contains(string(raw), peer.SecretKey) {
		t.Errorf("the key is shown, or %v", err)
	}
}

// posts keeps what was posted.
type posts struct {
	mu  sync.Mutex
	all []string
	say func(w http.ResponseWriter, r *http.Request, body string) bool
}

func (p *posts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if !p.say(w, r, string(body)) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, string(body))
}

func postsTexts(t *testing.T, n *node) {
	t.Helper()
	peer := &posts{say: func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.Method != http.MethodPost {
			http.Error(w, "method_not_allowed", http.StatusMethodNotAllowed)
			return false
		}
		_, _ = io.WriteString(w, "ok")
		return true
	}}
	server := httptest.NewServer(peer)
	defer server.Close()
	id := n.provider(n.push("slackhook"), "chat", server.URL, map[string]string{"url": server.URL + "/services/T/B/X"})
	n.begin(id)
	n.operate(id, "send", map[string]any{"text": "low", "title": "Boiler"})
	if len(peer.all) != 1 || peer.all[0] != `{"text":"*Boiler*\nlow"}` {
		t.Errorf("posted %q", peer.all)
	}
}

func handsMailOver(t *testing.T, n *node) {
	t.Helper()
	peer := &posts{say: func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.Header.Get("Authorization") != "Bearer of-the-mail" {
			w.WriteHeader(http.StatusUnauthorized)
			return false
		}
		if r.Method == http.MethodOptions {
			return false
		}
		_, _ = io.WriteString(w, `{"id":"m-1"}`)
		return r.Header.Get("Idempotency-Key") != ""
	}}
	server := httptest.NewServer(peer)
	defer server.Close()
	id := n.provider(n.push("webhookmail"), "mail", server.URL, map[string]string{
		"url": server.URL + "/send", "from": "boiler@plant.test", "authorization": "Bearer of-the-mail",
	})
	n.begin(id)
	if got := n.operate(id, "send_message", map[string]any{"to": "a@x.test", "subject": "Boiler", "body": "low"}); got != `{"sent":true,"id":"m-1"}` {
		t.Errorf("it answers %s", got)
	}
	if len(peer.all) != 1 || !strings.Contains(peer.all[0], `"to":["a@x.test"]`) {
		t.Errorf("posted %q", peer.all)
	}
}

// driveFor is the module googledrive with a manifest whose endpoints are a
// peer's.
func (n *node) driveFor(auth *peertest.AuthServer) string {
	n.t.Helper()
	src := guestBytes(n.t, "googledrive")
	raw, _, err := wasmbin.Section(src, abi.ManifestSection)
	if err != nil {
		n.t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		n.t.Fatal(err)
	}
	m["oauth"] = abi.OAuth{AuthorizeURL: auth.AuthorizeURL(), TokenURL: auth.TokenURL(), Scopes: []string{"drive.file"}, Issuer: auth.Issuer()}
	if raw, err = json.Marshal(m); err != nil {
		n.t.Fatal(err)
	}
	module, _, err := n.api.PushModule(n.t.Context(), bytes.NewReader(src), raw)
	if err != nil {
		n.t.Fatal(err)
	}
	return module.Digest
}

// console is a person at a terminal and in a browser: it plays the browser as
// soon as an address is printed.
type console struct {
	bytes.Buffer
	found func(address string)
}

func (c *console) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if at := strings.TrimSpace(line); strings.HasPrefix(at, "http://127.0.0.1") {
			go c.found(at)
		}
	}
	return c.Buffer.Write(p)
}

// connect runs snaprail connect.
func (n *node) connect(in io.Reader, found func(address string), args ...string) (code int, said string) {
	c := &console{found: found}
	env := map[string]string{"SNAPRAIL_SERVER": n.url, "SNAPRAIL_TOKEN": n.token}
	code = run(append([]string{"connect"}, args...), terminal{in: in, out: c, err: c, env: func(name string) string { return env[name] }})
	return code, c.String()
}

// TestConnectInABrowser is the whole way of S3.82 to S3.94: the file of an OAuth
// client is imported, somebody agrees, the module trades the code through the
// real host, and files come and go with the token.
func TestConnectInABrowser(t *testing.T) {
	n := newNode(t)
	auth := peertest.NewAuthServer(t)
	drive := &peertest.Drive{Auth: auth}
	files := httptest.NewServer(drive)
	defer files.Close()
	id := n.provider(n.driveFor(auth), "drive", files.URL, map[string]string{
		"client_id": auth.ClientID, "client_secret": auth.ClientSecret, "api_url": files.URL, "token_uri": auth.TokenURL(),
	})
	get := func(address string) {
		if resp, err := http.Get(address); err == nil {
			_ = resp.Body.Close()
		}
	}
	code, said := n.connect(strings.NewReader(""), func(address string) {
		u, _ := url.Parse(address)
		auth.RedirectURIs = []string{u.Query().Get("redirect_uri")}
		get(auth.Browse(address, true).String())
	}, "drive")
	if code != 0 || !strings.Contains(said, "connected drive: the drive of ann@plant.test answers") || strings.Contains(said, auth.ClientSecret) {
		t.Fatalf("exit %d: %s\n%s", code, said, n.stderr)
	}
	if _, err := n.api.Activate(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	n.operate(id, "put", map[string]any{"path": "it's.txt", "data": []byte("hello")})
	if got := drive.Files(); got["it's.txt"] != "hello" {
		t.Errorf("the drive holds %v", got)
	}
	form := auth.Asked()[0]
	if form.Get("code_verifier") == "" || form.Get("grant_type") != "authorization_code" {
		t.Errorf("the module asked with %v", form)
	}

	// On another machine: the address that the browser ends at is pasted.
	callback := n.url + "/api/connectors/oauth/callback/googledrive"
	auth.RedirectURIs = []string{callback}
	pasted, paste := io.Pipe()
	code, said = n.connect(pasted, func(address string) {
		fmt.Fprintf(paste, "%s/?state=x\n%s\n", n.url, auth.Browse(address, true))
	}, "drive", "--no-browser")
	if code != 0 || !strings.Contains(said, "connected drive") || !strings.Contains(said, "not the address") {
		t.Fatalf("exit %d: %s\n%s", code, said, n.stderr)
	}

	// Finished elsewhere, by who may: the server is asked about it.
	code, said = n.connect(strings.NewReader(""), func(address string) {
		if _, err := n.api.FinishOAuth(t.Context(), "googledrive", auth.Browse(address, true).Query()); err != nil {
			t.Error(err)
		}
	}, "drive", "--no-browser")
	if code != 0 || !strings.Contains(said, "connected drive") {
		t.Fatalf("exit %d: %s", code, said)
	}

	// Somebody who says no.
	code, said = n.connect(strings.NewReader(""), func(address string) {
		u, _ := url.Parse(address)
		auth.RedirectURIs = []string{u.Query().Get("redirect_uri")}
		get(auth.Browse(address, false).String())
	}, "drive")
	if code != fault.ExitFailure || !strings.Contains(said, "access_denied") {
		t.Errorf("exit %d: %s", code, said)
	}
	var v client.Connector
	v, err := n.api.Connector(t.Context(), id)
	if err != nil || v.OAuth == nil || v.OAuth.Failure != "" {
		t.Errorf("%+v, %v", v.OAuth, err)
	}
}
