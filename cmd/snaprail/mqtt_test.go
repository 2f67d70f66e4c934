package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// mqttNode is a server and a Mosquitto.
type mqttNode struct {
	*node
	m *peertest.Mosquitto
}

// grant lets a connector have topics.
func (n *mqttNode) grant(right string, topics ...string) map[string]any {
	resources := []string{"broker:" + n.m.Address, "cidr:127.0.0.0/8"}
	for _, topic := range topics {
		resources = append(resources, "topic:"+topic)
	}
	return map[string]any{"group": "mqtt", "resources": resources, "rights": []string{"read", right}, "reason": "the plant's topics"}
}

// TestMQTTConnectors: the connectors that ship, in the real program, against a
// broker of another make. What comes in goes out again, through kills of the server
// and a restart of the broker: nothing is lost, and each device's in its order.
func TestMQTTConnectors(t *testing.T) {
	const devices = 4
	n := &mqttNode{node: newNode(t), m: peertest.StartMosquitto(t)}
	source := n.activate(json.Marshal(map[string]any{
		"name": "plant", "module": n.push("mqttsource"), "grants": []any{n.grant("write", "in/+", "cmd/+/+")},
		"config": map[string]any{
			"url": "mqtt://" + n.m.Address, "subscriptions": []any{map[string]any{"topic": "in/${device}", "qos": 2, "content_type": "text/plain"}},
			"rpc_topic": "cmd/${device}/${method}",
		},
	}))
	sink := n.activate(json.Marshal(map[string]any{
		"name": "out", "module": n.push("mqttsink"), "grants": []any{n.grant("write", "out/+/+")}, "feed": map[string]any{"start": "oldest"},
		"config": map[string]any{"url": "mqtt://" + n.m.Address, "topic": "out/${connector}/${device}", "qos": 1},
	}))
	n.m.Keep("reader", "out/#")
	sent := 0
	burst := func(count int) {
		for range count {
			n.m.Send("-t", fmt.Sprintf("in/m%d", sent%devices), "-m", strconv.Itoa(sent), "-q", "1")
			sent++
		}
	}
	burst(20)
	for range 3 {
		n.wait(rand.N(100 * time.Millisecond))
		n.kill()
		burst(10) // the broker keeps them
		n.start()
	}
	up := func(want bool) func(*lifecycle.Status) bool {
		return func(s *lifecycle.Status) bool { return len(s.Sessions) == 1 && s.Sessions[0].Up == want }
	}
	n.until(sink.ID, "up", up(true))
	n.m.Stop()
	n.until(sink.ID, "noticing", up(false))
	n.m.Start()
	burst(20)

	all := inOrder(t, devices, sent)
	n.history(client.StreamOptions{Connector: source.ID}, func(r client.Record) bool {
		return r.Kind != "gap" && all(r.Device, strings.Trim(string(r.Payload), `"`))
	})
	out := inOrder(t, devices, sent)
	n.m.ReceiveUntil(func(line string) bool {
		topic, payload, _ := strings.Cut(line, " ")
		return out(strings.TrimPrefix(topic, "out/plant/"), payload)
	}, nil, "-c", "-i", "reader", "-q", "1", "-t", "out/#")
	if s := n.state(sink.ID, lifecycle.Running); s.Delivery.Missed != 0 || s.Counters.Quarantined != 0 {
		t.Errorf("%+v", s)
	}

	var said []string
	err := n.api.Send(t.Context(), "rpc", source.ID, client.Message{Device: "m1", Method: "stop", Data: json.RawMessage(`{"in":5}`)}, func(r client.Reply) error {
		said = append(said, r.Status)
		return nil
	})
	if err != nil || !slices.Equal(said, []string{"complete"}) {
		t.Errorf("%v, %v", said, err)
	}
}

// inOrder takes the counts of devices, each of which may come again and none of
// which may be missing or come too early. It is true when all are there.
func inOrder(t *testing.T, devices, count int) func(device, payload string) bool {
	t.Helper()
	seen := map[int]bool{}
	last := map[string]int{}
	return func(device, payload string) bool {
		i, err := strconv.Atoi(payload)
		if err != nil || fmt.Sprintf("m%d", i%devices) != device {
			t.Fatalf("%q of %s", payload, device)
		}
		if at, some := last[device]; some && !seen[i] && i != at+devices || !some && i >= devices {
			t.Errorf("%s: %d behind %d", device, i, at)
		}
		if !seen[i] {
			last[device] = i
		}
		seen[i] = true
		return len(seen) == count
	}
}
