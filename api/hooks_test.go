package api

import (
	"net/http"
	"strings"
	"testing"
)

// A request that comes in is the connector's business, and the answer the server's:
// no cookie, no page, and nothing of the API's own.
func TestRequestsThatComeIn(t *testing.T) {
	w := newWorld(t)
	door := w.hooked()
	send := func(method, path, body string, edits ...func(*http.Request)) reply {
		t.Helper()
		return w.do(w.request(method, path, strings.NewReader(body), edits...))
	}
	address := hooksPath + door.ID + "/in/a"
	key := header("Idempotency-Key", "k1")
	p := send(http.MethodPost, address, "x", key, header("Authorization", ""), header("Cookie", "session=a"))
	if p.status != http.StatusAccepted || !strings.Contains(p.header.Get("Content-Security-Policy"), "sandbox") || len(p.header["Set-Cookie"]) != 0 {
		t.Errorf("%d %v", p.status, p.header)
	}
	if p := send(http.MethodPost, address, "x", key); p.status != http.StatusAccepted || p.header.Get(headerReplayed) != "true" {
		t.Errorf("again: %d %v", p.status, p.header)
	}
	if p := send(http.MethodPost, address, "y", key); p.status != http.StatusUnprocessableEntity || p.code() != "idempotency_mismatch" {
		t.Errorf("another under the same name: %d %s", p.status, p.body)
	}
	for _, bare := range []string{hooksPath + door.ID, hooksPath + door.ID + "/"} {
		if p := send(http.MethodPost, bare, "x", header("Authorization", "")); p.status != http.StatusAccepted {
			t.Errorf("%s: %d %s", bare, p.status, p.body)
		}
	}
	// What is not there, and what does not run, from where nobody asks for a token.
	if p := send(http.MethodPost, hooksPath+"con_none/in", "x"); p.status != http.StatusNotFound || p.header.Get("WWW-Authenticate") != "" {
		t.Errorf("none: %d %v", p.status, p.header)
	}
	for _, path := range []string{"/../../api/connectors", "/a%2f..%2fb", "//a"} {
		q := w.request(http.MethodPost, "/", nil)
		q.URL.Opaque = hooksPath + door.ID + path // as it is
		if p := w.do(q); p.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, p.status, p.body)
		}
	}
	w.post("/api/connectors/"+door.ID+"/deactivate", "", nil)
	if p := send(http.MethodPost, address, "z"); p.status != http.StatusServiceUnavailable || p.header.Get("Retry-After") == "" || p.code() != "hook_unavailable" {
		t.Errorf("stopped: %d %v %s", p.status, p.header, p.body)
	}
}
