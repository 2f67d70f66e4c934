package http_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// A server of another make, with TLS of an authority of its own, and what it does to
// requests: it compresses, redirects, refuses, limits.
func TestNginx(t *testing.T) {
	n := peertest.StartNginx(t, `
    location /ok { default_type text/plain; return 200 "hello"; }
    location /packed { gzip on; gzip_min_length 1; gzip_types text/plain; default_type text/plain; return 200 "`+strings.Repeat("pack ", 400)+`"; }
    location /moved { return 302 /ok; }
    location /away { return 302 https://example.com/; }
    location /busy { add_header Retry-After 7 always; return 503 "busy"; }
    location /post { client_max_body_size 10; proxy_pass http://127.0.0.1:1; }
    location /gone { return 444; }
`)
	s := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(n.HTTP+"/*", n.HTTPS+"/*", local, "cidr:::1/128")})
	tls := &abi.HTTPTLS{CA: string(n.CA)}
	none := new(uint64(0))
	for path, c := range map[string]struct {
		method, body string
		status       uint32
		want         string
		fails        fault.Kind // if status is 0
	}{
		"/ok":     {status: 200, want: "hello"},
		"/packed": {status: 200, want: strings.Repeat("pack ", 400)},
		"/moved":  {status: 200, want: "hello"},
		"/away":   {fails: fault.Denied},
		"/busy":   {status: 503, want: "busy"},
		"/post":   {method: "POST", body: "longer than ten", status: 413},
		"/gone":   {fails: fault.ResourceUnavailable},
	} {
		for _, base := range []string{n.HTTP, n.HTTPS} {
			q := abi.HTTPRequest{Method: c.method, URL: base + path, Body: []byte(c.body), RetryDelayMS: none, TimeoutMS: 1000}
			if base == n.HTTPS {
				q.TLS = tls
			}
			reply, err := ask(t, s, q)
			switch {
			case path == "/gone" && base == n.HTTPS: // HTTP/2 has no word for it: the stream ends, or time does
				if err == nil {
					t.Errorf("%s%s: %d", base, path, reply.Status)
				}
			case c.status == 0:
				if !fault.Is(err, c.fails) {
					t.Errorf("%s%s: %v, want %s", base, path, err, c.fails)
				}
			case err != nil || reply.Status != c.status || c.want != "" && string(reply.Body) != c.want:
				t.Errorf("%s%s: %d %.60s, %v", base, path, reply.Status, reply.Body, err)
			}
			if path == "/busy" && header(reply, "Retry-After") != "7" {
				t.Errorf("%v", reply.Headers)
			}
		}
	}
	if _, err := ask(t, s, abi.HTTPRequest{URL: n.HTTPS + "/ok"}); !fault.Is(err, fault.PeerTLS) {
		t.Errorf("without its authority: %v", err)
	}
	if _, err := ask(t, s, abi.HTTPRequest{URL: n.HTTPS + "/ok", TLS: &abi.HTTPTLS{CA: string(n.CA), ServerName: "other.example"}}); !fault.Is(err, fault.PeerTLS) {
		t.Errorf("under another name: %v", err)
	}
}

// What a network does to a request that is under way ends it, in time.
func TestFaultsOfTheNetwork(t *testing.T) {
	n := peertest.StartNginx(t, `location / { default_type text/plain; return 200 "`+strings.Repeat("x", 2000)+`"; }`)
	at, err := url.Parse(n.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	p := peertest.NewFaultProxy(t, at.Host)
	s := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted("http://"+p.Address()+"/*", local)})
	q := abi.HTTPRequest{URL: "http://" + p.Address() + "/", TimeoutMS: 300}
	if reply, err := ask(t, s, q); err != nil || len(reply.Body) != 2000 {
		t.Fatalf("%d bytes, %v", len(reply.Body), err)
	}
	for name, f := range map[string]peertest.Fault{
		"half-open": {Silent: true}, "reset in the middle": {ResetAfter: 500}, "refused": {Refuse: true}, "a trickle": {BytesPerSecond: 1000}, "stuck": {Stuck: true},
	} {
		p.Reset() // a new connection each time, or a kept one would hide the fault
		p.Set(f)
		began := time.Now()
		_, err := ask(t, s, q)
		if !fault.Is(err, fault.Timeout) && !fault.Is(err, fault.ResourceUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
		p.Set(peertest.Fault{})
	}
	p.Reset()
	p.Set(peertest.Fault{Latency: 20 * time.Millisecond})
	q.TimeoutMS = 3000
	if reply, err := ask(t, s, q); err != nil || len(reply.Body) != 2000 {
		t.Errorf("afterwards: %d bytes, %v", len(reply.Body), err)
	}
}
