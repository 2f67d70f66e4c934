package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// edgeNode is a server that is an edge node of Sparkplug, with its broker and a
// strict host.
type edgeNode struct {
	*node
	broker *peertest.TapBroker
	host   *peertest.SparkplugHost
	next   int // of what clients did
	read   int // of the host's history
	counts map[string]int
}

// sees lets the host take what the edge node says until ok.
func (e *edgeNode) sees(what string, ok func() bool) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), patience)
	defer cancel()
	defer func() {
		if e.t.Failed() {
			e.t.Logf("%s: the last messages were %v\n%s", what, tail(e.host.Kinds), e.log())
		}
	}()
	e.next = e.broker.Follow(ctx, e.next, func(t peertest.Tap) bool {
		switch {
		case t.Client != "plant/hall": // a connection test
		case t.Connect:
			e.host.Connected(t.Will)
		default:
			e.host.Take(t.Message)
		}
		e.count()
		return ok()
	})
}

// log is what the edge node's connector says of itself.
func (e *edgeNode) log() string {
	if e.process == nil {
		return ""
	}
	lines, err := e.api.Logs(context.WithoutCancel(e.t.Context()), "edge", 20)
	if err != nil {
		return err.Error()
	}
	var all strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&all, "%s %s %s: %s\n", l.Time, l.Source, l.Level, l.Text)
	}
	return all.String()
}

func tail(list []string) []string { return list[max(0, len(list)-10):] }

// count holds what the host has heard against the counts of the tickers: each comes,
// in order.
func (e *edgeNode) count() {
	e.t.Helper()
	for ; e.read < len(e.host.History); e.read++ {
		line := strings.TrimPrefix(e.host.History[e.read], "!")
		device, rest, _ := strings.Cut(line, "/")
		metric, rest, _ := strings.Cut(rest, "=")
		value, _, _ := strings.Cut(rest, "@")
		if metric != "count" {
			continue
		}
		n, err := strconv.Atoi(value)
		if last, known := e.counts[device]; err != nil || known && n > last+1 {
			e.t.Errorf("%s: %s after %d", device, line, last)
		}
		e.counts[device] = max(n, e.counts[device])
	}
}

func (e *edgeNode) scada(online bool) {
	e.broker.Publish(peertest.MQTTMessage{
		Topic: "spBv1.0/STATE/scada", Payload: fmt.Appendf(nil, `{"online":%v,"timestamp":%d}`, online, time.Now().UnixMilli()), QoS: 1, Retain: true,
	})
}

// TestSparkplugConnector: the connector that ships, in the real program, against a
// strict host: births, data, a host that goes and comes back, a rebirth, a
// connection that breaks, a server that is killed. No count is lost.
func TestSparkplugConnector(t *testing.T) {
	e := &edgeNode{broker: peertest.StartTapBroker(t, ""), host: peertest.NewSparkplugHost(t, "plant", "hall"), counts: map[string]int{}}
	e.node = newNode(t)
	ticker := e.push("ticker")
	for _, name := range []string{"a", "b"} {
		e.activate(json.Marshal(map[string]any{
			"name": "ticker-" + name, "module": ticker, "config": map[string]any{"device": name, "interval_ms": 20},
		}))
	}
	edge := e.activate(json.Marshal(map[string]any{
		"name": "edge", "module": e.push("sparkplug"), "feed": map[string]any{"start": "oldest"},
		"config": map[string]any{"url": "mqtt://" + e.broker.Address, "group": "plant", "node": "hall", "primary_host": "scada"},
		"grants": []any{
			map[string]any{
				"group": "mqtt", "resources": []string{"broker:" + e.broker.Address, "topic:spBv1.0/plant/+/hall/#", "topic:spBv1.0/STATE/scada", "cidr:127.0.0.0/8"},
				"rights": []string{"read", "write"}, "reason": "the plant's broker",
			},
			map[string]any{"group": "connectors", "resources": []string{"valves"}, "rights": []string{"write"}, "reason": "what hosts may write to"},
		},
	}))
	e.state(edge.ID, lifecycle.Degraded) // it waits for its host
	e.scada(true)
	both := func(more int) func() bool {
		a, b := e.counts["a"]+more, e.counts["b"]+more
		return func() bool { return e.counts["a"] >= a && e.counts["b"] >= b }
	}
	e.sees("the first counts", both(20))
	if !strings.Contains(strings.Join(e.host.History, " "), "!a/count=") {
		t.Error("what was stored before the birth is not history")
	}

	e.scada(false)
	e.sees("the death when the host goes", func() bool { return !e.host.Online })
	e.wait(300 * time.Millisecond)
	e.scada(true)
	e.sees("what was stored", both(20))

	e.host.Kinds = nil
	e.command("NCMD/hall", "Node Control/Rebirth", true)
	e.sees("the rebirth", func() bool { return strings.Contains(strings.Join(e.host.Kinds, ","), "NBIRTH,DBIRTH a,DBIRTH b") })

	// The guest of another config goes on with the connection.
	e.host.Kinds = nil
	wills := len(e.host.Wills)
	if _, err := e.api.PatchConnector(t.Context(), edge.ID, json.RawMessage(`{"config":{"device_timeout":600}}`), 0); err != nil {
		t.Fatal(err)
	}
	e.sees("the birth by the next guest", func() bool { return strings.Contains(strings.Join(e.host.Kinds, ","), "NBIRTH,DBIRTH a,DBIRTH b") })
	e.sees("counts by the next guest", both(5))
	if len(e.host.Wills) != wills {
		t.Errorf("%d connections for a change of the config", len(e.host.Wills)-wills)
	}

	bdSeq := e.host.BDSeq
	e.broker.Cut("plant/hall")
	e.sees("the will", func() bool { return !e.host.Online })
	e.sees("counts on the next connection", both(20))

	e.kill()
	e.sees("the will of a server that was killed", func() bool { return !e.host.Online })
	e.start()
	e.sees("counts of the next server", both(20))
	if e.host.BDSeq != bdSeq+2 {
		t.Errorf("bdSeq is %d after two connections from %d on", e.host.BDSeq, bdSeq)
	}

	// What a host writes reaches the connector of the device, which makes a record
	// of it.
	valves := e.activate(json.Marshal(map[string]any{"name": "valves", "module": e.push("parley"), "config": map[string]any{"devices": []string{"valve"}}}))
	err := e.api.Send(t.Context(), "publish", valves.ID, client.Message{Device: "valve", Data: json.RawMessage(`"here"`)}, func(client.Reply) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	e.sees("the valve", func() bool { return e.host.Values["valve/Events/payload"] == `"here"` })
	e.command("DCMD/hall/valve", "Events/payload", "shut")
	e.sees("what was written", func() bool { return e.host.Values["valve/Properties/payload"] == `{"Events/payload":"shut"}` })

	e.host.Kinds = nil
	if _, err := e.api.Deactivate(t.Context(), edge.ID); err != nil {
		t.Fatal(err)
	}
	e.sees("the death at the end", func() bool { return !e.host.Online })
	e.wait(200 * time.Millisecond)
	if n := strings.Count(strings.Join(e.host.Kinds, ","), "NDEATH"); n != 1 {
		t.Errorf("%d deaths at the end", n)
	}
}

func (e *edgeNode) command(to, metric string, value any) {
	body := peertest.NewSparkplugSchema(e.t).Command(e.t, metric, value)
	group, node, _ := strings.Cut(to, "/")
	e.broker.Publish(peertest.MQTTMessage{Topic: "spBv1.0/plant/" + group + "/" + node, Payload: body})
}
