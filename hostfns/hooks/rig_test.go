package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

const (
	patience = 40 * time.Second
	plant    = "con_plant"
)

// rig is a group behind a listener, as the API stands before it.
type rig struct {
	t     *testing.T
	group *Group
	http  *httptest.Server
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	r := &rig{t: t, group: New(cfg)}
	r.http = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.http.Close)
	return r
}

func (r *rig) serve(w http.ResponseWriter, q *http.Request) {
	id, path, _ := strings.Cut(strings.TrimPrefix(q.URL.Path, Prefix), "/")
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(r.group.BodyTime()))
	q.Body = struct {
		io.Reader
		io.Closer
	}{ended{q.Body, func() { _ = conn.SetReadDeadline(time.Time{}) }}, q.Body}
	reply, err := r.group.Serve(q, id, "/"+path, func(id string) bool { return id == "con_stopped" }) //nolint:contextcheck // it is the request's
	if err != nil {
		f := fault.Of(err)
		w.Header().Set("Connection", "close")
		w.Header().Set("X-Code", f.Kind.String())
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(f.Kind.Info().Status)
		_ = json.NewEncoder(w).Encode(f.Text)
		return
	}
	for _, h := range reply.Headers {
		w.Header().Add(h.Name, string(h.Value))
	}
	w.WriteHeader(int(reply.Status))
	_, _ = w.Write(reply.Body)
}

// ended tells when a body has come to its end.
type ended struct {
	io.Reader
	then func()
}

func (e ended) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err != nil {
		e.then()
	}
	return n, err
}

func grants(patterns ...string) []spec.Grant {
	return []spec.Grant{{Group: Name, Resources: patterns, Rights: []spec.Right{spec.Read}}}
}

// secrets are those of a test.
type secrets map[string]string

func (s secrets) Secret(_ context.Context, name string) ([]byte, error) {
	value, ok := s[name]
	if !ok {
		return nil, fault.New(fault.SecretMissing, "no secret %s", name)
	}
	return []byte(value), nil
}

var known = secrets{"key": "It's a Secret to Everybody", "token": "t0ken\n", "empty": "\n"}

func (r *rig) scope() capability.Scope {
	return capability.Scope{Owner: plant, Grants: grants("path:/**"), Secrets: known}
}

// opened opens a session that is closed when the test ends, and reads it.
func (r *rig) opened(args abi.HookOpen) *reader {
	r.t.Helper()
	if args.Paths == nil {
		args.Paths = []string{"/**"}
	}
	end, err := r.group.Open(r.t.Context(), r.scope(), args.Append(nil))
	if err != nil {
		r.t.Fatal(err)
	}
	s := &reader{r.t, end.(*session)}
	r.t.Cleanup(s.close)
	return s
}

// reader reads a session, as the actor does.
type reader struct {
	t *testing.T
	*session
}

func (s *reader) close() {
	if err := s.Close(context.Background()); err != nil {
		s.t.Error(err)
	}
}

// take waits for n requests.
func (s *reader) take(n int) (got []abi.HookRequest) {
	s.t.Helper()
	for out := time.After(patience); len(got) < n; {
		for _, e := range s.Take(nil, n-len(got), 1<<20) {
			var m abi.HookRequest
			if err := m.Decode(e.Data); err != nil {
				s.t.Fatal(err)
			}
			got = append(got, m)
		}
		if len(got) == n {
			break
		}
		select {
		case <-s.Ready():
		case <-out:
			s.t.Fatalf("%d requests, want %d; %v", len(got), n, s.Condition())
		}
	}
	return got
}

// settle is a step that made the oldest n durable.
func (s *reader) settle(n int) {
	for i := range n {
		s.Settled(i, "")
	}
	s.Ack(n)
}

func (s *reader) say(q abi.HookReply) error {
	_, err := s.Call(s.t.Context(), functionReply, q.Append(nil), nil)
	return err
}

// got is an answer.
type got struct {
	status int
	code   string
	body   string
	header http.Header
	err    error
}

// post sends a request; edit changes it.
func (r *rig) post(path, body string, edit ...func(*http.Request)) got {
	return r.send(r.t.Context(), http.MethodPost, "/"+plant+path, body, edit...)
}

func (r *rig) send(ctx context.Context, method, path, body string, edit ...func(*http.Request)) got {
	q, err := http.NewRequestWithContext(ctx, method, r.http.URL+"/hooks"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return got{err: err}
	}
	for _, f := range edit {
		f(q)
	}
	p, err := r.http.Client().Do(q)
	if err != nil {
		return got{err: err}
	}
	defer p.Body.Close()
	text, err := io.ReadAll(p.Body)
	return got{p.StatusCode, p.Header.Get("X-Code"), string(text), p.Header, err}
}

// sent sends in the background.
func (r *rig) sent(path, body string, edit ...func(*http.Request)) <-chan got {
	answered := make(chan got, 1)
	go func() { answered <- r.post(path, body, edit...) }()
	return answered
}

func (r *rig) answer(c <-chan got) got {
	r.t.Helper()
	select {
	case g := <-c:
		if g.err != nil {
			r.t.Fatal(g.err)
		}
		return g
	case <-time.After(patience):
		r.t.Fatal("no answer")
		return got{}
	}
}

func (r *rig) wants(g got, status int, code fault.Kind) {
	r.t.Helper()
	if g.err != nil || g.status != status || g.code != code.String() {
		r.t.Errorf("answered %d %s %s (%v), want %d %s", g.status, g.code, g.body, g.err, status, code)
	}
}

func with(name, value string) func(*http.Request) {
	return func(q *http.Request) { q.Header.Add(name, value) }
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !cond(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func timeNow() time.Time { return time.Unix(1_700_000_000, 0) }
