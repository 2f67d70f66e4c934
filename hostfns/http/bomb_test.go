package http_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	nethttp "net/http"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/http"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Abuse case 38: a body of the bound, however it comes, takes at most twice the
// bound of the host's heap, and one beyond it is refused.
func TestAbuse38Heap(t *testing.T) {
	var peak atomic.Uint64
	look := func() {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		for old := peak.Load(); m.HeapAlloc > old && !peak.CompareAndSwap(old, m.HeapAlloc); old = peak.Load() {
		}
	}
	block := make([]byte, 64<<10)
	send := func(w io.Writer, n int) {
		for sent := 0; sent < n; sent += len(block) {
			if sent%(512<<10) == 0 {
				look()
			}
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
	var gzipped bytes.Buffer
	z := gzip.NewWriter(&gzipped)
	send(z, 256<<20)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		switch r.URL.Path {
		case "/full":
			send(w, egress.MaxBody)
			look()
		case "/endless":
			send(w, 1<<40)
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(gzipped.Bytes())
		}
	})
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	for path, want := range map[string]bool{"/full": true, "/endless": false, "/gzip": false} {
		h := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(s.URL, local)})
		peak.Store(0)
		look()
		before := peak.Load()
		out, err := h.Call(t.Context(), "request", abi.HTTPRequest{URL: s.URL + path, TimeoutMS: 30_000}.Append(nil), nil)
		look()
		runtime.KeepAlive(out)
		if want != (err == nil) || !want && !fault.Is(err, fault.TooLarge) {
			t.Errorf("%s: %v", path, err)
		}
		if grown := int64(peak.Load() - before); grown > 2*egress.MaxBody {
			t.Errorf("%s: the heap grew by %d bytes", path, grown)
		} else {
			t.Logf("%s: the heap grew by %d KiB", path, grown>>10)
		}
	}
}

// What a guest is handed has a number of headers that its side can read.
func TestManyHeaders(t *testing.T) {
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		for range 250 + 500*len(r.URL.RawQuery) {
			w.Header().Add("X", "y")
		}
	})
	h := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(s.URL, local)})
	if reply, err := ask(t, h, abi.HTTPRequest{URL: s.URL}); err != nil || len(reply.Headers) < 250 {
		t.Errorf("%d headers, %v", len(reply.Headers), err)
	}
	if _, err := ask(t, h, abi.HTTPRequest{URL: s.URL + "?x"}); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too many: %v", err)
	}
}

// What all guests leave unread is bounded, and given back when they read on, ask
// again or end; short replies are never refused for it.
func TestRepliesShareMemory(t *testing.T) {
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/long" {
			_, _ = w.Write(make([]byte, egress.MaxBody))
		}
	})
	g := http.New(egress.New(egress.Config{}))
	open := func() capability.Session {
		h, err := g.Open(t.Context(), capability.Scope{Grants: granted(s.URL, local)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	long := abi.HTTPRequest{URL: s.URL + "/long", TimeoutMS: 20_000}.Append(nil)
	ask := func(h capability.Session) error {
		_, err := h.Call(t.Context(), "request", long, nil)
		return err
	}
	var all []capability.Session
	defer func() {
		for _, h := range all {
			if err := h.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}()
	for len(all) < 100 {
		all = append(all, open())
		if err := ask(all[len(all)-1]); err != nil {
			if !fault.Is(err, fault.Exhausted) {
				t.Fatal(err)
			}
			break
		}
	}
	if n := len(all); n < 10 || n > 17 {
		t.Fatalf("refused after %d replies of 8 MiB", n)
	}
	last := all[len(all)-1]
	if _, err := last.Call(t.Context(), "request", abi.HTTPRequest{URL: s.URL}.Append(nil), nil); err != nil {
		t.Errorf("a short one: %v", err)
	}
	for _, free := range []func(){
		func() {
			if err := all[0].Close(t.Context()); err != nil {
				t.Error(err)
			}
		},
		func() { // asks for something else
			if _, err := all[1].Call(t.Context(), "request", abi.HTTPRequest{URL: "x"}.Append(nil), nil); !fault.Is(err, fault.Invalid) {
				t.Error(err)
			}
		},
		func() { // reads it
			for range egress.MaxBody/(256<<10) + 1 {
				if _, err := all[2].Call(t.Context(), "read", abi.HTTPRead{Max: 256 << 10}.Append(nil), nil); err != nil {
					t.Error(err)
				}
			}
		},
	} {
		if err := ask(last); !fault.Is(err, fault.Exhausted) {
			t.Errorf("while nothing is free: %v", err)
		}
		free()
		if err := ask(last); err != nil {
			t.Errorf("when one is free: %v", err)
		}
		last = open()
		all = append(all, last)
	}
}

// purse is an owner's room for so many bytes.
type purse struct{ left atomic.Int64 }

func (*purse) Request(context.Context) (func(), error) { return func() {}, nil }

func (p *purse) Hold(n int64) error {
	if p.left.Add(-n) < 0 && n > 0 {
		p.left.Add(n)
		return fault.New(fault.Exhausted, "he has no more")
	}
	return nil
}

// What one owner's guests leave unread is his own affair: there is room for the
// others, and all of his is there again in the end.
func TestRepliesOfOneOwner(t *testing.T) {
	s := serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) { _, _ = w.Write(make([]byte, egress.MaxBody)) })
	g := http.New(egress.New(egress.Config{}))
	long := abi.HTTPRequest{URL: s.URL, TimeoutMS: 20_000}.Append(nil)
	ask := func(p capability.Purse) (capability.Session, error) {
		h, err := g.Open(t.Context(), capability.Scope{Grants: granted(s.URL, local), Purse: p}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.Call(t.Context(), "request", long, nil)
		return h, err
	}
	const room = 3 * egress.MaxBody
	var his, other purse
	his.left.Store(room)
	other.left.Store(room)
	var all []capability.Session
	for range 2 {
		h, err := ask(&his)
		if all = append(all, h); err != nil {
			t.Fatal(err)
		}
	}
	for {
		h, err := ask(&his)
		if all = append(all, h); err != nil {
			if !fault.Is(err, fault.Exhausted) {
				t.Fatal(err)
			}
			break
		}
		if len(all) > 3 {
			t.Fatal("he has more than he may")
		}
	}
	h, err := ask(&other)
	if all = append(all, h); err != nil {
		t.Errorf("another owner: %v", err)
	}
	for _, h := range all {
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if his.left.Load() != room || other.left.Load() != room {
		t.Errorf("%d and %d are left of %d", his.left.Load(), other.left.Load(), room)
	}
}
