package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// plantAPI has readings, ten more for each that asks, and takes records, at times.
type plantAPI struct {
	mu     sync.Mutex
	total  int
	down   bool
	taken  []int          // numbers, in the order in which they came first
	times  map[int]int    // how often each came
	keys   map[string]int // numbers by their keys
	failed int
}

func (p *plantAPI) readings(w http.ResponseWriter, q *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := 0
	if text := q.URL.Query().Get("since"); text != "" {
		if _, err := fmt.Sscan(text, &since); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	var items []string
	until := since
	for ; until < min(since+10, p.total); until++ {
		items = append(items, fmt.Sprintf(`{"n":%d,"pump":"pump%d"}`, until+1, until%3))
	}
	fmt.Fprintf(w, `{"items":[%s],"until":%d}`, strings.Join(items, ","), until)
}

func (p *plantAPI) ingest(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down || err != nil {
		p.failed++
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	for line := range strings.Lines(string(body)) {
		var r struct {
			Key    string
			Kind   string
			Values struct{ N int }
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if r.Kind == "gap" {
			continue
		}
		if p.times[r.Values.N]++; p.times[r.Values.N] == 1 {
			p.taken = append(p.taken, r.Values.N)
		}
		p.keys[r.Key] = r.Values.N
	}
}

func (p *plantAPI) set(down bool, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.total = down, total
}

func (p *plantAPI) count() (taken, failed int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.taken), p.failed
}

// Readings are polled from one server and delivered to another, both behind an nginx
// with TLS, over a time when it takes nothing, and a kill: each comes, in order, under
// one key.
func TestHTTPPollToHTTPSink(t *testing.T) {
	p := &plantAPI{times: map[int]int{}, keys: map[string]int{}, total: 60}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readings", p.readings)
	mux.HandleFunc("POST /ingest", p.ingest)
	upstream := httptest.NewServer(mux)
	t.Cleanup(upstream.Close)
	front := peertest.StartNginx(t, `location / { proxy_pass `+upstream.URL+`; }`)
	n := newNode(t)
	grant := func(path string) []any {
		return []any{map[string]any{"group": "http", "resources": []string{front.HTTPS + path, "cidr:127.0.0.0/8", "cidr:::1/128"}, "rights": []string{"read", "write"}, "reason": "the plant"}}
	}
	poll := n.activate(json.Marshal(map[string]any{
		"name": "plant", "module": n.push("httppoll"), "grants": grant("/readings"),
		"config": map[string]any{
			"url": front.HTTPS + "/readings", "ca": string(front.CA), "interval": 0.1, "each": "/items", "device_pointer": "/pump", "id_pointer": "/n",
			"fields": []any{map[string]any{"name": "n", "type": "int"}}, "since_pointer": "/until", "since_param": "since",
		},
	}))
	sink := n.activate(json.Marshal(map[string]any{
		"name": "out", "module": n.push("httpsink"), "grants": grant("/ingest"),
		"config": map[string]any{"url": front.HTTPS + "/ingest", "ca": string(front.CA), "format": "ndjson"},
		"feed":   map[string]any{"from": []string{"plant"}, "start": "oldest"},
	}))
	wait := func(what string, cond func(taken, failed int) bool) {
		t.Helper()
		for end := time.Now().Add(patience); !cond(p.count()); n.wait(5 * time.Millisecond) {
			if time.Now().After(end) {
				taken, failed := p.count()
				t.Fatalf("not in time: %s; %d taken, %d failed\n%s", what, taken, failed, n.stderr)
			}
		}
	}
	wait("the first sixty", func(taken, _ int) bool { return taken == 60 })
	p.set(true, 200)
	wait("it is refused", func(_, failed int) bool { return failed > 0 })
	n.until(poll.ID, "ahead", func(s *lifecycle.Status) bool { return s.Counters.Records >= 150 })
	n.kill()
	n.start()
	p.set(false, 300)
	wait("all", func(taken, _ int) bool { return taken == 300 })
	n.state(sink.ID, lifecycle.Running)
	p.mu.Lock()
	defer p.mu.Unlock()
	twice := 0
	for i, number := range p.taken {
		if number != i+1 {
			t.Fatalf("number %d came as the %d.: %v", number, i+1, p.taken)
		}
		twice += p.times[number] - 1
	}
	if len(p.keys) != 300 {
		t.Errorf("%d keys for 300 readings", len(p.keys))
	}
	t.Logf("300 readings, %d of them came twice, %d requests were refused", twice, p.failed)
}
