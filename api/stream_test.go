package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// payloads are the payloads and the positions in a stream's text.
func payloads(t *testing.T, text string) (list, positions []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "data: ")
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var r struct{ Position, Payload string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		list, positions = append(list, strings.TrimSpace(r.Payload)), append(positions, r.Position)
	}
	return list, positions
}

func TestStreamFromAnyPosition(t *testing.T) {
	r := newRig(t)
	r.activated("meter", 5)
	all := r.read("/api/stream", 5, r.token)
	list, positions := payloads(t, all)
	want := []string{"line 0", "line 1", "line 2", "line 3", "line 4"}
	if !slices.Equal(list, want) {
		t.Fatalf("%q", list)
	}
	if !strings.HasPrefix(all, "retry: 2000\n\n") || !strings.Contains(all, "id: "+positions[0]+"\nevent: record\ndata: {") {
		t.Errorf("%.200s", all)
	}
	for name, edit := range map[string]func(*http.Request){
		"from":          func(q *http.Request) { q.URL.RawQuery = "from=" + positions[2] },
		"Last-Event-ID": func(q *http.Request) { q.URL.RawQuery = "from=now"; q.Header.Set("Last-Event-ID", positions[2]) },
	} {
		if got, _ := payloads(t, r.read("/api/stream", 2, r.token, edit)); !slices.Equal(got, want[3:]) {
			t.Errorf("%s: %q", name, got)
		}
	}
	lines := r.read("/api/stream?from=start&connector=meter", 5, r.token, header("Accept", typeLines))
	if got, _ := payloads(t, lines); !slices.Equal(got, want) || strings.Contains(lines, "data:") || strings.Contains(lines, "retry") {
		t.Errorf("%s", lines)
	}
}

func TestStreamGoesOnAndBeats(t *testing.T) {
	r := newRig(t)
	r.api.pace.heartbeat, r.api.pace.recheck = 20*time.Millisecond, 10*time.Millisecond
	lines := r.open("/api/stream?from=now")
	defer lines.end()
	if lines.header.Get("Content-Type") != typeEvents || lines.header.Get("X-Accel-Buffering") != "no" || lines.header.Get("Cache-Control") != "no-store" {
		t.Error(lines.header)
	}
	for lines.Scan() && lines.Text() != ": " {
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
	metrics := string(r.call("GET", "/metrics", "").body)
	if !strings.Contains(metrics, "snaprail_sse_clients 1\n") {
		t.Error(grep([]byte(metrics), "sse"))
	}
	r.activated("meter", 1)
	for lines.Scan() && !strings.Contains(lines.Text(), "line 0") {
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
}

func TestStreamsEndWithTheServer(t *testing.T) {
	r := newRig(t)
	lines := r.open("/api/stream?from=now")
	defer lines.end()
	r.api.EndStreams()
	if got := lastProblem(t, lines); got.Code != fault.ShuttingDown.String() {
		t.Errorf("%+v", got)
	}
	r.call("GET", "/readyz", "").problem(fault.ShuttingDown)
}

func TestStreamsEndWithTheToken(t *testing.T) {
	r := newRig(t)
	r.api.pace.recheck = 5 * time.Millisecond
	token, info, err := r.tokens.Create(t.Context(), "plant", "short-lived")
	r.must(err)
	lines := r.open("/api/stream?from=now", header("Authorization", "Bearer "+token))
	defer lines.end()
	r.must(r.tokens.Revoke(t.Context(), identity.Who{Kind: identity.ByServer}, "plant", info.ID))
	if got := lastProblem(t, lines); got.Code != fault.Unauthenticated.String() {
		t.Errorf("%+v", got)
	}
}

// lastProblem reads a stream to its end, which says why.
func lastProblem(t *testing.T, lines *live) (p client.Problem) {
	t.Helper()
	last := ""
	for lines.Scan() {
		if lines.Text() != "" {
			last = lines.Text()
		}
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(last, "data: ")), &p); err != nil {
		t.Fatalf("%v: %q", err, last)
	}
	return p
}

func TestStreamsOfATenantAreBounded(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Streams = 1 })
	first := r.open("/api/stream?from=now")
	r.call("GET", "/api/stream", "").problem(fault.Exhausted)
	other := r.open("/api/stream", header("Authorization", "Bearer "+r.other))
	if other.status != http.StatusOK {
		t.Error(other.status)
	}
	other.end()
	first.end()
	r.until("the stream's place", func() bool { return r.api.streams.count() == 0 })
	again := r.open("/api/stream")
	if again.status != http.StatusOK {
		t.Error(again.status)
	}
	again.end()
}

// flood is a feed that never ends.
type flood struct{ sent int }

func (*flood) pending() bool { return true }

func (*flood) rest() {}

func (*flood) place() string { return "1.1" }

func (f *flood) push(_ context.Context, p *pusher) (bool, error) {
	f.sent++
	r := control.Record{Position: "1.1", Payload: bytes.Repeat([]byte("x"), 16<<10)}
	return p.end(appendRecord(p.begin("record", r.Position), &r)), nil
}

// TestReaderThatStoppedIsDropped: whoever takes nothing costs a bounded buffer
// for a bounded time.
func TestReaderThatStoppedIsDropped(t *testing.T) {
	r := newRig(t)
	r.api.pace.slow = 25 * time.Millisecond
	source := &flood{}
	ended := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		defer close(ended)
		c := r.api.echo.NewContext(q, w)
		c.SetResponse(echo.NewResponse(w, r.api.echo))
		q.Header.Set("Authorization", "Bearer "+r.token)
		p, err := r.api.newPusher(c)
		r.check(err)
		r.api.pump(c, source, p) //nolint:contextcheck // its context is the request's
		if cap(p.buf) > 4*batchBytes {
			t.Errorf("%d bytes are held", cap(p.buf))
		}
	}))
	defer srv.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
	r.must(err)
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	r.must(err)
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the stream still waits for its reader")
	}
	if metrics := r.call("GET", "/metrics", "").body; !strings.Contains(string(metrics), "snaprail_sse_stalled_total 1\n") {
		t.Error(grep(metrics, "sse"))
	}
}

func TestLogs(t *testing.T) {
	r := newRig(t)
	m := r.upload("echo")
	spec := `{"name":"talker","module":"` + m.Digest + `","config":{"on_open":"log hello ` + "\\u001b" + `[31m"},"grants":[{"group":"log"}]}`
	r.call("POST", "/api/connectors", spec).ok(http.StatusCreated, nil)
	r.call("POST", "/api/connectors/talker/activate", "").ok(http.StatusOK, nil)
	var page client.List[client.LogLine]
	r.until("a line", func() bool {
		r.call("GET", "/api/connectors/talker/logs", "").ok(http.StatusOK, &page)
		return slices.ContainsFunc(page.Items, func(l client.LogLine) bool { return strings.HasPrefix(l.Text, "hello") })
	})
	last := page.Items[len(page.Items)-1]
	r.call("GET", "/api/connectors/talker/logs?after="+itoa(int(last.Sequence)), "").ok(http.StatusOK, &page)
	if len(page.Items) != 0 {
		t.Errorf("%+v", page.Items)
	}
	lines := r.open("/api/connectors/talker/logs?follow=true")
	defer lines.end()
	if lines.header.Get("Content-Type") != typeEvents {
		t.Error(lines.header)
	}
	seen := ""
	for lines.Scan() && !strings.Contains(lines.Text(), "hello") {
		seen += lines.Text() + "\n"
	}
	if !strings.Contains(seen, "event: line\n") || !strings.Contains(seen, "id: 1\n") {
		t.Error(seen)
	}
}

func TestMetricsFromElsewhereNeedAToken(t *testing.T) {
	r := newRig(t)
	for remote, open := range map[string]bool{
		"127.0.0.1:5": true, "[::1]:5": true, "[::ffff:127.0.0.1]:5": true,
		"192.0.2.1:5": false, "[2001:db8::1]:5": false, "garbage": false, "": false,
	} {
		q := httptest.NewRequest("GET", "/metrics", nil)
		q.RemoteAddr = remote
		w := httptest.NewRecorder()
		r.api.ServeHTTP(w, q)
		if (w.Code == http.StatusOK) != open {
			t.Errorf("%q: %d", remote, w.Code)
		}
		for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via"} { // a proxy on this machine
			forwarded := q.Clone(t.Context())
			forwarded.Header.Set(name, "127.0.0.1")
			w = httptest.NewRecorder()
			if r.api.ServeHTTP(w, forwarded); w.Code != http.StatusUnauthorized {
				t.Errorf("%q with %s: %d", remote, name, w.Code)
			}
		}
		q.Header.Set("Authorization", "Bearer "+r.token)
		w = httptest.NewRecorder()
		if r.api.ServeHTTP(w, q); w.Code != http.StatusOK {
			t.Errorf("%q with a token: %d", remote, w.Code)
		}
		if open {
			continue
		}
		q.Header.Set("Authorization", "Bearer "+r.other) // of a tenant that does not operate the server
		w = httptest.NewRecorder()
		if r.api.ServeHTTP(w, q); w.Code != http.StatusForbidden {
			t.Errorf("%q with another tenant's token: %d", remote, w.Code)
		}
	}
}

func BenchmarkStream(b *testing.B) {
	w := httptest.NewRecorder()
	e := echo.New()
	c := e.NewContext(httptest.NewRequest("GET", "/", nil), w)
	p := &pusher{w: c.Response(), conn: controller(c), slow: time.Second}
	r := control.Record{
		Position: "12345.17", Connector: "con_01JD0000000000000000000000", Device: "station", Kind: "telemetry",
		Time: time.Now(), Received: time.Now(), Points: []abi.Point{{Name: "temperature", Unit: "Cel", Value: abi.Double(42)}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if p.end(appendRecord(p.begin("record", r.Position), &r)) {
			_ = p.flush()
			w.Body.Reset()
		}
	}
}

// TestStreamUntilNow: what is kept is sent, the end is told, and the connection
// ends, whatever is behind the last record that is wanted.
func TestStreamUntilNow(t *testing.T) {
	r := newRig(t)
	r.activated("meter", 5)
	r.read("/api/stream", 5, r.token) // all of them are there
	for path, want := range map[string]int{
		"/api/stream?until=now": 5, "/api/stream?from=now&until=now": 0,
	} {
		for _, form := range []string{"text/event-stream", typeLines} {
			lines := r.open(path, header("Authorization", "Bearer "+r.token), header("Accept", form))
			var text strings.Builder
			for lines.Scan() { // to its end
				text.WriteString(lines.Text() + "\n")
			}
			lines.end()
			got, _ := payloads(t, strings.ReplaceAll(text.String(), "data: {}\n", ""))
			if len(got) != want || strings.Contains(text.String(), "event: end\n") != (form != typeLines) {
				t.Errorf("%s as %s: %q", path, form, text.String())
			}
		}
	}
	r.call("GET", "/api/stream?until=noon", "").problem(fault.Invalid)
}
