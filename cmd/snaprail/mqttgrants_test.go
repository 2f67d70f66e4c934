package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// TestGrantsComeAndGo: a grant that is taken from a connector that runs is out of
// force at once, and one that is given in force at once: nobody reconnects it.
func TestGrantsComeAndGo(t *testing.T) {
	n := &mqttNode{node: newNode(t), m: peertest.StartMosquitto(t)}
	grant := func(resources ...string) []any {
		return []any{map[string]any{
			"group": "mqtt", "resources": append([]string{"broker:" + n.m.Address}, resources...),
			"rights": []string{"read", "write"}, "reason": "the plant's topics",
		}}
	}
	const network, topic, command = "cidr:127.0.0.0/8", "topic:in/+", "topic:cmd/+/+"
	source := n.activate(json.Marshal(map[string]any{
		"name": "plant", "module": n.push("mqttsource"), "grants": grant(network, topic, command),
		"config": map[string]any{
			"url": "mqtt://" + n.m.Address, "subscriptions": []any{map[string]any{"topic": "in/${device}", "qos": 1, "content_type": "text/plain"}},
			"rpc_topic": "cmd/${device}/${method}",
		},
	}))
	regrant := func(resources ...string) {
		t.Helper()
		patch, err := json.Marshal(map[string]any{"grants": grant(resources...)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.api.PatchConnector(t.Context(), source.ID, patch, 0); err != nil {
			t.Fatal(err)
		}
	}
	up := func(want bool, words string) {
		t.Helper()
		n.until(source.ID, fmt.Sprintf("up: %v, %s", want, words), func(s *lifecycle.Status) bool {
			said, is := s.Reason, false
			for _, end := range s.Sessions {
				is, said = is || end.Up, said+" "+end.Reason
			}
			return is == want && strings.Contains(said, words)
		})
	}
	rpc := func() (said []string) {
		t.Helper()
		err := n.api.Send(t.Context(), "rpc", source.ID, client.Message{Device: "m1", Method: "stop", Data: json.RawMessage(`{"in":5}`)}, func(r client.Reply) error {
			said = append(said, r.Status)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	arrives := func(payload string) {
		t.Helper()
		n.m.Send("-t", "in/m1", "-m", payload, "-q", "1")
		n.history(client.StreamOptions{Connector: source.ID}, func(r client.Record) bool {
			return strings.Trim(string(r.Payload), `"`) == payload
		})
	}
	lost := func(payload string) {
		t.Helper()
		n.m.Send("-t", "in/m1", "-m", payload, "-q", "0")
	}
	up(true, "")
	arrives("first")
	began := n.state(source.ID, lifecycle.Running).Restarts

	regrant(network, topic) // the commands are taken away
	up(true, "")
	if got := rpc(); slices.Contains(got, "complete") {
		t.Errorf("a command went out that nobody grants: %v", got)
	}
	regrant(network, topic, command)
	if got := rpc(); !slices.Equal(got, []string{"complete"}) {
		t.Errorf("a command that is granted again: %v", got)
	}

	regrant(topic, command) // the network
	up(false, "no grant names its network")
	regrant(network, topic, command)
	up(true, "")
	arrives("second")
	if s := n.state(source.ID, lifecycle.Running); s.Restarts != began {
		t.Errorf("it was begun anew: %+v", s)
	}

	regrant(network, command) // the readings
	up(false, "no grant covers \"topic:in/+\"")
	lost("secret")
	regrant(network, topic, command)
	up(true, "")
	arrives("third")
	var got []string
	n.history(client.StreamOptions{Connector: source.ID}, func(r client.Record) bool {
		if r.Kind != "gap" {
			got = append(got, strings.Trim(string(r.Payload), `"`))
		}
		return slices.Contains(got, "third")
	})
	if want := []string{"first", "second", "third"}; !slices.Equal(got, want) {
		t.Errorf("records %q, want %q", got, want)
	}
}
