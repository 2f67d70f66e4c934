package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// TestWebThroughARealGuest asks a web server through a Go guest in a real
// server: what is granted is answered, a long body comes whole, a secret goes out
// and does not come back, and nothing leads to the server itself.
func TestWebThroughARealGuest(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	n := newNode(t)
	module := n.push("webpoll")
	var authorization atomic.Value
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			fmt.Fprint(w, strings.Repeat("0123456789abcdef", 3<<16))
		case "/secret":
			authorization.Store(r.Header.Get("Authorization"))
			fmt.Fprint(w, "you sent ", r.Header.Get("Authorization"))
		case "/home":
			http.Redirect(w, r, n.url+"/healthz", http.StatusFound)
		default:
			fmt.Fprint(w, r.Method, " ", r.URL.Path)
		}
	}))
	t.Cleanup(web.Close)
	if _, err := n.api.SetSecret(t.Context(), "token", "hidden-value"); err != nil {
		t.Fatal(err)
	}
	const loopback = "cidr:127.0.0.0/8"
	for name, tt := range map[string]struct {
		config, resources, want string
		refused                 bool
	}{
		"granted":     {config: `{"url": "` + web.URL + `/x"}`, resources: web.URL + "/* " + loopback, want: "200 6 GET /x"},
		"long":        {config: `{"url": "` + web.URL + `/long"}`, resources: web.URL + "/* " + loopback, want: "200 3145728 0123456789abcdef"},
		"another":     {config: `{"url": "` + web.URL + `/x"}`, resources: web.URL + "/y " + loopback, want: "denied", refused: true},
		"write":       {config: `{"url": "` + web.URL + `/x", "method": "POST"}`, resources: web.URL + " " + loopback, want: "denied", refused: true},
		"private":     {config: `{"url": "` + web.URL + `/x"}`, resources: web.URL, want: "egress_forbidden", refused: true},
		"ourselves":   {config: `{"url": "` + n.url + `/healthz"}`, resources: "http://*:*/* " + loopback, want: "egress_forbidden", refused: true},
		"by redirect": {config: `{"url": "` + web.URL + `/home"}`, resources: "http://*:*/* " + loopback, want: "egress_forbidden", refused: true},
		"secret": {
			config:    `{"url": "` + web.URL + `/secret", "headers": {"Authorization": "Bearer secret://token"}}`,
			resources: web.URL + "/* " + loopback, want: "200 24 you sent Bearer [masked]",
		},
	} {
		c := n.activate(json.Marshal(map[string]any{
			"name": "web " + name, "module": module, "config": json.RawMessage(tt.config),
			"grants": []any{map[string]any{"group": "http", "resources": strings.Fields(tt.resources)}},
		}))
		records := n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool { return r.ContentType != "" })
		if last := records[len(records)-1]; !strings.Contains(string(last.Raw), `"`+tt.want) {
			t.Errorf("%s: %s, want %s", name, last.Raw, tt.want)
		}
		if tt.refused {
			n.until(c.ID, "refused", func(s *lifecycle.Status) bool { return s.Counters.Denied > 0 })
		}
	}
	if got := authorization.Load(); got != "Bearer hidden-value" {
		t.Errorf("the peer got %v", got)
	}
	eventually(t, "the trail tells what was refused", func() (told bool) { // it is written a second later
		if err := n.api.Audit(t.Context(), client.AuditOptions{}, func(e client.Event) bool {
			told = told || strings.Contains(fmt.Sprintf("%+v", e), "GET "+web.URL+"/x")
			return !told
		}); err != nil {
			t.Fatal(err)
		}
		return told
	})
}
