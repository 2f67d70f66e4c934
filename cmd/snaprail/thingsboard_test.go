package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// gatewayNode is a server that is a gateway of ThingsBoard, with its platform.
type gatewayNode struct {
	*node
	broker   *peertest.TapBroker
	platform *peertest.ThingsBoard
	next     int // of what clients did
	count    int // of the ticker
	read     int
}

// sees lets the platform take what the gateway says until ok.
func (g *gatewayNode) sees(what string, ok func() bool) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	defer func() {
		if g.t.Failed() {
			g.t.Logf("%s: %v", what, tail(g.platform.Topics))
		}
	}()
	g.next = g.broker.Follow(ctx, g.next, func(t peertest.Tap) bool {
		if t.Connect {
			g.platform.Connected = map[string]string{} // the platform forgets a gateway that goes
			if t.User != "A1_TEST_TOKEN" {
				g.t.Errorf("logged in as %q", t.User)
			}
		} else {
			g.platform.Take(t.Message)
		}
		g.counts()
		return ok()
	})
}

// counts holds what came against the ticker's count: each comes, in order.
func (g *gatewayNode) counts() {
	g.t.Helper()
	list := g.platform.Telemetry["m"]
	for ; g.read < len(list); g.read++ {
		var n int
		if _, err := fmt.Sscanf(list[g.read], "count=%d@", &n); err != nil || n > g.count+1 {
			g.t.Errorf("%s after %d (%v)", list[g.read], g.count, err)
		}
		g.count = max(n, g.count)
	}
}

func (g *gatewayNode) more(n int) func() bool {
	n += g.count
	return func() bool { return g.count >= n }
}

// TestThingsBoardConnector: the connector that ships, in the real program, against a
// stand-in of the platform that is strict: telemetry and attributes north, updates
// and RPCs south; a platform that goes and comes back, and a server that is killed.
// No count is lost.
func TestThingsBoardConnector(t *testing.T) {
	g := &gatewayNode{broker: peertest.StartTapBroker(t, "v1/"), platform: peertest.NewThingsBoard(t)}
	g.node = newNode(t)
	g.activate(json.Marshal(map[string]any{
		"name": "meters", "module": g.push("ticker"), "config": map[string]any{"device": "m", "interval_ms": 20},
	}))
	valves := g.activate(json.Marshal(map[string]any{"name": "valves", "module": g.push("parley"), "config": map[string]any{"devices": []string{"valve"}}}))
	g.activate(json.Marshal(map[string]any{
		"name": "tb", "module": g.push("thingsboard"), "feed": map[string]any{"start": "oldest"},
		"config": map[string]any{"url": "mqtt://" + g.broker.Address, "access_token": "A1_TEST_TOKEN", "allow_insecure": true, "device_types": map[string]any{"meters": "meter"}},
		"grants": []any{
			map[string]any{
				"group": "mqtt", "resources": []string{"broker:" + g.broker.Address, "topic:v1/gateway/#", "topic:v1/devices/me/#", "cidr:127.0.0.0/8"},
				"rights": []string{"read", "write"}, "reason": "the platform",
			},
			map[string]any{"group": "connectors", "resources": []string{"valves"}, "rights": []string{"write"}, "reason": "what the platform may write to"},
		},
	}))
	g.sees("the first counts", g.more(20))
	if got := g.platform.Connected["m"]; got != "meter" {
		t.Errorf("the type is %q", got)
	}

	g.broker.Stop()
	g.wait(300 * time.Millisecond)
	g.broker.Start()
	g.sees("what was stored", g.more(20))

	g.kill()
	g.start()
	g.sees("counts of the next server", g.more(20))

	g.state(valves.ID, lifecycle.Running) // a message to one that does not run yet is refused
	err := g.api.Send(t.Context(), "publish", valves.ID, client.Message{Device: "valve", Data: json.RawMessage(`{"here":true}`)}, func(client.Reply) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	g.sees("the valve", func() bool {
		return slices.ContainsFunc(g.platform.Telemetry["valve"], func(s string) bool { return strings.HasPrefix(s, "here=true@") })
	})
	g.broker.Publish(peertest.MQTTMessage{Topic: "v1/gateway/rpc", Payload: []byte(`{"device":"valve","data":{"id":7,"method":"shut","params":{"pin":1}}}`), QoS: 1})
	g.sees("the answer", func() bool { return len(g.platform.Answers) > 0 })
	if got := g.platform.Answers[0]; !strings.HasPrefix(got, `valve 7 {`) || !strings.Contains(got, `"method":"shut"`) || !strings.Contains(got, `"params":{"pin":1}`) {
		t.Error(got)
	}
	g.broker.Publish(peertest.MQTTMessage{Topic: "v1/gateway/attributes", Payload: []byte(`{"device":"valve","data":{"level":5}}`), QoS: 1})
	g.sees("the attribute that was set", func() bool { return g.platform.Client["valve"]["level"] == "5" })
}
