package main

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestSmallGroups: notifications, metrics, files of parameters and randomness, by a
// guest in the real program. What a step says to people is there with the step, also
// after the program was killed, and not when the step failed.
func TestSmallGroups(t *testing.T) {
	n := newNode(t)
	f, err := n.api.AddFile(t.Context(), "map.csv", "text/csv", strings.NewReader("1,2,3\n"))
	if err != nil {
		t.Fatal(err)
	}
	module := n.push("herald")
	create := func(name string, more ...any) client.Connector {
		params := append([]any{map[string]any{"key": "map", "value_type": "file", "file_id": f.ID}}, more...)
		return n.activate(json.Marshal(map[string]any{"name": name, "module": module, "poll": map[string]any{"interval": "20ms"}, "params": params}))
	}
	text := func(key, value string) any { return map[string]any{"key": key, "value": value} }
	c := create("herald", text("say", "the pump is hot"), text("polls", "3"))
	failing := create("failing", text("fail", "never told"))

	var events, readings int
	n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool {
		switch {
		case r.ContentType == spec.NoticeType:
			events++
			var notice spec.Notice
			if err := json.Unmarshal(r.Payload, &notice); r.Kind != "event" || err != nil || notice.Title != "the pump is hot" || notice.Severity != "error" {
				t.Errorf("an event: %s", r.Raw)
			}
		case r.Kind == "telemetry":
			readings++
			if !slices.ContainsFunc(r.Values, func(v client.Value) bool { return v.Name == "map" && string(v.JSON) == `"1,2,3\n"` }) {
				t.Errorf("a reading: %s", r.Raw)
			}
		}
		return readings == 5
	})
	if events != 3 {
		t.Errorf("%d events, want 3", events)
	}
	n.metric(`snaprail_guest_metric_polls_total{connector="` + c.ID + `",say="the pump is hot",tenant="default"}`)
	n.kill()
	n.start()
	told := func(all bool) []spec.Notification {
		t.Helper()
		list, err := n.api.Notifications(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	list := told(false)
	if len(list) != 1 || list[0].Count != 3 || list[0].Text != "poll 3" || list[0].Key != "what" || list[0].Connector != c.ID || list[0].Connector == failing.ID {
		t.Fatalf("notifications %+v", list)
	}
	if got, err := n.api.Acknowledge(t.Context(), list[0].ID); err != nil || got.AcknowledgedBy == "" || got.Acknowledged.IsZero() {
		t.Errorf("acknowledged: %+v, %v", got, err)
	}
	if open, all := told(false), told(true); len(open) != 0 || len(all) != 1 {
		t.Errorf("after that: %+v, of all %+v", open, all)
	}
	stopped, err := n.api.Deactivate(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.api.DeleteConnector(t.Context(), c.ID, stopped.Revision); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); len(told(true)) != 0; n.wait(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("of a connector that was deleted: %+v", told(true))
		}
	}
}

// metric waits for a series to be shown.
func (n *node) metric(series string) {
	n.t.Helper()
	for end := time.Now().Add(patience); ; n.wait(20 * time.Millisecond) {
		request, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, n.url+"/metrics", nil)
		if err != nil {
			n.t.Fatal(err)
		}
		reply, err := http.DefaultClient.Do(request)
		if err != nil {
			n.t.Fatal(err)
		}
		all, err := io.ReadAll(reply.Body)
		_ = reply.Body.Close()
		if err == nil && strings.Contains(string(all), series+" ") {
			return
		}
		if time.Now().After(end) {
			n.t.Fatalf("no %s in\n%s", series, all)
		}
	}
}
