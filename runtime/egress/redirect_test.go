package egress_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

func codes() []int { return []int{301, 302, 303, 307, 308} }

// chain is a server on which /n leads to /n-1 by a code, and /0 tells what came.
func chain(t *testing.T, code int) *httptest.Server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err != nil || n == 0 {
			fmt.Fprintf(w, "%s %s %q %s", r.Method, r.URL.Path, body, r.Header.Get("Authorization"))
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/%d", n-1), code)
	})
}

// Abuse case 36: three redirects are followed, by any code, and not a fourth.
func TestAbuse36Chains(t *testing.T) {
	for _, code := range codes() {
		s := chain(t, code)
		c := client(t, egress.New(egress.Config{}), s.URL, local)
		for n, want := range []bool{true, true, true, true, false, false} {
			r, _ := http.NewRequest("POST", fmt.Sprintf("%s/%d", s.URL, n), strings.NewReader("body"))
			r.Header.Set("Authorization", "Bearer own")
			resp, err := c.Do(r)
			if !want {
				if !fault.Is(egress.Explain(err), fault.EgressForbidden) {
					t.Errorf("%d, %d redirects: %v", code, n, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%d, %d redirects: %v", code, n, err)
			}
			got, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			text := `GET /0 "" Bearer own`
			if n == 0 || code >= 307 {
				text = `POST /0 "body" Bearer own`
			}
			if string(got) != text {
				t.Errorf("%d, %d redirects: %s, want %s", code, n, got, text)
			}
		}
	}
}

// Each hop is held to the rules: the host, the path, the method, the address.
func TestAbuse36HopsAreChecked(t *testing.T) {
	var reached atomic.Int32
	inside := serve(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	tr := newTrap(t)
	for _, code := range codes() {
		var to atomic.Value
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to.Load().(string))
			w.WriteHeader(code)
			fmt.Fprintf(w, `<meta http-equiv="refresh" content="0; url=%s">`, inside.URL)
		})
		e := egress.New(egress.Config{})
		c := client(t, e, s.URL+"/start", inside.URL+"/open/*", "http://*:"+tr.port+"/*", "cidr:127.0.0.1/32")
		for location, want := range map[string]fault.Kind{
			inside.URL + "/secret":                               fault.Denied,
			inside.URL + "/open/../secret":                       fault.Denied,
			inside.URL + "/open/%2e%2e/secret":                   fault.Denied,
			inside.URL + "/open/..%2fsecret":                     fault.Invalid,
			strings.Replace(inside.URL, "http", "HTTP", 1) + "/": fault.Denied,
			"//localhost/":                                       fault.Denied,
			"/other":                                             fault.Denied,
			"http://127.0.0.2:" + tr.port + "/":                  fault.EgressForbidden,
			"http://[::1]:" + tr.port + "/":                      fault.EgressForbidden,
			"http://169.254.169.254:" + tr.port + "/latest/":     fault.EgressForbidden,
			"http://2852039166:" + tr.port + "/":                 fault.Invalid,
			"http://[64:ff9b::7f00:1]:" + tr.port + "/":          fault.EgressForbidden,
			"http://user:pw@127.0.0.1:" + tr.port + "/":          fault.Invalid,
			"file:///etc/passwd":                                 fault.Invalid,
			"gopher://127.0.0.1:" + tr.port + "/":                fault.Invalid,
			"javascript:alert(1)":                                fault.Invalid,
			"data:text/plain,x":                                  fault.Invalid,
		} {
			to.Store(location)
			if _, err := get(t, c, s.URL+"/start"); !fault.Is(err, want) {
				t.Errorf("%d to %s: %v, want %s", code, location, err, want)
			}
		}
	}
	if reached.Load() != 0 || tr.conns.Load() != 0 {
		t.Errorf("%d requests and %d connections got through", reached.Load(), tr.conns.Load())
	}
}

// A redirect may turn a write into a read, and never a read into a write; a
// write on another host needs the right there.
func TestAbuse36Methods(t *testing.T) {
	var methods []string
	there := serve(t, func(_ http.ResponseWriter, r *http.Request) { methods = append(methods, r.Method) })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, there.URL, http.StatusTemporaryRedirect)
	})
	e := egress.New(egress.Config{})
	rules, err := egress.NewRules(append(grant(true, s.URL, local), grant(false, there.URL)...))
	if err != nil {
		t.Fatal(err)
	}
	c := e.Client(rules)
	t.Cleanup(c.CloseIdleConnections)
	resp, err := c.Post(s.URL, "text/plain", strings.NewReader("x"))
	if !fault.Is(egress.Explain(err), fault.Denied) || len(methods) != 0 {
		t.Errorf("%v, %v", methods, err)
	}
	if err == nil {
		resp.Body.Close()
	}
	if _, err := get(t, c, s.URL); err != nil || fmt.Sprint(methods) != "[GET]" {
		t.Errorf("%v, %v", methods, err)
	}
}

// What says who asks goes to the host that it was meant for and to no other, nor
// back to it afterwards; TLS is not given up on the way.
func TestAbuse36Credentials(t *testing.T) {
	var seen http.Header
	end := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header })
	var to string
	hop := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			seen = r.Header
			return
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
	back := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, hop.URL+"/end", http.StatusFound) })
	c := client(t, egress.New(egress.Config{}), end.URL, hop.URL, back.URL, local)
	const keys = "Authorization Cookie X-Api-Key X-Auth-Token Private-Token X-Amz-Security-Token x-lower Referer"
	for location, kept := range map[string]bool{end.URL: false, hop.URL + "/end": true, back.URL: false} {
		to, seen = location, nil
		r, _ := http.NewRequest("GET", hop.URL+"/start?token=1", nil)
		for name := range strings.FieldsSeq(keys) {
			r.Header[name] = []string{"mine"}
		}
		r.Header.Set("Accept", "text/plain")
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		for name := range strings.FieldsSeq(keys) {
			if got := seen.Get(name); (got != "") != kept {
				t.Errorf("to %s: %s is %q", location, name, got)
			}
		}
		if seen.Get("Accept") != "text/plain" {
			t.Error("what is harmless is kept")
		}
	}
}

func TestAbuse36Downgrade(t *testing.T) {
	plain := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("asked without TLS") })
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL, http.StatusFound)
	}))
	t.Cleanup(s.Close)
	e := egress.New(egress.Config{Roots: pool(s.Certificate())})
	up := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.URL, http.StatusFound) })
	for _, from := range []string{s.URL, up.URL} { // also where TLS came only on the way
		if _, err := get(t, client(t, e, plain.URL, s.URL, up.URL, local), from); !fault.Is(err, fault.EgressForbidden) {
			t.Errorf("%s: %v", from, err)
		}
	}
}

// A reply that has to be followed does not count by its body.
func TestRedirectWithALargeBody(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			return
		}
		w.Header().Set("Location", "/end")
		w.WriteHeader(http.StatusFound)
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
	})
	e := egress.New(egress.Config{MaxBody: 1 << 10})
	if _, err := get(t, client(t, e, s.URL, local), s.URL); err != nil {
		t.Error(err)
	}
}
