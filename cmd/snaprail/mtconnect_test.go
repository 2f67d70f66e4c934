package main

import (
	"encoding/json"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/hostfns/peertest"
)

// TestMTConnect: the connector that ships, in the real program, reads an agent whose
// buffer is small while the program is killed, and while the agent is restarted:
// each count comes once, in order, and what was missed is told.
func TestMTConnect(t *testing.T) {
	agent := peertest.NewMTConnect(50)
	web := httptest.NewServer(agent)
	defer web.Close()
	n := newNode(t)
	c := n.activate(json.Marshal(map[string]any{
		"name": "mill", "module": n.push("mtconnect"), "poll": map[string]any{"interval": "20ms"},
		"grants": []any{map[string]any{"group": "http", "resources": []string{web.URL + "/*", "cidr:127.0.0.0/8"}, "reason": "the mill's agent"}},
		"config": map[string]any{"url": web.URL, "count": 7},
	}))
	parts := 0
	produce := func(count int) {
		for range count {
			parts++
			agent.Add(peertest.Observation{Item: "parts", Value: strconv.Itoa(parts)})
		}
	}
	counts := func(until int) (got []int, gaps []string) {
		n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool {
			if strings.Contains(string(r.Raw), "buffer_overflow") || strings.Contains(string(r.Raw), "agent_restart") {
				gaps = append(gaps, string(r.Raw))
			}
			for _, v := range r.Values {
				if n, err := strconv.Atoi(string(v.JSON)); err == nil && v.Name == "PartCountAct" {
					got = append(got, n)
				}
			}
			return len(got) > 0 && got[len(got)-1] >= until
		})
		return got, gaps
	}
	produce(20)
	if got, gaps := counts(20); len(gaps) != 0 || !following(got) {
		t.Errorf("counts %v, gaps %v", got, gaps)
	}
	n.kill()
	produce(20)
	n.start()
	if got, gaps := counts(40); len(gaps) != 0 || !following(got) {
		t.Errorf("after a kill: counts %v, gaps %v", got, gaps)
	}
	n.kill()
	produce(200)
	n.start()
	got, gaps := counts(240)
	if len(gaps) != 1 || !strings.Contains(gaps[0], `buffer_overflow`) || following(got) {
		t.Errorf("after the buffer ran over: counts %v, gaps %v", got, gaps)
	}
	agent.Restart()
	produce(1)
	if _, gaps := counts(241); len(gaps) != 2 || !strings.Contains(gaps[1], "agent_restart") {
		t.Errorf("after a restart of the agent: gaps %v", gaps)
	}
}

// following reports whether each is one more than the one before.
func following(list []int) bool {
	for i := 1; i < len(list); i++ {
		if list[i] != list[i-1]+1 {
			return false
		}
	}
	return true
}
