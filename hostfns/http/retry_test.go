package http_test

import (
	"context"
	nethttp "net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The source's defaults: no retries, half a second before each that is asked
// for. What is tried again is what may come twice.
func TestRetries(t *testing.T) {
	var asked atomic.Int32
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		n := asked.Add(1)
		switch {
		case r.URL.Path == "/drop":
			panic(nethttp.ErrAbortHandler)
		case r.URL.Path == "/404":
			w.WriteHeader(404)
		case n < 3:
			w.WriteHeader(503)
		}
	})
	h := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(s.URL, local)})
	for _, tt := range []struct {
		name     string
		q        abi.HTTPRequest
		attempts int32
		status   uint32 // 0: an error
	}{
		{"none by default", abi.HTTPRequest{}, 1, 503},
		{"until it is good", abi.HTTPRequest{Retries: 5}, 3, 200},
		{"no more than asked for", abi.HTTPRequest{Retries: 1}, 2, 503},
		{"a PUT", abi.HTTPRequest{Method: "PUT", Body: []byte("x"), Retries: 2}, 3, 200},
		{"a POST", abi.HTTPRequest{Method: "POST", Retries: 2}, 1, 503},
		{"a PATCH", abi.HTTPRequest{Method: "PATCH", Retries: 2}, 1, 503},
		{"a POST with a key", abi.HTTPRequest{Method: "POST", Retries: 2, Headers: headers("Idempotency-Key", "7")}, 3, 200},
		{"what is wrong for good", abi.HTTPRequest{URL: "/404", Retries: 2}, 1, 404},
		{"a connection that breaks", abi.HTTPRequest{URL: "/drop", Method: "PUT", Body: []byte("x"), Retries: 2}, 3, 0},
		{"a POST that may have come", abi.HTTPRequest{URL: "/drop", Method: "POST", Retries: 2}, 1, 0},
	} {
		asked.Store(0)
		tt.q.URL = s.URL + tt.q.URL
		tt.q.RetryDelayMS = new(uint64)
		reply, err := ask(t, h, tt.q)
		if asked.Load() != tt.attempts || reply.Status != tt.status || (err == nil) != (tt.status > 0) {
			t.Errorf("%s: %d attempts, %d, %v", tt.name, asked.Load(), reply.Status, err)
		}
		if err == nil && int32(reply.Attempts) != tt.attempts {
			t.Errorf("%s: says %d attempts", tt.name, reply.Attempts)
		}
	}
}

// What was never sent may be sent again, whatever it is; and what is not granted
// is not asked for twice.
func TestRetriesOfWhatWasNotSent(t *testing.T) {
	s := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) {})
	s.Close()
	c := &caller{}
	h := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(s.URL, local), Caller: c})
	began := time.Now()
	if _, err := ask(t, h, abi.HTTPRequest{URL: s.URL, Method: "POST", Retries: 2, RetryDelayMS: new(uint64(50))}); !fault.Is(err, fault.ResourceUnavailable) {
		t.Error(err)
	}
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("three attempts 50 ms apart took %v", took)
	}
	if _, err := ask(t, h, abi.HTTPRequest{URL: "http://other.test/", Retries: 5}); !fault.Is(err, fault.Denied) || len(c.refused) != 1 {
		t.Errorf("%v, refused %v", err, c.refused)
	}
}

// An attempt ends at its time, all of them at the call's, and a wait that would
// not end before that is not begun.
func TestTimeouts(t *testing.T) {
	var asked atomic.Int32
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		asked.Add(1)
		if r.URL.Path == "/busy" {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(429)
			return
		}
		<-r.Context().Done()
	})
	h := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(s.URL, local)})
	began := time.Now()
	_, err := ask(t, h, abi.HTTPRequest{URL: s.URL, TimeoutMS: 50, Retries: 2, RetryDelayMS: new(uint64)})
	if took := time.Since(began); !fault.Is(err, fault.Timeout) || asked.Load() == 0 || took < 150*time.Millisecond || took > 5*time.Second {
		t.Errorf("%v after %v and %d attempts", err, took, asked.Load())
	}
	asked.Store(0)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began = time.Now()
	_, err = h.Call(ctx, "request", abi.HTTPRequest{URL: s.URL, Retries: 5}.Append(nil), nil)
	if took := time.Since(began); !fault.Is(err, fault.Timeout) || asked.Load() > 1 || took > 5*time.Second {
		t.Errorf("at the call's deadline: %v after %v and %d attempts", err, took, asked.Load())
	}
	began = time.Now()
	if reply, err := ask(t, h, abi.HTTPRequest{URL: s.URL + "/busy", Retries: 5}); err != nil || reply.Status != 429 || time.Since(began) > 5*time.Second {
		t.Errorf("told to wait for longer than there is: %d, %v", reply.Status, err)
	}
	// The source's default is three seconds.
	began = time.Now()
	_, err = ask(t, h, abi.HTTPRequest{URL: s.URL})
	if took := time.Since(began); !fault.Is(err, fault.Timeout) || took < 2900*time.Millisecond || took > 10*time.Second {
		t.Errorf("by default: %v after %v", err, took)
	}
}

// Fewer redirects than the host follows.
func TestRedirects(t *testing.T) {
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path != "/end" {
			nethttp.Redirect(w, r, r.URL.Path[:len(r.URL.Path)-1]+"", nethttp.StatusFound)
		}
	})
	h := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(s.URL, local)})
	for _, tt := range []struct {
		most   *uint32
		path   string
		status uint32
	}{
		{nil, "/end", 200},
		{nil, "/end123", 200},
		{nil, "/end1234", 0},
		{new(uint32), "/end", 200},
		{new(uint32), "/end1", 302},
		{new(uint32(1)), "/end1", 200},
		{new(uint32(1)), "/end12", 0},
		{new(uint32(1000)), "/end1234", 0},
	} {
		reply, err := ask(t, h, abi.HTTPRequest{URL: s.URL + tt.path, Redirects: tt.most})
		if reply.Status != tt.status || tt.status == 0 && !fault.Is(err, fault.EgressForbidden) {
			t.Errorf("%v %s: %d, %v", tt.most, tt.path, reply.Status, err)
		}
		if tt.status == 302 && header(reply, "Location") != "/end" {
			t.Errorf("the reply leads to %q", header(reply, "Location"))
		}
	}
}
