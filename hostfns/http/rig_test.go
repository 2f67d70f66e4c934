package http_test

import (
	"context"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/http"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

const local = "cidr:127.0.0.0/8"

// serve is a server until the test ends.
func serve(t *testing.T, h nethttp.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// granted are grants that may write.
func granted(patterns ...string) []spec.Grant {
	return []spec.Grant{{Group: "http", Resources: patterns, Rights: []spec.Right{spec.Read, spec.Write}}}
}

// secrets are a tenant's.
type secrets map[string]string

func (s secrets) Secret(_ context.Context, name string) ([]byte, error) {
	value, ok := s[name]
	if !ok {
		return nil, fault.New(fault.SecretMissing, "no secret %s", name)
	}
	return []byte(value), nil
}

// caller is a guest that may be a candidate, and keeps what it was refused.
type caller struct {
	candidate bool

	mu      sync.Mutex
	refused []string
}

func (c *caller) Allow(_ context.Context, _ string, right spec.Right) error {
	if c.candidate && right == spec.Write {
		return fault.New(fault.NotActive, "a candidate")
	}
	return nil
}

func (c *caller) Refused(function, resource string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = append(c.refused, function+" "+resource+" "+fault.Of(err).Kind.String())
}

// session is an open session until the test ends.
func session(t testing.TB, e *egress.Egress, scope capability.Scope) capability.Session {
	t.Helper()
	scope.Log = slog.New(slog.DiscardHandler)
	s, err := http.New(e).Open(t.Context(), scope, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask sends a request, and reads the whole reply as the SDK does.
func ask(t testing.TB, s capability.Session, q abi.HTTPRequest) (abi.HTTPResponse, error) {
	t.Helper()
	var reply abi.HTTPResponse
	out, err := s.Call(t.Context(), "request", q.Append(nil), nil)
	if err != nil {
		return reply, err
	}
	if err := reply.Decode(out); err != nil {
		t.Fatal(err)
	}
	for rest := reply.Rest; rest > 0; {
		out, err := s.Call(t.Context(), "read", abi.HTTPRead{Max: 1 << 20}.Append(nil), nil)
		if err != nil {
			t.Fatal(err)
		}
		var piece abi.HTTPPiece
		if err := piece.Decode(out); err != nil || len(piece.Data) == 0 {
			t.Fatalf("a piece of %d bytes, %v", len(piece.Data), err)
		}
		reply.Body, rest = append(reply.Body, piece.Data...), piece.Rest
	}
	return reply, nil
}

func header(reply abi.HTTPResponse, name string) string {
	for _, h := range reply.Headers {
		if h.Name == name {
			return string(h.Value)
		}
	}
	return ""
}

func headers(pairs ...string) (list []abi.Header) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, abi.Header{Name: pairs[i], Value: []byte(pairs[i+1])})
	}
	return list
}

func write(t testing.TB, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Error(err)
	}
}
