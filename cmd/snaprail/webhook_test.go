package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

const hookSecret = "It's a Secret to Everybody"

// sender sends deliveries as GitHub does: signed, each under its own id, and again
// under the same one until it was taken.
type sender struct {
	t       *testing.T
	client  http.Client
	address atomic.Pointer[string]

	mu    sync.Mutex
	other map[int]int // statuses that were no 202
}

func newSender(t *testing.T) *sender {
	t.Helper()
	s := &sender{t: t, client: http.Client{Timeout: 5 * time.Second}, other: map[int]int{}}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// post sends one delivery once.
func (s *sender) post(ctx context.Context, id, body, signature string) (int, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, *s.address.Load(), strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("X-Github-Delivery", id)
	q.Header.Set("X-Hub-Signature-256", "sha256="+signature)
	p, err := s.client.Do(q)
	if err != nil {
		return 0, err
	}
	return p.StatusCode, p.Body.Close()
}

func hookSignature(body string) string {
	mac := hmac.New(sha256.New, []byte(hookSecret))
	_, _ = mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// deliver sends one delivery until it is taken.
func (s *sender) deliver(ctx context.Context, id string) {
	body := fmt.Sprintf(`{"delivery":%q,"repository":{"full_name":"octo/hello"}}`, id)
	for ctx.Err() == nil {
		status, err := s.post(ctx, id, body, hookSignature(body))
		if err == nil && status == http.StatusAccepted {
			return
		}
		s.mu.Lock()
		s.other[status]++
		s.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Signed deliveries come in over changes of version, with the paths as they are and
// otherwise, and over kills of the server: each that was taken is in the history
// once, under its id.
func TestWebhookLosesAndDoublesNothing(t *testing.T) {
	const kills, clients = 3, 4
	n := newNode(t)
	if _, err := n.api.SetSecret(t.Context(), "github", hookSecret); err != nil {
		t.Fatal(err)
	}
	versions := [2]string{n.push("webhook"), n.pushBytes(reversioned(t, "webhook", "1.0.1"))}
	spec := func(module string, queue int) (json.RawMessage, error) {
		return json.Marshal(map[string]any{
			"name": "builds", "module": module,
			"config": map[string]any{
				"paths": []string{"/github"}, "auth": "github", "secret": "secret://github", "device_pointer": "/repository/full_name", "queue": queue,
			},
			"grants": []any{map[string]any{"group": "hooks", "resources": []string{"path:/github"}, "rights": []string{"read"}, "reason": "the builds"}},
		})
	}
	c := n.activate(spec(versions[0], 100))
	if now, err := n.api.Connector(t.Context(), c.ID); err != nil || len(now.Hooks) != 1 || now.Hooks[0] != "/hooks/"+c.ID+"/github" {
		t.Errorf("addresses %v, %v", now.Hooks, err)
	}
	s := newSender(t)
	point := func() {
		address := n.url + "/hooks/" + c.ID + "/github"
		s.address.Store(&address)
	}
	point()
	if status, err := s.post(t.Context(), "x", `{}`, hookSignature(`{ }`)); status != http.StatusNotFound || err != nil {
		t.Errorf("a wrong signature: %d, %v", status, err)
	}

	t.Run("BehindNginx", func(t *testing.T) { behindNginx(t, n, c.ID) })

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var taken [clients]int
	var senders sync.WaitGroup
	stop := make(chan struct{})
	for k := range clients {
		senders.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if s.deliver(ctx, fmt.Sprintf("%d-%d", k, i)); ctx.Err() == nil {
					taken[k]++
				}
			}
		})
	}
	some := func() {
		t.Helper()
		n.until(c.ID, "counting", func(s *lifecycle.Status) bool { return s.State == lifecycle.Running && s.Counters.Records > 20 })
	}
	for i := range kills {
		some()
		for _, next := range []struct {
			module string
			queue  int
		}{{versions[1], 100}, {versions[0], 50 + i}, {versions[0], 100}} {
			raw, err := spec(next.module, next.queue)
			if err != nil {
				t.Fatal(err)
			}
			if v, err := n.api.UpdateConnector(t.Context(), c.ID, raw, 0); err != nil || v.Runtime.State != lifecycle.Running || v.Runtime.Reason != "" {
				t.Fatalf("%+v, %v\n%s", v.Runtime, err, n.stderr)
			}
		}
		n.kill()
		n.start()
		point()
	}
	some()
	close(stop)
	senders.Wait()
	if ctx.Err() != nil {
		t.Fatalf("not in time; other answers: %v\n%s", s.other, n.stderr)
	}
	last := "the last one"
	s.deliver(ctx, last)
	seen := map[string]int{}
	for _, r := range n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool { return strings.Contains(string(r.Payload), last) }) {
		if r.Kind == "gap" {
			continue
		}
		var body struct{ Delivery string }
		if err := json.Unmarshal(r.Payload, &body); err != nil || r.Device != "octo/hello" {
			t.Fatalf("%s: %v", r.Raw, err)
		}
		seen[body.Delivery]++
	}
	total := 0
	for k := range clients {
		total += taken[k]
		for i := range taken[k] {
			if id := fmt.Sprintf("%d-%d", k, i); seen[id] != 1 {
				t.Errorf("delivery %s is in the history %d times", id, seen[id])
			}
		}
	}
	st := n.state(c.ID, lifecycle.Running)
	at := slices.IndexFunc(st.Sessions, func(s lifecycle.Session) bool { return s.Group == "hooks" })
	if at < 0 || st.Sessions[at].Counts["accepted"] == 0 || st.Sessions[at].Resource != "path:/github" {
		t.Errorf("status %+v", st.Sessions)
	}
	t.Logf("%d deliveries over %d kills; other answers: %v", total, kills, s.other)
}

// behindNginx sends deliveries by HTTP/2 and TLS to a proxy of another make, as they
// come from outside: signed, wrongly signed, too long, and with a path that hides
// another.
func behindNginx(t *testing.T, n *node, connector string) {
	t.Helper()
	front := peertest.StartNginx(t, `location /hooks/ { proxy_pass `+n.url+`; }`)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(front.CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	body := `{"delivery":"through nginx","repository":{"full_name":"octo/hello"}}`
	for _, c := range []struct {
		path, body, signature string
		want                  int
	}{
		{"/github", body, hookSignature(body), http.StatusAccepted},
		{"/github", body, hookSignature("x"), http.StatusNotFound},
		{"/other", body, hookSignature(body), http.StatusNotFound},
		{"/x%2f..%2fgithub", body, hookSignature(body), http.StatusNotFound},
		{"/github", "no JSON", hookSignature("no JSON"), http.StatusUnprocessableEntity},
		{"/github", strings.Repeat("x", 300<<10), "", http.StatusRequestEntityTooLarge},
	} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.HTTPS+"/hooks/"+connector+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("X-Hub-Signature-256", "sha256="+c.signature)
		p, err := transport.RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		if _ = p.Body.Close(); p.StatusCode != c.want || p.ProtoMajor != 2 {
			t.Errorf("%s %.40s: %d by HTTP/%d, want %d", c.path, c.body, p.StatusCode, p.ProtoMajor, c.want)
		}
	}
}
