package egress_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// zeros is a gzip of n zero bytes, about a thousandth as long.
func zeros(t *testing.T, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.CopyN(z, zero{}, n); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// live is the heap that is in use.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Abuse case 38: whatever a peer sends, it ends at a bound, and the host holds
// little of it. That of what a guest is handed is measured in its group.
func TestAbuse38Bodies(t *testing.T) {
	gzipped := zeros(t, 64<<20)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/declared":
			w.Header().Set("Content-Length", fmt.Sprint(egress.MaxBody+1))
		case "/gzip", "/nested":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(gzipped)
		case "/empty-gzip": // members of nothing, for ever
			w.Header().Set("Content-Encoding", "gzip")
			empty := bytes.Repeat(zeros(t, 0), 1<<10)
			for {
				if _, err := w.Write(empty); err != nil {
					return
				}
			}
		}
	})
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	e := egress.New(egress.Config{})
	c := client(t, e, s.URL, local)
	before := live()
	for _, path := range []string{"/endless", "/declared", "/gzip", "/empty-gzip"} {
		resp, err := c.Get(s.URL + path)
		n := int64(0)
		if err == nil {
			n, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if !fault.Is(egress.Explain(err), fault.TooLarge) || n > egress.MaxBody {
			t.Errorf("%s: %d bytes, %v", path, n, err)
		}
		if after := live(); after > before+egress.MaxBody {
			t.Errorf("%s: the heap grew from %d to %d bytes", path, before, after)
		}
	}
}

// raw is a server that answers each connection with what do writes.
func raw(t *testing.T, do func(w io.Writer)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				do(conn)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return "http://" + ln.Addr().String()
}

// until writes the text again and again, until the other side has had enough.
func until(w io.Writer, text string) {
	block := bytes.Repeat([]byte(text), 1+4096/len(text))
	for {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

func TestAbuse38Headers(t *testing.T) {
	for name, do := range map[string]func(io.Writer){
		"a million headers": func(w io.Writer) {
			fmt.Fprint(w, "HTTP/1.1 200 OK\r\n")
			until(w, "X-A: b\r\n")
		},
		"one long header": func(w io.Writer) {
			fmt.Fprint(w, "HTTP/1.1 200 OK\r\nX-A: ")
			until(w, "aaaaaaaa")
		},
		"a long status": func(w io.Writer) { until(w, "HTTP/1.1 200 ") },
		"just too many": func(w io.Writer) {
			fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nX-A: %s\r\n\r\n", bytes.Repeat([]byte("a"), 66<<10))
		},
	} {
		url := raw(t, do)
		if _, err := get(t, client(t, egress.New(egress.Config{}), url, local), url); !fault.Is(err, fault.TooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	fits := raw(t, func(w io.Writer) {
		fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nX-A: %s\r\nContent-Length: 0\r\n\r\n", bytes.Repeat([]byte("a"), 60<<10))
	})
	if _, err := get(t, client(t, egress.New(egress.Config{}), fits, local), fits); err != nil {
		t.Errorf("headers within the bound: %v", err)
	}
	endless := raw(t, func(w io.Writer) { until(w, "HTTP/1.1 100 Continue\r\n\r\n") })
	if _, err := get(t, client(t, egress.New(egress.Config{}), endless, local), endless); err == nil {
		t.Error("endless interim replies were taken")
	}
	h2 := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := range 2000 {
			w.Header().Set(fmt.Sprintf("X-%d", i), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
		}
	}))
	h2.EnableHTTP2 = true
	h2.StartTLS()
	t.Cleanup(h2.Close)
	if _, err := get(t, client(t, egress.New(egress.Config{Roots: pool(h2.Certificate())}), h2.URL, local), h2.URL); !fault.Is(err, fault.TooLarge) && !fault.Is(err, fault.ResourceUnavailable) {
		t.Errorf("over HTTP/2: %v", err)
	}
}

// A peer that drips is cut off when the time of all is used up, wherever it is.
func TestAbuse38SlowPeers(t *testing.T) {
	const total = 300 * time.Millisecond
	drip := func(w io.Writer, text string) {
		for range 10_000 {
			if _, err := io.WriteString(w, text); err != nil {
				return
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	for name, do := range map[string]func(io.Writer){
		"in the status":  func(w io.Writer) { drip(w, "H") },
		"in the headers": func(w io.Writer) { fmt.Fprint(w, "HTTP/1.1 200 OK\r\nX: "); drip(w, "a") },
		"in the body":    func(w io.Writer) { fmt.Fprint(w, "HTTP/1.1 200 OK\r\n\r\n"); drip(w, "a") },
		"in a chunk": func(w io.Writer) {
			fmt.Fprint(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			drip(w, "1\r\na\r\n")
		},
		"not at all": func(w io.Writer) { drip(w, "") },
	} {
		t.Run(name, func(t *testing.T) {
			// What drips nothing ends by itself when it is told to.
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			url := raw(t, func(w io.Writer) {
				if name == "not at all" {
					<-ctx.Done()
					return
				}
				do(w)
			})
			c := client(t, egress.New(egress.Config{Timeout: total}), url, local)
			began := time.Now()
			_, err := get(t, c, url)
			if took := time.Since(began); !fault.Is(err, fault.Timeout) && !fault.Is(err, fault.ResourceUnavailable) || took > total+2*time.Second {
				t.Errorf("%v after %v", err, took)
			}
		})
	}
}

// Requests beyond the number for the whole process wait for a place, and for no
// longer than their time.
func TestConcurrency(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") })
	e := egress.New(egress.Config{Concurrent: 1})
	c := client(t, e, s.URL, local)
	first, err := c.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "POST", s.URL, bytes.NewReader([]byte("x")))
	if resp, err := c.Do(r); !fault.Is(egress.Explain(err), fault.Exhausted) {
		t.Errorf("beside one that is under way: %v", err)
		if err == nil {
			resp.Body.Close()
		}
	}
	first.Body.Close()
	for range 3 { // read to the end, or closed: the place is free again
		if _, err := get(t, c, s.URL); err != nil {
			t.Fatal(err)
		}
	}
}

// one is a single place.
type one chan struct{}

func (p one) Request(ctx context.Context) (func(), error) {
	select {
	case p <- struct{}{}:
		return func() { <-p }, nil
	case <-ctx.Done():
		return nil, fault.New(fault.Exhausted, "one is under way")
	}
}

// An owner's requests beyond his own number wait for each other, and leave the
// others the places of the process.
func TestPlacesOfAnOwner(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") })
	e := egress.New(egress.Config{Concurrent: 2})
	rules, err := egress.NewRules([]spec.Grant{{Group: "http", Resources: []string{s.URL, local}, Rights: []spec.Right{spec.Read}}})
	if err != nil {
		t.Fatal(err)
	}
	own, other := e.Client(rules.Within(make(one, 1))), e.Client(rules.Within(make(one, 1)))
	defer own.CloseIdleConnections()
	defer other.CloseIdleConnections()
	ask := func(c *http.Client, wait time.Duration) (*http.Response, error) {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		t.Cleanup(cancel)
		r, _ := http.NewRequestWithContext(ctx, "GET", s.URL, http.NoBody)
		return c.Do(r)
	}
	first, err := ask(own, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := ask(own, 50*time.Millisecond); !fault.Is(egress.Explain(err), fault.Exhausted) {
		t.Errorf("beside the one that he may have: %v", err)
		if err == nil {
			resp.Body.Close()
		}
	}
	resp, err := ask(other, 10*time.Second)
	if err != nil {
		t.Fatalf("another owner: %v", err)
	}
	resp.Body.Close()
	first.Body.Close()
	if resp, err = ask(own, 10*time.Second); err != nil {
		t.Fatalf("when his own has ended: %v", err)
	}
	resp.Body.Close()
}
