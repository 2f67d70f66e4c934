package http_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	nethttp "net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/hostfns/http"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestContract(t *testing.T) {
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/v1/hangs" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Date", "")
		w.Header().Set("Content-Type", "text/plain")
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL, body)
	})
	request := func(method, path, body string) hostfnstest.Call {
		q := abi.HTTPRequest{Method: method, URL: s.URL + path}
		if body != "" {
			q.Body = []byte(body)
		}
		return hostfnstest.Call{Function: "request", Request: q, Reply: &abi.HTTPResponse{}, Varies: []string{"uRL", "headers"}}
	}
	read := hostfnstest.Call{Function: "read", Request: abi.HTTPRead{Max: 10}, Reply: &abi.HTTPPiece{}}
	waits := hostfnstest.Call{Function: "request", Request: abi.HTTPRequest{URL: s.URL + "/v1/hangs", TimeoutMS: 20_000}}
	hostfnstest.Run(t, hostfnstest.Case{
		Group: http.New(egress.New(egress.Config{})),
		Grants: []spec.Grant{
			{Group: "http", Resources: []string{s.URL + "/v1/*", local}},
			{Group: "http", Resources: []string{s.URL + "/v1/devices/*/state"}, Rights: []spec.Right{spec.Write}},
		},
		Calls: []hostfnstest.Call{
			request("", "/v1/a?q=%31&r=a+b", ""),
			read,
			request("POST", "/v1/devices/7/state", "on"),
			request("POST", "/v1/devices/7", "on"),
			request("GET", "/v2/a", ""),
			request("GET", "/v1/../v2/a", ""),
			request("GET", "/v1/%2e%2e/v2/a", ""),
			request("GET", "/v1/..%2Fv2/a", ""),
			request("TRACE", "/v1/a", ""),
			{Function: "request", Request: abi.HTTPRequest{URL: "https://example.com/"}},
			{Function: "request", Request: abi.HTTPRequest{URL: "/v1/a"}},
			{Function: "request"},
		},
		Log: strings.ReplaceAll(`
==> http.request(uRL=URL/v1/a?q=%31&r=a+b")
<== status=200,headers=*,uRL=*,attempts=1,body="GET /v1/a?q=%31&r=a+b "
==> http.read(max=10)
<== zero
==> http.request(method="POST",uRL=URL/v1/devices/7/state",body="on")
<== status=200,headers=*,uRL=*,attempts=1,body="POST /v1/devices/7/state on"
==> http.request(method="POST",uRL=URL/v1/devices/7",body="on")
<== error=denied
==> http.request(method="GET",uRL=URL/v2/a")
<== error=denied
==> http.request(method="GET",uRL=URL/v1/../v2/a")
<== error=denied
==> http.request(method="GET",uRL=URL/v1/%2e%2e/v2/a")
<== error=denied
==> http.request(method="GET",uRL=URL/v1/..%2Fv2/a")
<== error=invalid
==> http.request(method="TRACE",uRL=URL/v1/a")
<== error=invalid
==> http.request(uRL="https://example.com/")
<== error=denied
==> http.request(uRL="/v1/a")
<== error=invalid
==> http.request()
<== error=invalid
`, "URL/", `"`+s.URL+"/"),
		Waits: &waits,
	})
}

// What a request says reaches the peer, and what that says comes back; the
// connection's own headers are the host's.
func TestRequestAndReply(t *testing.T) {
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		for name, want := range map[string]string{"X-One": "1", "Content-Type": "application/json", "Accept-Encoding": "gzip", "User-Agent": "snaprail"} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
		if r.Method != "PATCH" || string(body) != `{"unit": "kW"}` || fmt.Sprint(r.Header["X-Two"]) != "[a b]" {
			t.Errorf("%s %q %v", r.Method, body, r.Header)
		}
		w.Header()["X-Many"] = []string{"a", "\xe9"}
		w.Header().Set("Connection", "close")
		w.WriteHeader(418)
		write(t, w, "short and stout")
	})
	reply, err := ask(t, session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(s.URL, local)}), abi.HTTPRequest{
		Method: "patch", URL: s.URL + "/path?id=1&lang=en", Body: []byte(`{"unit": "kW"}`),
		Headers: headers("X-One", "1", "content-type", "application/json", "x-two", "a", "X-Two", "b"),
	})
	if err != nil || reply.Status != 418 || string(reply.Body) != "short and stout" || reply.Attempts != 1 || reply.URL != s.URL+"/path?id=1&lang=en" {
		t.Errorf("%+v, %v", reply, err)
	}
	var many []string
	for _, h := range reply.Headers {
		if h.Name == "X-Many" {
			many = append(many, string(h.Value))
		}
	}
	if !reflect.DeepEqual(many, []string{"a", "\xe9"}) || header(reply, "Connection") != "" || header(reply, "Content-Length") != "15" {
		t.Errorf("%+v", reply.Headers)
	}
}

// A body of the bound comes whole, in pieces that a crossing may have; one more
// byte is refused, and so is one beyond what the guest wants.
func TestLongBodies(t *testing.T) {
	long := make([]byte, egress.MaxBody)
	if _, err := rand.Read(long); err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/chunked" {
			w.(nethttp.Flusher).Flush()
		}
		_, _ = w.Write(long) // the client may have had enough
		if r.URL.Path == "/more" {
			_, _ = w.Write(long[:1])
		}
	})
	c := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(s.URL, local)})
	for _, path := range []string{"/", "/chunked"} {
		reply, err := ask(t, c, abi.HTTPRequest{URL: s.URL + path, TimeoutMS: 10_000})
		if err != nil || !bytes.Equal(reply.Body, long) {
			t.Errorf("%s: %d bytes, %v", path, len(reply.Body), err)
		}
	}
	if _, err := ask(t, c, abi.HTTPRequest{URL: s.URL + "/more", TimeoutMS: 10_000}); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a byte too many: %v", err)
	}
	if _, err := ask(t, c, abi.HTTPRequest{URL: s.URL, MaxBody: 1000}); !fault.Is(err, fault.TooLarge) {
		t.Errorf("beyond what the guest wants: %v", err)
	}
	// What was left of a reply is gone with the next request.
	if _, err := c.Call(t.Context(), "request", abi.HTTPRequest{URL: s.URL}.Append(nil), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Call(t.Context(), "request", abi.HTTPRequest{URL: "x"}.Append(nil), nil); !fault.Is(err, fault.Invalid) {
		t.Fatal(err)
	}
	if out, err := c.Call(t.Context(), "read", abi.HTTPRead{Max: 10}.Append(nil), nil); err != nil || len(out) != 0 {
		t.Errorf("read after another request: %d bytes, %v", len(out), err)
	}
}

func TestRefusedRequests(t *testing.T) {
	for _, name := range []string{
		"Host", "content-length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Expect",
		"Accept-Encoding", "Proxy-Authorization", "Via", "X-HTTP-Method-Override", "x-method-override", "X-HTTP-Method", "X-Original-URL", "X-Rewrite-URL", "", "a b", "a:b", "a\r\nb", "é",
	} {
		refused(t, abi.HTTPRequest{URL: "http://h/", Headers: headers(name, "v")})
	}
	for _, value := range []string{"a\r\nX: y", "a\x00", "a\n", "\x7f"} {
		refused(t, abi.HTTPRequest{URL: "http://h/", Headers: headers("X", value)})
	}
	for _, method := range []string{"CONNECT", "trace", "TRACK", "G ET", "GET /x HTTP/1.1\r\n", strings.Repeat("A", 33)} {
		refused(t, abi.HTTPRequest{URL: "http://h/", Method: method})
	}
	for _, url := range []string{"", "h", "//h/", "ftp://h/", "file:///etc/passwd", "http:///x", "http://u:p@h/", "http://h:0/", "http://h:99999/", "http://h\r\n/", "http:h/", "unix://h", "HTTP://", "http://" + strings.Repeat("a/", 5000)} {
		refused(t, abi.HTTPRequest{URL: url})
	}
	refused(t, abi.HTTPRequest{URL: "http://h/", Username: "a:b"})
	refused(t, abi.HTTPRequest{URL: "http://h/", Username: "a", Headers: headers("Authorization", "x")})
	refused(t, abi.HTTPRequest{URL: "http://h/", TLS: &abi.HTTPTLS{CA: "no certificate"}})
	refused(t, abi.HTTPRequest{URL: "http://h/", TLS: &abi.HTTPTLS{Certificate: "x", Key: "y"}})
	refused(t, abi.HTTPRequest{URL: "http://h/", Headers: headers("X", "secret://")})
}

func refused(t *testing.T, q abi.HTTPRequest) {
	t.Helper()
	s := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted("http://*:*/*", "https://*:*/*")})
	if _, err := ask(t, s, q); !fault.Is(err, fault.Invalid) {
		t.Errorf("%.100v: %v", q, err)
	}
}

// A guest that is only a candidate reads, and does not write yet.
func TestCandidate(t *testing.T) {
	var asked atomic.Int32
	s := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) { asked.Add(1) })
	c := &caller{candidate: true}
	scope := capability.Scope{Grants: granted(s.URL, local), Caller: c}
	if _, err := ask(t, session(t, egress.New(egress.Config{}), scope), abi.HTTPRequest{URL: s.URL}); err != nil {
		t.Error(err)
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "PROPFIND"} {
		if _, err := ask(t, session(t, egress.New(egress.Config{}), scope), abi.HTTPRequest{Method: method, URL: s.URL}); !fault.Is(err, fault.NotActive) {
			t.Errorf("%s: %v", method, err)
		}
	}
	if asked.Load() != 1 || len(c.refused) != 0 {
		t.Errorf("asked %d times, refused %v", asked.Load(), c.refused)
	}
}

// What is refused is told with what was asked for, but for the query.
func TestRefusalsAreTold(t *testing.T) {
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		nethttp.Redirect(w, r, "/v2/hidden?token=1", nethttp.StatusFound)
	})
	c := &caller{}
	read := []spec.Grant{{Group: "http", Resources: []string{s.URL + "/v1/*", "http://localhost/*", local}}}
	scope := capability.Scope{Grants: read, Caller: c}
	h := session(t, egress.New(egress.Config{}), scope)
	for _, q := range []abi.HTTPRequest{
		{URL: s.URL + "/v2/x?token=1"},
		{URL: s.URL + "/v1/x", Method: "POST"},
		{URL: s.URL + "/v1/x"},
	} {
		if _, err := ask(t, h, q); !fault.Is(err, fault.Denied) || strings.Contains(err.Error(), "token") {
			t.Errorf("%+v: %v", q, err)
		}
	}
	narrow := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(s.URL), Caller: c})
	if _, err := ask(t, narrow, abi.HTTPRequest{URL: s.URL}); !fault.Is(err, fault.EgressForbidden) {
		t.Error(err)
	}
	want := []string{
		"request GET " + s.URL + "/v2/x denied",
		"request POST " + s.URL + "/v1/x denied",
		"request GET " + s.URL + "/v2/hidden denied",
		"request GET " + s.URL + "/ egress_forbidden",
	}
	if !reflect.DeepEqual(c.refused, want) {
		t.Errorf("refused\n%v, want\n%v", c.refused, want)
	}
}

func TestGrantsThatCannotBeRead(t *testing.T) {
	_, err := http.New(egress.New(egress.Config{})).Open(t.Context(), capability.Scope{Grants: granted("example.com")}, nil)
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "example.com") {
		t.Error(err)
	}
}
