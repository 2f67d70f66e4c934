package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// peer is a client of the protocol that can do what the package does not.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
}

func (r *rig) peer() *peer {
	r.t.Helper()
	conn, resp, err := websocket.Dial(r.t.Context(), strings.Replace(r.http.URL, "http", "ws", 1)+"/api/v1/wsock/websocket", nil)
	if resp != nil && resp.Body != nil {
		defer resp.Body.Close()
	}
	r.must(err)
	r.t.Cleanup(func() { _ = conn.CloseNow() })
	return &peer{r.t, conn}
}

func (w *peer) send(text string) {
	w.t.Helper()
	if err := w.conn.Write(w.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
}

// got is the next message, with the WebSocket's close as one.
func (w *peer) got() string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	_, raw, err := w.conn.Read(ctx)
	if err != nil {
		return "closed: " + err.Error()
	}
	return string(raw)
}

// wants reads the next message, which has to hold this.
func (w *peer) wants(parts ...string) string {
	w.t.Helper()
	got := w.got()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			w.t.Fatalf("got %s, want %s in it", got, part)
		}
	}
	return got
}

const connectTo = `{"op":"connectExtension","resourceName":"sources","resourceId":"`

func (w *peer) validate(token string) {
	w.t.Helper()
	w.send(`{"op":"validate","resourceName":"system.credentials","object":"` + token + `"}`)
}

// attach attaches as the code of a source.
func (w *peer) attach(token, source, secret string) {
	w.t.Helper()
	w.validate(token)
	w.wants(`"status":200`)
	w.send(connectTo + source + `","parameters":{"reconnectSecret":"` + secret + `"}}`)
}

// TestStrangersDoNotAttach: without a token, with that of another tenant, or
// with one whose scopes are others, nobody gets a configuration, and nobody
// learns what there is.
func TestStrangersDoNotAttach(t *testing.T) {
	r := newRig(t)
	r.remote("press", `{"password":"plants-own"}`)
	plain := r.call(http.MethodPost, "/api/connectors", `{"name":"here","module":"`+r.upload("filetail").Digest+`"}`)
	plain.ok(http.StatusCreated, nil)
	idle := r.call(http.MethodPost, "/api/connectors", `{"name":"idle","remote":true}`)
	idle.ok(http.StatusCreated, nil)
	viewer, _, err := r.tokens.Issue(t.Context(), identity.Who{Kind: identity.ByServer}, identity.NewToken{Tenant: "plant", Name: "viewer", Role: identity.Operator})
	r.must(err)

	for name, token := range map[string]string{"no token": "", "a wrong one": r.token + "x"} {
		w := r.peer()
		w.validate(token)
		if got := w.wants(`"status":401`, `"code":"unauthenticated"`, `"message"`); strings.Contains(got, "press") {
			t.Errorf("%s: %s", name, got)
		}
		w.wants("closed", "StatusPolicyViolation")
	}
	w := r.peer()
	w.send(connectTo + `press"}`)
	w.wants(`"status":401`)

	for _, tt := range []struct{ name, token, source, want string }{
		{"another tenant", r.remoteToken("other"), "press", "not_found"},
		{"no such source", r.remoteToken("plant"), "none", "not_found"},
		{"an operator", viewer, "press", "role_required"},
		{"one that runs here", r.remoteToken("plant"), "here", "unsupported"},
		{"one that is not to run", r.remoteToken("plant"), "idle", "not_active"},
	} {
		w := r.peer()
		w.attach(tt.token, tt.source, "x")
		if got := w.wants("closed", tt.want); strings.Contains(got, "plants-own") {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
	if p := r.call(http.MethodGet, "/api/connectors", "", header("Authorization", "Bearer "+r.remoteToken("plant"))); p.status != http.StatusForbidden {
		t.Errorf("a token that may attach may read connectors: %d", p.status)
	}
}

// TestOneSessionForEachSource: other code is refused, and the same code that
// comes back takes the place of its old session.
func TestOneSessionForEachSource(t *testing.T) {
	r := newRig(t)
	c := r.remote("press", `{"a":1}`)
	first, token := r.peer(), r.remoteToken("plant")
	first.attach(token, "press", "mine")
	first.wants(`"op":"configureExtension"`, `"config":{"a":1}`, `"resourceId":"press"`)
	r.becomes(c.ID, lifecycle.Running)

	other := r.peer()
	other.attach(token, "press", "another")
	other.wants("closed", "exists")

	again := r.peer()
	again.attach(token, "press", "mine")
	first.wants("closed", "exists: another session")
	again.wants(`"op":"configureExtension"`)
	again.send(`{"op":"notification","resourceName":"sources","resourceId":"press","object":{"n":1}}`)
	again.wants(`"status":200`, `"accepted":1`, `"sequence":`)

	_ = again.conn.Close(websocket.StatusNormalClosure, "")
	if s := r.becomes(c.ID, lifecycle.Degraded); s.Code != "not_connected" || !strings.Contains(s.Reason, "requested") || s.Counters.Records != 1 || s.Restarts != 1 {
		t.Errorf("%+v", s)
	}
	if p := r.call(http.MethodPost, "/api/connectors/"+c.ID+"/publish", `{"data":{}}`); !strings.Contains(string(p.body), "not_connected") {
		t.Errorf("published to nobody: %d %s", p.status, p.body)
	}
}

// TestMessagesThatTheProtocolDoesNotHave are refused with a status, logged, and
// end nothing.
func TestMessagesThatTheProtocolDoesNotHave(t *testing.T) {
	r := newRig(t)
	c := r.remote("press", `{}`)
	w := r.peer()
	w.attach(r.remoteToken("plant"), "press", "x")
	w.wants(`"op":"configureExtension"`)
	reply := func(rest string) string {
		return `{"headers":{"X-Reply-Address":"made-up"},` + rest + `}`
	}
	for text, want := range map[string]string{
		`{`:                "invalid_message",
		`{"op":"destroy"}`: "invalid_message",
		`{"op":"notification","resourceName":"sources","resourceId":"oven","object":{}}`:   "invalid_message",
		`{"op":"notification","resourceName":"sources","resourceId":"press","object":[1]}`: "invalid_message",
		`{"op":"notification","resourceName":"sources","resourceId":"press"}`:              "invalid_message",
		reply(`"status":200,"body":{}`):                                                    "not_a_query",
		reply(`"status":302,"body":{}`):                                                    "100, 200, 204 and 400",
		reply(`"status":400,"body":{"messageCode":"x","parameters":[]}`):                   "lacks messageTemplate",
		reply(`"status":400,"body":7`):                                                     "is an object",
	} {
		w.send(text)
		w.wants(want, `"status":4`)
	}
	r.logs(t, c.ID, "another source", "a notification is an object", "not_a_query", "destroy")
	for verb, want := range map[string]string{"rpc": "unsupported", "attributes": "unsupported"} {
		p := r.call(http.MethodPost, "/api/connectors/"+c.ID+"/"+verb, `{"method":"m","data":{"a":1}}`)
		if !strings.Contains(string(p.body), want) {
			t.Errorf("%s: %d %s", verb, p.status, p.body)
		}
	}
	if err := w.conn.Write(t.Context(), websocket.MessageText, make([]byte, 1<<21)); err == nil {
		w.wants("closed")
	}
	r.becomes(c.ID, lifecycle.Degraded)
}

// TestAttachedCodeLeavesWithItsToken, and with its connector.
func TestAttachedCodeLeavesWithItsToken(t *testing.T) {
	r := newRig(t)
	c := r.remote("press", `{}`)
	token, info, err := r.tokens.Issue(t.Context(), identity.Who{Kind: identity.ByServer}, identity.NewToken{
		Tenant: "plant", Name: "field", Role: identity.Admin, Scopes: []string{"remote:use"},
	})
	r.must(err)
	w := r.peer()
	w.attach(token, "press", "x")
	w.wants(`"op":"configureExtension"`)
	r.must(r.tokens.Revoke(t.Context(), identity.Who{Kind: identity.ByServer}, "plant", info.ID))
	w.wants("closed", "unauthenticated")
	r.becomes(c.ID, lifecycle.Degraded)

	w = r.peer()
	w.attach(r.remoteToken("plant"), "press", "x")
	w.wants(`"op":"configureExtension"`)
	r.call(http.MethodDelete, "/api/connectors/"+c.ID, "").ok(http.StatusNoContent, nil)
	w.wants("closed", "not_active")
}

// TestSecretsOfRemoteConnectors reach their code, and nobody else.
func TestSecretsOfRemoteConnectors(t *testing.T) {
	r := newRig(t)
	body := `{"name":"press","remote":true,"params":[{"key":"password","value_type":"secret","value":"swordfish"},{"key":"host","value_type":"text","value":"h"}]}`
	r.call(http.MethodPost, "/api/connectors", body).ok(http.StatusCreated, nil)
	shown := r.call(http.MethodPost, "/api/connectors/press/activate", "")
	if shown.ok(http.StatusOK, nil); strings.Contains(string(shown.body), "swordfish") {
		t.Errorf("shown: %s", shown.body)
	}
	w := r.peer()
	w.attach(r.remoteToken("plant"), "press", "x")
	var told struct {
		Object struct {
			Config map[string]string `json:"config"`
		} `json:"object"`
	}
	r.must(json.Unmarshal([]byte(w.got()), &told))
	if told.Object.Config["password"] != "swordfish" || told.Object.Config["host"] != "h" {
		t.Errorf("told %v", told)
	}
}
