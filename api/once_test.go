package api

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

func withKey(key string) func(*http.Request) { return header(headerIdempotencyKey, key) }

// connectors are how many the tenant has.
func (r *rig) connectors() int {
	r.t.Helper()
	var list client.List[client.Connector]
	r.call("GET", "/api/connectors", "").ok(http.StatusOK, &list)
	return len(list.Items)
}

func TestSameKeyIsDoneOnce(t *testing.T) {
	w := newWorld(t)
	body := w.connectorBody()
	first := w.call("POST", "/api/connectors", body, withKey("k1"))
	first.ok(http.StatusCreated, nil)
	if first.header.Get(headerReplayed) != "" {
		t.Error("the first answer says that it is not")
	}
	again := w.call("POST", "/api/v1/connectors", body, withKey("k1"))
	again.ok(http.StatusCreated, nil)
	if again.header.Get(headerReplayed) != "true" || string(again.body) != string(first.body) {
		t.Errorf("%v\n%s\n%s", again.header, first.body, again.body)
	}
	for _, name := range []string{"Location", "ETag", "Content-Type"} {
		if again.header.Get(name) == "" || again.header.Get(name) != first.header.Get(name) {
			t.Errorf("%s: %q and %q", name, first.header.Get(name), again.header.Get(name))
		}
	}
	w.call("POST", "/api/connectors", w.connectorBody(), withKey("k1")).problem(fault.IdempotencyMismatch)
	w.call("POST", "/api/connectors?x=1", body, withKey("k1")).problem(fault.IdempotencyMismatch)
	w.call("POST", "/api/connectors/plants-1-own/test", "", withKey("k1")).problem(fault.IdempotencyMismatch)
	w.call("POST", "/api/connectors", body, withKey("k2")).problem(fault.Exists)
	w.call("POST", "/api/connectors", body).problem(fault.Exists)
	if n := w.connectors(); n != 1 {
		t.Errorf("%d connectors", n)
	}
	for _, key := range []string{strings.Repeat("k", maxKey+1), "schlüssel", "a\tb"} {
		w.call("POST", "/api/connectors", body, withKey(key)).problem(fault.Invalid)
	}
}

// TestKeysAreTheirCallers: neither another tenant nor another identity of the
// tenant is given what was answered to somebody else.
func TestKeysAreTheirCallers(t *testing.T) {
	w := newWorld(t)
	body := w.connectorBody()
	w.call("POST", "/api/connectors", body, withKey("k")).ok(http.StatusCreated, nil)
	for whose, token := range map[string]string{"another tenant": w.other, "another token": w.newToken("plant")} {
		p := w.call("POST", "/api/connectors", body, withKey("k"), header("Authorization", "Bearer "+token))
		if p.status == http.StatusCreated || p.header.Get(headerReplayed) != "" {
			t.Errorf("%s: %d %s", whose, p.status, p.body)
		}
	}
}

// TestRefusalsAreNotKept: whoever mends a request may send it with its key.
func TestRefusalsAreNotKept(t *testing.T) {
	w := newWorld(t)
	w.call("POST", "/api/connectors", "{}", withKey("k")).problem(fault.Invalid)
	w.call("POST", "/api/connectors", w.connectorBody(), withKey("k")).ok(http.StatusCreated, nil)
}

// TestUploadsTakeKeys: a body that is streamed is compared as a whole too.
func TestUploadsTakeKeys(t *testing.T) {
	w := newWorld(t)
	src := string(w.freshModule())
	kind := header("Content-Type", "application/wasm")
	first := w.call("POST", "/api/modules", src, kind, withKey("k"))
	first.ok(http.StatusCreated, nil)
	again := w.call("POST", "/api/modules", src, kind, withKey("k"))
	again.ok(http.StatusCreated, nil)
	if again.header.Get(headerReplayed) != "true" {
		t.Error(again.header)
	}
	w.call("POST", "/api/modules", string(w.freshModule()), kind, withKey("k")).problem(fault.IdempotencyMismatch)
}

func TestKeyUnderWayIsBusy(t *testing.T) {
	r := newRig(t)
	entered, goOn := make(chan struct{}), make(chan struct{})
	r.api.echo.POST("/api/slow", r.api.authenticated(func(c echo.Context, _ *control.Tenant) error {
		close(entered)
		<-goOn
		return c.JSON(http.StatusOK, map[string]int{"n": 1})
	}))
	var wait sync.WaitGroup
	wait.Go(func() { r.call("POST", "/api/slow", "{}", withKey("k")).ok(http.StatusOK, nil) })
	<-entered
	p := r.call("POST", "/api/slow", "{}", withKey("k"))
	p.problem(fault.IdempotencyBusy)
	if p.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	r.api.echo.POST("/api/fast", r.api.authenticated(func(c echo.Context, _ *control.Tenant) error { return c.JSON(http.StatusOK, "done") }))
	for _, token := range []string{r.other, r.newToken("plant")} { // whose keys are their own
		r.call("POST", "/api/fast", "{}", withKey("k"), header("Authorization", "Bearer "+token)).ok(http.StatusOK, nil)
	}
	close(goOn)
	wait.Wait()
	r.call("POST", "/api/slow", "{}", withKey("k")).ok(http.StatusOK, nil)
}

// TestSecretsAreNotKept: an answer with a secret is given once.
func TestSecretsAreNotKept(t *testing.T) {
	r := newRig(t)
	n := 0
	r.api.echo.POST("/api/secret", r.api.authenticated(func(c echo.Context, _ *control.Tenant) error {
		n++
		return c.JSON(http.StatusCreated, map[string]string{"token": "hunter2"})
	}))
	r.api.secrets["POST /api/secret"] = true
	r.call("POST", "/api/secret", "{}", withKey("k")).ok(http.StatusCreated, nil)
	p := r.call("POST", "/api/secret", "{}", withKey("k"))
	p.problem(fault.Exists)
	if n != 1 || strings.Contains(string(p.body), "hunter2") || p.header.Get(headerReplayed) != "true" {
		t.Errorf("%d times; %s", n, p.body)
	}
}

// TestCallsAreNotKept: what a connector answers is done once, and is not ours to
// keep.
func TestCallsAreNotKept(t *testing.T) {
	w := newWorld(t)
	for path, body := range map[string]string{
		"/api/categories/email/call/send_message":       `{"to":"a@example.com","subject":"s","body":"b"}`,
		"/api/connectors/" + w.shelf().ID + "/call/put": `{"path":"a","data":"aGk="}`,
	} {
		w.call("POST", path, body, withKey("c1"+path[5:10])).ok(http.StatusOK, nil)
		again := w.call("POST", path, body, withKey("c1"+path[5:10]))
		again.problem(fault.Exists)
		if again.header.Get(headerReplayed) != "true" {
			t.Errorf("%s was done twice: %v", path, again.header)
		}
	}
}

// TestHandlerThatPanicsWithAKey is answered, and its key is free again.
func TestHandlerThatPanicsWithAKey(t *testing.T) {
	r := newRig(t)
	r.api.echo.POST("/api/panics", r.api.authenticated(func(echo.Context, *control.Tenant) error { panic("x") }))
	for range 2 {
		r.call("POST", "/api/panics", "{}", withKey("k")).problem(fault.Internal)
	}
}

// TestLargeAnswersAreNotKept: they are given whole, and it is kept that the
// request was done.
func TestLargeAnswersAreNotKept(t *testing.T) {
	r := newRig(t)
	n := 0
	r.api.echo.POST("/api/large", r.api.authenticated(func(c echo.Context, _ *control.Tenant) error {
		n++
		size := 64 << 10
		if c.QueryParam("huge") != "" {
			size = maxRemembered + 1
		}
		text := make([]byte, size)
		for i := range text { // that does not get smaller
			text[i] = byte(i*i*i>>7 ^ i>>3 ^ i*7)
		}
		return c.Blob(http.StatusOK, "application/octet-stream", text)
	}))
	if p := r.call("POST", "/api/large", "{}", withKey("k")); len(p.body) != 64<<10 {
		t.Errorf("%d bytes", len(p.body))
	}
	p := r.call("POST", "/api/large", "{}", withKey("k"))
	if p.status != http.StatusOK { // kept, if it got small enough
		p.problem(fault.Exists)
	}
	if n != 1 {
		t.Errorf("done %d times", n)
	}
	if p := r.call("POST", "/api/large?huge=1", "{}", withKey("huge")); len(p.body) != maxRemembered+1 {
		t.Errorf("%d bytes", len(p.body))
	}
}

// TestAReplayIsForWhoMay: who may less by now is not given what they were
// answered when they might more.
func TestAReplayIsForWhoMay(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"root", "ada"} {
		w.call("POST", "/api/users", `{"name":"`+name+`","role":"admin"}`).ok(http.StatusCreated, nil)
	}
	own, _, err := w.tokens.Issue(t.Context(), identity.Who{Kind: identity.ByServer}, identity.NewToken{
		Tenant: "plant", Name: "ada's", Role: identity.Admin, User: "ada",
	})
	w.must(err)
	as, body := header("Authorization", "Bearer "+own), w.connectorBody()
	w.call("POST", "/api/connectors", body, withKey("k"), as).ok(http.StatusCreated, nil)
	again := w.call("POST", "/api/connectors", body, withKey("k"), as)
	if again.ok(http.StatusCreated, nil); again.header.Get(headerReplayed) != "true" {
		t.Error("the same request is not answered as before")
	}
	w.call("PATCH", "/api/users/ada", `{"role":"viewer"}`, header("If-Match", "*")).ok(http.StatusOK, nil)
	w.call("POST", "/api/connectors", body, withKey("k"), as).problem(fault.IdempotencyMismatch)
}
