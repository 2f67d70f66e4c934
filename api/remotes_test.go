package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// python is the interpreter that the package vantiqconnectorsdk is installed
// for: `make test-setup` does that.
func python(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../bin/python/bin/python3")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Skipf("the Python package vantiqconnectorsdk is not installed (make test-setup): %v", err)
	}
	return path
}

// program is a connector that runs as a program of its own.
type program struct {
	t     *testing.T
	said  chan told
	seen  []told
	ended chan error
}

// told is a line of what happened to it.
type told struct {
	Op      string            `json:"op"`
	Ctx     map[string]string `json:"ctx"`
	Source  string            `json:"source"`
	Config  map[string]any    `json:"config"`
	Message map[string]any    `json:"message"`
	Params  map[string]any    `json:"params"`
	Why     string            `json:"why"`
}

// start runs the unmodified client with a server.config.
func (r *rig) startProgram(token, sources string) *program {
	r.t.Helper()
	interpreter, script := python(r.t), filepath.Join("remote", "testdata", "connector.py")
	script, err := filepath.Abs(script)
	r.must(err)
	dir := r.t.TempDir()
	r.must(os.Mkdir(filepath.Join(dir, "serverConfig"), 0o700))
	config := fmt.Sprintf("authToken=%s\nsources=%s\ntargetServer=%s/\nsendPings=true\nreconnectSecret=same\n", token, sources, r.http.URL)
	r.must(os.WriteFile(filepath.Join(dir, "serverConfig", "server.config"), []byte(config), 0o600))
	cmd := exec.CommandContext(r.t.Context(), interpreter, script)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.StdoutPipe()
	r.must(err)
	r.must(cmd.Start())
	p := &program{t: r.t, said: make(chan told, 1024), ended: make(chan error, 1)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.said)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var line told
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				line = told{Op: "unreadable", Why: lines.Text()}
			}
			p.said <- line
		}
	}()
	go func() {
		<-read
		p.ended <- cmd.Wait()
	}()
	r.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended //nolint:errcheck // that it has ended is enough
	})
	return p
}

// next waits for what it says of an operation; what it says before is kept.
func (p *program) next(op string) told {
	p.t.Helper()
	late := time.NewTimer(20 * time.Second)
	defer late.Stop()
	for {
		select {
		case line, ok := <-p.said:
			if !ok {
				p.t.Fatalf("the program ended before %s", op)
			}
			p.seen = append(p.seen, line)
			if line.Op == op {
				return line
			}
		case <-late.C:
			p.t.Fatalf("the program said nothing of %s: %+v", op, p.seen)
		}
	}
}

// remoteToken is a token that may attach and nothing else.
func (r *rig) remoteToken(tenant string) string {
	r.t.Helper()
	token, _, err := r.tokens.Issue(r.t.Context(), identity.Who{Kind: identity.ByServer}, identity.NewToken{
		Tenant: tenant, Name: "field", Role: identity.Admin, Scopes: []string{"remote:use"},
	})
	r.must(err)
	return token
}

// remote makes a remote connector that is to run.
func (r *rig) remote(name, config string) client.Connector {
	r.t.Helper()
	var c client.Connector
	r.call(http.MethodPost, "/api/connectors", `{"name":"`+name+`","remote":true,"set":"field","config":`+config+`}`).ok(http.StatusCreated, &c)
	r.call(http.MethodPost, "/api/connectors/"+c.ID+"/activate", "").ok(http.StatusOK, &c)
	if c.Runtime.State != lifecycle.Degraded || c.Runtime.Code != "not_connected" {
		r.t.Fatalf("a remote connector whose code is away: %+v", c.Runtime)
	}
	return c
}

func (r *rig) query(id, params string) reply {
	r.t.Helper()
	return r.queryWithin(id, "20s", params)
}

func (r *rig) queryWithin(id, timeout, params string) reply {
	r.t.Helper()
	return r.call(http.MethodPost, "/api/connectors/"+id+"/query", `{"timeout":"`+timeout+`","data":`+params+`}`)
}

// TestUnmodifiedVantiqConnectorAttaches runs the package vantiqconnectorsdk as it
// comes from PyPI against a server: two sources, each over a WebSocket of its
// own, are configured, asked, published to, send notifications, learn of another
// configuration, and come back.
func TestUnmodifiedVantiqConnectorAttaches(t *testing.T) {
	r := newRig(t)
	one := r.remote("press", `{"endpoint":"10.0.0.7","rate":3}`)
	two := r.remote("oven", `{"endpoint":"10.0.0.8"}`)
	p := r.startProgram(r.remoteToken("plant"), "press, oven")

	configured := map[string]string{}
	for range 2 {
		line := p.next("connect")
		configured[line.Ctx["source_name"]], _ = line.Config["endpoint"].(string)
	}
	if configured["press"] != "10.0.0.7" || configured["oven"] != "10.0.0.8" {
		t.Fatalf("configured %v", configured)
	}
	r.becomes(one.ID, lifecycle.Running)
	r.becomes(two.ID, lifecycle.Running)

	t.Run("queries", func(t *testing.T) { r.asks(t, one.ID, p) })
	t.Run("publishes and notifications", func(t *testing.T) { r.publishes(t, one.ID, p) })

	t.Run("another configuration", func(t *testing.T) {
		r.call(http.MethodPatch, "/api/connectors/"+one.ID, `{"config":{"endpoint":"10.0.0.9"}}`, header("Content-Type", "application/merge-patch+json")).ok(http.StatusOK, nil)
		closed, line := p.next("close"), p.next("connect")
		if closed.Ctx["source_name"] != "press" || line.Ctx["source_name"] != "press" || line.Config["endpoint"] != "10.0.0.9" {
			t.Errorf("closed %+v, then %+v", closed, line)
		}
		r.query(one.ID, `{"again":true}`).ok(http.StatusOK, nil)
	})

	t.Run("comes back", func(t *testing.T) {
		r.becomes(one.ID, lifecycle.Running)
		r.call(http.MethodPost, "/api/connectors/"+one.ID+"/publish", `{"data":{"close":true}}`).ok(http.StatusOK, nil)
		p.next("close")
		p.next("connect")
		r.becomes(one.ID, lifecycle.Running)
		if got := r.query(one.ID, `{"want":"late"}`); !strings.Contains(string(got.body), `"late"`) {
			t.Errorf("a reply over another connection: %d %s", got.status, got.body)
		}
	})

	t.Run("stopped", func(*testing.T) {
		r.call(http.MethodPost, "/api/connectors/"+one.ID+"/deactivate", "").ok(http.StatusOK, nil)
		p.next("close")
		r.becomes(one.ID, lifecycle.Stopped)
	})
}

// becomes waits for a state.
func (r *rig) becomes(id string, want lifecycle.State) lifecycle.Status {
	r.t.Helper()
	var s lifecycle.Status
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if r.call(http.MethodGet, "/api/connectors/"+id+"/status", "").ok(http.StatusOK, &s); s.State == want {
			return s
		}
	}
	r.t.Fatalf("not %s: %+v", want, s)
	return s
}

// asks makes every kind of query.
func (r *rig) asks(t *testing.T, id string, p *program) {
	t.Helper()
	for _, tt := range []struct {
		params string
		status int
		want   []string
	}{
		{`{"line":4,"unit":"bar"}`, http.StatusOK, []string{`"line":4`, `"unit":"bar"`}},
		{`{"want":"list"}`, http.StatusOK, []string{`"row":1`, `"row":2`}},
		{`{"want":"partial"}`, http.StatusOK, []string{`"row":0`, `"row":1`, `"row":2`, `"row":3`}},
		{`{"want":"empty"}`, http.StatusOK, nil},
		{`{"want":"twice"}`, http.StatusOK, []string{`"row":1`}},
		{`{"want":"error"}`, http.StatusOK, []string{"io.test.bad", "The parameter {0} is {1}, not {2}.", "The parameter want is 7, not {2}."}},
	} {
		got := r.query(id, tt.params)
		body := strings.ReplaceAll(strings.ReplaceAll(string(got.body), " ", ""), "\n", "")
		for _, want := range tt.want {
			if !strings.Contains(body, strings.ReplaceAll(want, " ", "")) {
				t.Errorf("%s: status %d, %s, want %s in it", tt.params, got.status, got.body, want)
			}
		}
		if line := p.next("query"); line.Source != "press" {
			t.Errorf("asked %+v", line)
		}
	}
	// One that nobody answers ends at its deadline, also when the reply has a form
	// that it may not have.
	for _, params := range []string{`{"want":"nothing"}`, `{"want":"number"}`} {
		if got := r.queryWithin(id, "500ms", params); !strings.Contains(string(got.body), "timeout") {
			t.Errorf("%s: status %d: %s", params, got.status, got.body)
		}
	}
	r.logs(t, id, "reply_ended", "invalid_message")
}

// logs sees that the connector's log has lines with these words.
func (r *rig) logs(t *testing.T, id string, words ...string) {
	t.Helper()
	req := r.request(http.MethodGet, "/api/connectors/"+id+"/logs", nil)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	r.must(err)
	defer resp.Body.Close()
	lines, err := io.ReadAll(resp.Body)
	r.must(err)
	for _, word := range words {
		if !bytes.Contains(lines, []byte(word)) {
			t.Errorf("no line has %q: %s", word, lines)
		}
	}
}

// publishes has the program send notifications, and reads them from the stream.
func (r *rig) publishes(t *testing.T, id string, p *program) {
	t.Helper()
	const many = 300
	r.call(http.MethodPost, "/api/connectors/"+id+"/publish", fmt.Sprintf(`{"data":{"notify":%d,"speed":2}}`, many)).ok(http.StatusOK, nil)
	line := p.next("publish")
	if line.Message["speed"] != 2.0 || len(line.Ctx) != 1 || line.Ctx["source_name"] != "press" {
		t.Errorf("published %+v", line)
	}
	req := r.request(http.MethodGet, "/api/stream?from=start&connector="+id, nil, header("Accept", "application/x-ndjson"))
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	r.must(err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for n := 0; n < many; {
		if !lines.Scan() {
			t.Fatalf("the stream ended behind %d notifications: %v", n, lines.Err())
		}
		var rec client.Record
		if json.Unmarshal(lines.Bytes(), &rec) != nil || rec.Kind != "event" {
			continue
		}
		if text := lines.Text(); !strings.Contains(text, fmt.Sprintf(`"n":%d`, n)) && !strings.Contains(text, fmt.Sprintf(`"n": %d`, n)) {
			t.Fatalf("record %d is %s", n, text)
		}
		n++
	}
}
