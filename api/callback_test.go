package api

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/api/client"
)

// TestCallback: whoever does not wait is told of the end, once it takes it, in
// an envelope that says which ticket it was.
func TestCallback(t *testing.T) {
	r := newRig(t)
	r.parley("talk")
	var refused int
	events := make(chan map[string]any, 4)
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if refused++; refused == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		raw, _ := io.ReadAll(q.Body)
		var event map[string]any
		if err := json.Unmarshal(raw, &event); err != nil || q.Header.Get("Content-Type") != "application/cloudevents+json" || q.Method != http.MethodPost {
			t.Errorf("%s %v: %s", q.Method, q.Header, raw)
		}
		events <- event
	}))
	defer peer.Close()
	var ticket client.Ticket
	body := `{"device":"d1","method":"echo","context":"mine","callback":"` + peer.URL + `/done?key=1"}`
	r.ask("rpc", body).ok(http.StatusAccepted, &ticket)
	event := <-events
	data, _ := event["data"].(map[string]any)
	if event["specversion"] != "1.0" || event["id"] != ticket.ID || event["type"] != "io.snaprail.ticket.done" || event["subject"] != "d1" ||
		event["source"] != "/tenants/plant/connectors/"+ticket.ConnectorID || data["state"] != "done" || data["context"] != "mine" {
		t.Errorf("%v", event)
	}
	path := "/api/tickets/" + ticket.ID
	r.until("the end of the callback", func() bool {
		ticket = client.Ticket{}
		r.call(http.MethodGet, path, "").ok(http.StatusOK, &ticket)
		return ticket.Callback.State == "delivered"
	})
	if ticket.Callback.Tries != 2 || ticket.Callback.Error != "" {
		t.Errorf("%+v", ticket.Callback)
	}
}

// TestCallbackReachesWhatMayBeGranted: nobody reaches by a callback what a
// connector of theirs could not be granted.
func TestCallbackReachesWhatMayBeGranted(t *testing.T) {
	r := newRig(t)
	r.parley("talk")
	called := false
	peer := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer peer.Close()
	r.token = "operator/" + r.token // who may not grant
	r.api.cfg.Tokens = withRoles{r.api.cfg.Tokens}
	for _, url := range []string{peer.URL, "http://169.254.169.254/latest"} {
		var ticket client.Ticket
		r.ask("rpc", `{"method":"echo","callback":"`+url+`"}`).ok(http.StatusAccepted, &ticket)
		r.until("the end of the callback", func() bool {
			r.call(http.MethodGet, "/api/tickets/"+ticket.ID, "").ok(http.StatusOK, &ticket)
			return ticket.Callback.State == "failed"
		})
		if called || ticket.Callback.Tries != 1 || !strings.Contains(ticket.Callback.Error, "reached") {
			t.Errorf("%+v", ticket.Callback)
		}
	}
}
