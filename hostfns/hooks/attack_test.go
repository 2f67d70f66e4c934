package hooks

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// raw sends bytes as they are and answers the statuses that come back until the
// server closes, or says nothing for a while.
func (r *rig) raw(text string) (statuses []int) {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.http.Listener.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, text); err != nil {
		r.t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(400 * time.Millisecond)); err != nil {
		r.t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	for {
		p, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses
		}
		_, err = io.Copy(io.Discard, p.Body)
		if _ = p.Body.Close(); err != nil {
			return statuses
		}
		statuses = append(statuses, p.StatusCode)
		if p.Close {
			return statuses
		}
	}
}

// settling settles whatever comes, until the test ends, and tells the paths.
func (s *reader) settling() (paths func() []string) {
	var mu sync.Mutex
	var all []string
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			events := s.Take(nil, 100, 1<<20)
			for i, e := range events {
				var q abi.HookRequest
				_ = q.Decode(e.Data)
				mu.Lock()
				all = append(all, q.Path+" "+string(q.Body))
				mu.Unlock()
				s.Settled(i, "")
			}
			s.Ack(len(events))
			select {
			case <-s.Ready():
			case <-ctx.Done():
				return
			}
		}
	}()
	s.t.Cleanup(func() { cancel(); <-done })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), all...)
	}
}

// Whatever a request says of its length, it is one request, or none.
func TestSmuggling(t *testing.T) {
	r := newRig(t, Config{})
	paths := r.opened(abi.HookOpen{}).settling()
	// These two end the first request, by the letter of RFC 9112 (2.2 and 5.2): what
	// is behind it is one of its own, which has to prove itself like any other.
	ended := map[string]bool{"a bare line feed": true, "a folded header": true}
	inner := "POST /hooks/" + plant + "/inner HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
	head := "POST /hooks/" + plant + "/outer HTTP/1.1\r\nHost: a\r\n"
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(inner), inner)
	for name, text := range map[string]string{
		"length and chunks":        head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
		"two lengths":              head + "Content-Length: 0\r\nContent-Length: " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner,
		"two lengths in one":       head + "Content-Length: 0, " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner,
		"a signed length":          head + "Content-Length: +" + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner,
		"chunked, spelled oddly":   head + "Transfer-Encoding: xchunked\r\n\r\n" + chunked,
		"chunked twice":            head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunked,
		"a space before the colon": head + "Content-Length : " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner,
		"a folded header":          head + "X-A: b\r\n Content-Length: " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner,
		"chunks and a bad size":    head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + inner,
		"a bare line feed":         head + "Transfer-Encoding: chunked\r\n\r\n0;a\n\r\n" + inner,
		"too long for 64 bits":     head + "Content-Length: 18446744073709551616\r\n\r\n" + inner,
		"a body of a whole":        head + "Content-Length: " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner,
	} {
		before := len(paths())
		statuses := r.raw(text)
		for _, path := range paths()[before:] {
			if strings.HasPrefix(path, "/inner") && !ended[name] {
				t.Errorf("%s: the inner request came in by itself: %v", name, statuses)
			}
		}
		if len(statuses) > 1 && !ended[name] {
			t.Errorf("%s: answered %v", name, statuses)
		}
	}
	r.empty()
}

// A path has one reading. What hides a slash, climbs, or is empty in the middle is
// nothing, whatever the guest opened.
func TestPathsThatHide(t *testing.T) {
	r := newRig(t, Config{})
	paths := r.opened(abi.HookOpen{Paths: []string{"/**"}}).settling()
	for _, path := range []string{
		"/a%2fb", "/a%2Fb", "/a/../b", "/../../api/connectors", "/a/./b", "/%2e%2e/b", "/a//b", "//b", "/a%5cb", "/a\\b", "/a%00b", "/a%0d%0ab", "/a%252fb", "/%ff", "/a%7fb",
		"/" + strings.Repeat("x", maxPath),
	} {
		text := "POST /hooks/" + plant + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
		if statuses := r.raw(text); len(statuses) != 1 || statuses[0] != 404 && statuses[0] != 400 {
			t.Errorf("%.60s: %v", path, statuses)
		}
	}
	if got := paths(); len(got) != 0 {
		t.Errorf("came in: %q", got)
	}
	for _, path := range []string{"/a", "/a/", "/a%20b", "/%c3%a4", "/a;b=c", "/a+b", "/...", "/"} {
		if g := r.post(path, ""); g.status != 202 {
			t.Errorf("%s: %+v", path, g)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	r := newRig(t, Config{Body: 100 * time.Millisecond})
	s := r.opened(abi.HookOpen{MaxBody: 1000})
	paths := s.settling()
	head := "POST /hooks/" + plant + "/a HTTP/1.1\r\nHost: a\r\n"
	for name, c := range map[string]struct {
		text string
		want string
	}{
		"declared too long":  {head + "Content-Length: 1001\r\n\r\n", "[413]"},
		"chunks, too long":   {head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("64\r\n"+strings.Repeat("x", 100)+"\r\n", 11), "[413]"},
		"never sent":         {head + "Content-Length: 1000\r\n\r\n", "[408]"},
		"half of it":         {head + "Content-Length: 1000\r\n\r\n" + strings.Repeat("x", 500), "[408]"},
		"chunks without end": {head + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", "[408]"},
	} {
		if got := fmt.Sprint(r.raw(c.text)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if g := r.post("/a", strings.Repeat("x", 1000)); g.status != 202 || len(paths()) != 1 {
		t.Errorf("%+v", g)
	}
	if n := s.Condition().Counts; n["too_large"] != 2 || n["too_slow"] != 3 {
		t.Errorf("%v", n)
	}
	many := func(q *http.Request) {
		for i := range maxHeaders {
			q.Header.Add("X-Many", fmt.Sprint(i))
		}
	}
	r.wants(r.post("/a", "", many), 413, fault.TooLarge)
	r.wants(r.post("/a?"+strings.Repeat("q", maxQuery+1), ""), 404, fault.NotFound)
	r.empty()
}

// slow opens connections that send a head and then nothing.
func (r *rig) slow(n int) (connections []net.Conn) {
	r.t.Helper()
	head := "POST /hooks/" + plant + "/a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx"
	for range n {
		conn, err := net.Dial("tcp", r.http.Listener.Addr().String())
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, head); err != nil {
			r.t.Fatal(err)
		}
		connections = append(connections, conn)
	}
	return connections
}

// Slow posts take their part of the places, no memory to speak of, and end; another
// connector goes on. SNAPRAIL_SOAK sends 10,000.
func TestSoakSlowPosts(t *testing.T) {
	posts := 400
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		posts = 10_000
	}
	r := newRig(t, Config{Body: time.Second, Bodies: 128})
	s := r.opened(abi.HookOpen{MaxBody: mostBody})
	s.settling()
	scope := r.scope()
	scope.Owner = "con_other"
	end, err := r.group.Open(t.Context(), scope, (&abi.HookOpen{Paths: []string{"/**"}}).Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	other := &reader{t, end.(*session)}
	t.Cleanup(other.close)
	other.settling()
	for sent := 0; sent < posts; sent += 200 {
		connections := r.slow(min(200, posts-sent))
		eventually(t, "the places are taken", func() bool {
			r.group.bounds.mu.Lock()
			defer r.group.bounds.mu.Unlock()
			return r.group.bounds.bodies == 128/connectorShare
		})
		r.group.bounds.mu.Lock()
		held := r.group.bounds.bytes
		r.group.bounds.mu.Unlock()
		if held > 128/connectorShare*2*firstRead {
			t.Errorf("slow posts hold %d bytes", held)
		}
		if g := r.send(t.Context(), http.MethodPost, "/con_other/a", "x"); g.status != 202 {
			t.Fatalf("another connector: %+v", g)
		}
		r.wants(r.post("/a", "x"), 429, fault.Exhausted)
		for _, c := range connections {
			_ = c.Close()
		}
		r.empty()
	}
	if g := r.post("/a", "x"); g.status != 202 {
		t.Errorf("afterwards: %+v", g)
	}
}

// The queue, the tenant's part, the rate: whoever comes beyond them is told when to
// come again.
func TestRequestsAreBounded(t *testing.T) {
	r := newRig(t, Config{Waiting: 16})
	s := r.opened(abi.HookOpen{Queue: 3, Rate: 5, TimeoutMS: 5000})
	s.Rewind()
	var waiting []<-chan got
	for i := range 3 {
		waiting = append(waiting, r.sent("/a", fmt.Sprint(i)))
	}
	eventually(t, "three wait", func() bool { return s.Condition().Buffered == 3 })
	g := r.post("/a", "4")
	if r.wants(g, 503, fault.HookUnavailable); g.header.Get("Retry-After") == "" || s.Condition().Dropped != 1 {
		t.Errorf("%+v, %+v", g, s.Condition())
	}
	s.take(3)
	s.settle(3)
	for _, c := range waiting {
		r.answer(c)
	}
	paths := s.settling()
	limited := 0
	for range 20 {
		if g := r.post("/a", "x"); g.status == 429 {
			limited++
		}
	}
	if limited < 10 || len(paths()) > 10 {
		t.Errorf("%d of 20 were too many, %d came in", limited, len(paths()))
	}
	r.empty()
}

// Nobody learns by the clock how much of a signature is right: it is compared as a
// whole. What SNAPRAIL_SOAK measures, on a machine that does nothing else, is that a
// wrong first byte and a wrong last byte take as long.
func TestSoakSignaturesTakeEquallyLong(t *testing.T) {
	set, err := readSettings((&abi.HookOpen{Paths: []string{"/"}, Auth: "hmac", Secret: "x"}).Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	p := &proof{secret: []byte(secretKey)}
	right := hexOf("x")
	first, last := "0"+right[1:], right[:63]+"0"
	if right[0] == '0' || right[63] == '0' {
		first, last = "1"+right[1:], right[:63]+"1"
	}
	rounds := 1
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		rounds = 5000
	}
	measure := func(signature string) time.Duration {
		q := &http.Request{Header: http.Header{"X-Signature": {signature}}}
		began := time.Now()
		for range rounds {
			if why, _ := set.verify(q, []byte("x"), p, began); why == letIn {
				t.Fatal("let in")
			}
		}
		return time.Since(began) / time.Duration(rounds)
	}
	least := func(signature string) (d time.Duration) {
		for i := range 7 {
			if m := measure(signature); i == 0 || m < d {
				d = m
			}
		}
		return d
	}
	a, b := least(first), least(last)
	if diff := a - b; rounds > 1 && (diff > a/4 || diff < -a/4) {
		t.Errorf("a wrong first byte takes %v, a wrong last one %v", a, b)
	}
}

func FuzzPaths(f *testing.F) {
	for _, seed := range []string{"/", "/a/*", "/**", "/a/**", "/*/b"} {
		f.Add(seed, "/a/b")
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		if checkPath(pattern) != nil {
			return
		}
		if !covers(pattern, pattern) || !covers("/**", pattern) {
			t.Fatalf("%q does not cover itself", pattern)
		}
		if checkPath(path) == nil && covers(pattern, path) && !strings.Contains(path, "*") && !matches(pattern, path) {
			t.Fatalf("%q covers %q, and does not match it", pattern, path)
		}
		if plain(path) && matches(pattern, path) && !strings.Contains(pattern, "*") && pattern != path {
			t.Fatalf("%q matches %q", pattern, path)
		}
	})
}

func FuzzSignatures(f *testing.F) {
	f.Add("t=1,v1=aa", "{timestamp}.{body}", "v1")
	f.Fuzz(func(_ *testing.T, header, signed, field string) {
		set, err := readSettings((&abi.HookOpen{Paths: []string{"/"}, Auth: "hmac", Secret: "x", Signed: signed, Field: field, Timestamp: "t"}).Append(nil))
		if err != nil {
			return
		}
		q := &http.Request{Header: http.Header{"X-Signature": {header}}}
		_, _ = set.verify(q, []byte("x"), &proof{secret: []byte("x")}, time.Unix(1, 0))
	})
}
