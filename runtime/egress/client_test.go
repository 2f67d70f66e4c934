package egress_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

const local = "cidr:127.0.0.0/8"

// only are rules that the test knows to be well formed.
func only(t *testing.T, patterns ...string) egress.Rules {
	t.Helper()
	r, err := egress.Only(patterns...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// client is a client until the test ends.
func client(t *testing.T, e *egress.Egress, patterns ...string) *http.Client {
	t.Helper()
	c := e.Client(only(t, patterns...))
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// get asks for a URL and reads the whole reply.
func get(t *testing.T, c *http.Client, url string) (string, error) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		return "", egress.Explain(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), egress.Explain(err)
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// A loopback server is reached by the rule for its host with that for its
// network, and by neither of them alone.
func TestClient(t *testing.T) {
	asked := 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		fmt.Fprint(w, r.Method, " ", r.URL, " ", r.UserAgent())
	})
	e := egress.New(egress.Config{})
	if got, err := get(t, client(t, e, s.URL+"/v1/*", local), s.URL+"/v1/%61?q=1"); err != nil || got != "GET /v1/a?q=1 snaprail" {
		t.Errorf("%q, %v", got, err)
	}
	for _, tt := range []struct {
		patterns []string
		path     string
		want     fault.Kind
	}{
		{[]string{s.URL + "/v1/*"}, "/v1/a", fault.EgressForbidden},
		{[]string{s.URL + "/v1/*", "cidr:10.0.0.0/8"}, "/v1/a", fault.EgressForbidden},
		{[]string{local}, "/v1/a", fault.Denied},
		{[]string{s.URL + "/v1/*", local}, "/v2/a", fault.Denied},
		{[]string{s.URL + "/v1/*", local}, "/v1/../v2/a", fault.Denied},
		{nil, "/", fault.Denied},
	} {
		if got, err := get(t, client(t, e, tt.patterns...), s.URL+tt.path); !fault.Is(err, tt.want) {
			t.Errorf("%v %s: %q, %v, want %s", tt.patterns, tt.path, got, err, tt.want)
		}
	}
	e.Listening(s.Listener.Addr())
	if _, err := get(t, client(t, e, s.URL+"/*", local), s.URL); !fault.Is(err, fault.EgressForbidden) || !strings.Contains(err.Error(), "this server itself") {
		t.Errorf("our own listener: %v", err)
	}
	if asked != 1 {
		t.Errorf("the server was asked %d times", asked)
	}
}
