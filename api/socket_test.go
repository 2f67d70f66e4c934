package api

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// wire is the client's end of a WebSocket.
type wire struct {
	*rig
	conn *websocket.Conn
}

// wire opens one and hears hello.
func (r *rig) wire() *wire {
	r.t.Helper()
	k := r.wireAs(r.token, nil)
	if e := k.hear(); e.Op != "hello" || e.Version != "1.2.3-test" {
		r.t.Fatalf("%+v", e)
	}
	return k
}

func (r *rig) wireAs(token string, dial func(context.Context, string, string) (net.Conn, error)) *wire {
	r.t.Helper()
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	conn, resp, err := websocket.Dial(r.t.Context(), r.http.URL+"/api/socket", &websocket.DialOptions{ //nolint:bodyclose // it is the connection
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	r.must(err)
	if resp.Header.Get(headerRateLimit) == "" {
		r.t.Errorf("%v", resp.Header)
	}
	conn.SetReadLimit(maxBody * 2)
	r.t.Cleanup(func() { _ = conn.CloseNow() })
	return &wire{r, conn}
}

func (k *wire) tell(text string) {
	k.t.Helper()
	k.must(k.conn.Write(k.t.Context(), websocket.MessageText, []byte(text)))
}

func (k *wire) hear() (e client.SocketEvent) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), 20*time.Second)
	defer cancel()
	_, raw, err := k.conn.Read(ctx)
	k.must(err)
	if err := json.Unmarshal(raw, &e); err != nil {
		k.t.Fatalf("%v: %s", err, raw)
	}
	return e
}

func TestSocketCarriesMessages(t *testing.T) {
	r := newRig(t)
	r.parley("talk")
	k := r.wire()
	k.tell(`{"id":"slow","op":"query","connector":"talk","message":{"data":{"do":"partial","n":2,"after_ms":200}}}`)
	k.tell(`{"id":"fast","op":"rpc","connector":"talk","message":{"device":"d1","data":{"id":5,"method":"echo","params":1}}}`)
	var order []string
	for finals := 0; finals < 2; {
		e := k.hear()
		if e.Op != "reply" || e.Reply == nil {
			t.Fatalf("%+v", e)
		}
		order = append(order, e.ID+" "+e.Reply.Status)
		if e.Final {
			finals++
		}
	}
	if want := []string{"fast complete", "slow partial", "slow partial", "slow complete"}; !slices.Equal(order, want) {
		t.Errorf("%q", order)
	}
	for frame, want := range map[string]string{
		`{"id":"p","op":"ping"}`:          "pong",
		`{"id":"5","op":"dance"}`:         "problem invalid",
		`{"op":"rpc"}`:                    "problem invalid",
		`{"id":"6","op":"cancel"}`:        "problem not_found",
		`{"id":"7","op":"ping","else":1}`: "problem body_invalid",
		`{"id":"8"`:                       "problem body_invalid",

		`{"id":"1","op":"publish","connector":"talk","message":{"data":{}}}`:                                "reply empty",
		`{"id":"2","op":"rpc","connector":"talk","message":{"method":"echo","wait":false}}`:                 "ticket",
		`{"id":"3","op":"rpc","connector":"none","message":{"method":"echo"}}`:                              "problem not_found",
		`{"id":"4","op":"rpc","connector":"talk"}`:                                                          "problem invalid_message",
		`{"id":"9","op":"rpc","connector":"talk","message":{"method":"never","timeout":0.05}}`:              "reply error",
		`{"id":"` + strings.Repeat("x", 65) + `","op":"ping"}`:                                              "problem invalid",
		`{"id":"10","op":"stream","format":"xml"}`:                                                          "problem invalid",
		`{"id":"11","op":"rpc","connector":"talk","message":{"device":"d2","method":"echo"}}`:               "problem device_unknown",
		`{"id":"12","op":"rpc","connector":"talk","message":{"method":"echo","callback":"http://[::1]:x"}}`: "problem invalid",
	} {
		k.tell(frame)
		e := k.hear()
		got := e.Op
		if e.Problem != nil {
			got += " " + e.Problem.Code
		}
		if e.Reply != nil {
			got += " " + e.Reply.Status
		}
		if got != want || !e.Final {
			t.Errorf("%s: %s, want %s (%+v)", frame, got, want, e.Problem)
		}
	}
}

func TestSocketCancelsAndBounds(t *testing.T) {
	r := newRig(t)
	c := r.parley("talk")
	tenant, err := r.super.Tenant("plant")
	r.must(err)
	k := r.wire()
	for i := range socketRequests {
		k.tell(`{"id":"` + itoa(i) + `","op":"rpc","connector":"talk","message":{"method":"never","timeout":"1m"}}`)
	}
	k.tell(`{"id":"more","op":"rpc","connector":"talk","message":{"method":"never"}}`)
	if e := k.hear(); e.ID != "more" || e.Problem == nil || e.Problem.Code != fault.Exhausted.String() {
		t.Errorf("%+v", e)
	}
	k.tell(`{"id":"0","op":"rpc","connector":"talk","message":{"method":"never"}}`)
	if e := k.hear(); e.Problem == nil || e.Problem.Code != fault.Exists.String() {
		t.Errorf("%+v", e)
	}
	k.tell(`{"id":"7","op":"cancel"}`)
	if e := k.hear(); e.Op != "end" || e.ID != "7" || !e.Final {
		t.Errorf("%+v", e)
	}
	r.check(k.conn.Close(websocket.StatusNormalClosure, ""))
	r.until("the questions to be given up", func() bool { return tenant.Exchange(c.ID).Counters().GivenUp == socketRequests })
	r.until("the stream's place", func() bool { return r.api.streams.count() == 0 })
}

func TestSocketStreamsRecords(t *testing.T) {
	r := newRig(t)
	r.activated("meter", 3)
	c := r.parley("talk")
	k := r.wire()
	k.tell(`{"id":"s","op":"stream","from":"start","connector":"meter"}`)
	for i := range 3 {
		if e := k.hear(); e.Op != "record" || e.ID != "s" || !strings.Contains(string(e.Record), "line "+itoa(i)) {
			t.Fatalf("%+v", e)
		}
	}
	k.tell(`{"id":"c","op":"stream","from":"start","topic":"/sources/talk","format":"cloudevents"}`)
	k.tell(`{"id":"m","op":"publish","connector":"talk","message":{"data":{"n":1}}}`)
	var event map[string]any
	for event == nil {
		if e := k.hear(); e.Op == "record" {
			r.must(json.Unmarshal(e.Record, &event))
		}
	}
	if event["source"] != "/tenants/plant/connectors/"+c.ID || event["type"] != "io.snaprail.event" || event["topic"] != "/sources/talk" {
		t.Errorf("%v", event)
	}
	k.tell(`{"id":"s","op":"cancel"}`)
	for e := k.hear(); e.ID != "s"; e = k.hear() {
	}
	r.until("its place", func() bool { return r.api.streams.count() == 2 })
}

// TestSocketEndsWithWhatLetItIn: the server's end and the token's are told, and
// a viewer may look, and no more.
func TestSocketEndsWithWhatLetItIn(t *testing.T) {
	r := newRig(t)
	r.parley("talk")
	r.api.pace.recheck = 5 * time.Millisecond
	token, info, err := r.tokens.Create(t.Context(), "plant", "short-lived")
	r.must(err)
	k := r.wireAs(token, nil)
	k.hear()
	r.must(r.tokens.Revoke(t.Context(), identity.Who{Kind: identity.ByServer}, "plant", info.ID))
	k.ends(fault.Unauthenticated, websocket.StatusPolicyViolation)

	r.api.cfg.Tokens = withRoles{r.api.cfg.Tokens}
	viewer := r.wireAs("viewer/"+r.token, nil)
	viewer.hear()
	viewer.tell(`{"id":"1","op":"rpc","connector":"talk","message":{"method":"echo"}}`)
	if e := viewer.hear(); e.Problem == nil || e.Problem.Code != fault.RoleRequired.String() {
		t.Errorf("%+v", e)
	}
	foreign := r.wireAs(r.other, nil)
	foreign.hear()
	foreign.tell(`{"id":"1","op":"rpc","connector":"talk","message":{"method":"echo"}}`)
	if e := foreign.hear(); e.Problem == nil || e.Problem.Code != fault.NotFound.String() {
		t.Errorf("%+v", e)
	}
	page := header("Origin", "https://evil.example")
	upgrade := func(q *http.Request) {
		q.Header.Set("Connection", "Upgrade")
		q.Header.Set("Upgrade", "websocket")
		q.Header.Set("Sec-WebSocket-Version", "13")
		q.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	}
	r.call(http.MethodGet, "/api/socket", "", upgrade, page).problem(fault.CrossOrigin)
	last := r.wire()
	r.must(last.conn.Write(t.Context(), websocket.MessageBinary, []byte("x")))
	last.ends(fault.BodyInvalid, websocket.StatusUnsupportedData)
	last = r.wire()
	r.api.EndStreams()
	last.ends(fault.ShuttingDown, websocket.StatusGoingAway)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_ = viewer.conn.CloseNow()
	_ = foreign.conn.CloseNow()
	r.check(r.api.Drained(ctx))
}

// ends hears a notice and the close behind it.
func (k *wire) ends(why fault.Kind, code websocket.StatusCode) {
	k.t.Helper()
	if e := k.hear(); e.Op != "notice" || e.Problem == nil || e.Problem.Code != why.String() {
		k.t.Errorf("%+v", e)
	}
	_, _, err := k.conn.Read(k.t.Context())
	if got := websocket.CloseStatus(err); got != code {
		k.t.Errorf("closed with %d: %v", got, err)
	}
}
