package api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// dial opens a connection of its own to the server.
func (r *rig) dial() *net.TCPConn {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.http.Listener.Addr().String())
	r.must(err)
	r.t.Cleanup(func() { _ = conn.Close() })
	r.must(conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn.(*net.TCPConn)
}

// answer reads one answer of a connection.
func (r *rig) answer(conn *net.TCPConn) reply {
	r.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	r.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	r.must(err)
	return reply{r.t, resp.StatusCode, resp.Header, body}
}

// TestRefusalsReachWhoSendsFirst: a client that reads nothing before it has
// sent all gets the whole answer, whatever of its body was read.
func TestRefusalsReachWhoSendsFirst(t *testing.T) {
	const size = 6 << 20 // more than the system takes in for a connection
	r := newRig(t, func(c *Config) { c.MaxModule = 1 << 20 })
	for name, c := range map[string]struct {
		head string
		want fault.Kind
	}{
		"too large": {"Authorization: Bearer " + r.token, fault.ModuleTooLarge},
		"no token":  {"X-None: 1", fault.Unauthenticated},
	} {
		conn := r.dial()
		_, err := fmt.Fprintf(conn, "POST /api/modules HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Type: application/wasm\r\nContent-Length: %d\r\n\r\n", c.head, size)
		r.must(err)
		sent, err := io.Copy(conn, io.LimitReader(&endless{left: size}, size))
		if err != nil {
			t.Fatalf("%s: %v after %d bytes", name, err, sent)
		}
		p := r.answer(conn)
		p.problem(c.want)
		if p.header.Get("Connection") == "keep-alive" {
			t.Errorf("%s: %v", name, p.header)
		}
	}
}

// TestRefusalsDoNotWaitForTheBody: a client that announces a body and sends
// none is answered at once.
func TestRefusalsDoNotWaitForTheBody(t *testing.T) {
	r := newRig(t)
	for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
		conn := r.dial()
		_, err := fmt.Fprintf(conn, "POST /api/modules HTTP/1.1\r\nHost: x\r\n%sContent-Length: 1000\r\n\r\n", expect)
		r.must(err)
		r.answer(conn).problem(fault.Unauthenticated)
		begin := time.Now()
		if n, err := io.Copy(io.Discard, conn); n != 0 || err != nil {
			t.Errorf("%q: %d bytes behind the answer, %v", expect, n, err)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%q: closed after %s", expect, took)
		}
	}
}

// TestReadBodiesKeepTheConnection: a refusal whose body was read whole is no
// reason to close.
func TestReadBodiesKeepTheConnection(t *testing.T) {
	r := newRig(t)
	conn := r.dial()
	in := bufio.NewReader(conn)
	for range 3 {
		_, err := fmt.Fprintf(conn, "POST /api/connectors HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", r.token)
		r.must(err)
		resp, err := http.ReadResponse(in, nil)
		r.must(err)
		_, err = io.Copy(io.Discard, resp.Body)
		r.must(errors.Join(err, resp.Body.Close()))
		if resp.StatusCode != http.StatusUnprocessableEntity || resp.Close {
			t.Fatalf("%d %v", resp.StatusCode, resp.Header)
		}
	}
}

// TestPatienceEndsWithTheBody: the time between two reads bounds the client
// alone, and not what is done with the body afterwards.
func TestPatienceEndsWithTheBody(t *testing.T) {
	const idle = 20 * time.Millisecond
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		p := &patientReader{from: q.Body, conn: http.NewResponseController(w), idle: idle}
		if _, err := io.Copy(io.Discard, p); err != nil {
			t.Error(err)
		}
		work := time.NewTimer(10 * idle)
		defer work.Stop()
		select {
		case <-work.C:
		case <-q.Context().Done():
			t.Error("the request was cancelled while it was worked on")
		}
	}))
	defer srv.Close()
	transport := &http.Transport{DisableKeepAlives: true}
	q, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader("some bytes"))
	resp, err := transport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}
