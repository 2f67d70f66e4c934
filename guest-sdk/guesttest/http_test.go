package guesttest_test

import (
	"bytes"
	"fmt"
	"io"
	nethttp "net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/http"
)

// The examples of the source: a page by a query, and a JSON body.
func TestHTTP(t *testing.T) {
	h := inside(t, func(t *testing.T) {
		reply, err := http.Get("http://www.yourdomain.com/path?id=1&lang=en", nil)
		if err != nil || !reply.OK() || reply.Status != 200 || string(reply.Body) != "GET /path?id=1&lang=en" {
			t.Errorf("%+v, %v", reply, err)
		}
		if got := reply.Headers.Get("x-many"); got != "a, b" || reply.Headers["Set-Cookie"] != "c=1\nd=2" {
			t.Errorf("headers %q", reply.Headers)
		}
		reply, err = http.Post("http://www.yourdomain.com/path", "", []byte(`{"unit": "kW"}`), http.Headers{"X": "y"})
		if err != nil || reply.OK() || reply.Status != 418 || string(reply.Body) != `POST /path application/json y {"unit": "kW"}` {
			t.Errorf("%+v, %v", reply, err)
		}
	})
	h.HTTP(func(q abi.HTTPRequest) (abi.HTTPResponse, error) {
		text, status := q.Method+" "+strings.TrimPrefix(q.URL, "http://www.yourdomain.com"), uint32(200)
		if q.Method == "POST" {
			text, status = fmt.Sprintf("%s %s %s %s", text, q.Headers[0].Value, q.Headers[1].Value, q.Body), 418
		}
		return abi.HTTPResponse{Status: status, Body: []byte(text), Headers: []abi.Header{
			{Name: "X-Many", Value: []byte("a")},
			{Name: "X-Many", Value: []byte("b")},
			{Name: "Set-Cookie", Value: []byte("c=1")},
			{Name: "Set-Cookie", Value: []byte("d=2")},
		}}, nil
	})
	h.MustPoll(nil)
}

func TestHTTPDenied(t *testing.T) {
	h := inside(t, func(t *testing.T) {
		if _, err := http.Do(http.Request{URL: "http://h/"}); kindOf(err) != abi.FaultDenied {
			t.Errorf("without a grant: %v", err)
		}
	})
	h.MustPoll(nil)
}

func TestHTTPRequestCrosses(t *testing.T) {
	h := inside(t, func(t *testing.T) {
		full := http.Request{
			Method: "PUT", URL: "https://h/x", Headers: http.Headers{"B": "2", "A": "1"}, Body: []byte("body"),
			Timeout: time.Second, Retries: 2, RetryDelay: -1, Username: "u", Password: "secret://p",
			Redirects: -1, MaxBody: 10, TLS: &http.TLS{CA: "ca"},
		}
		if _, err := http.Do(full); err != nil {
			t.Error(err)
		}
		if _, err := http.Do(http.Request{URL: "https://h/y"}); err != nil {
			t.Error(err)
		}
	})
	asked := h.HTTP(func(abi.HTTPRequest) (abi.HTTPResponse, error) { return abi.HTTPResponse{Status: 204}, nil })
	h.MustPoll(nil)
	none := func() *uint32 { return new(uint32) }
	want := []abi.HTTPRequest{
		{
			Method: "PUT", URL: "https://h/x", Body: []byte("body"),
			Headers:   []abi.Header{{Name: "A", Value: []byte("1")}, {Name: "B", Value: []byte("2")}},
			TimeoutMS: 1000, Retries: 2, RetryDelayMS: new(uint64), Username: "u", Password: "secret://p",
			Redirects: none(), MaxBody: 10, TLS: &abi.HTTPTLS{CA: "ca"},
		},
		{Method: "GET", URL: "https://h/y"},
	}
	if !reflect.DeepEqual(*asked, want) {
		t.Errorf("asked\n%+v, want\n%+v", *asked, want)
	}
}

// A body that is longer than a reply may be comes whole.
func TestHTTPLongBody(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 3<<20/16)
	h := inside(t, func(t *testing.T) {
		reply, err := http.Get("http://h/", nil)
		if err != nil || !bytes.Equal(reply.Body, long) {
			t.Errorf("%d bytes, %v", len(reply.Body), err)
		}
		long[0]++ // the reply is the guest's own
		if reply.Body[0] == long[0] {
			t.Error("the body is shared")
		}
	})
	h.HTTP(func(abi.HTTPRequest) (abi.HTTPResponse, error) { return abi.HTTPResponse{Status: 200, Body: long}, nil })
	h.MustPoll(nil)
	if calls := h.Calls(); len(calls) < 3 {
		t.Errorf("calls %v", calls)
	}
}

func TestHTTPMethodsAndQuery(t *testing.T) {
	h := inside(t, func(t *testing.T) {
		for _, ask := range []func() (http.Response, error){
			func() (http.Response, error) {
				return http.Do(http.Request{URL: "http://h/x", Query: map[string]string{"lang": "en&de", "id": "1", "ü ": ""}})
			},
			func() (http.Response, error) {
				return http.Do(http.Request{URL: "http://h/x?a=b", Query: map[string]string{"id": "1"}})
			},
			func() (http.Response, error) { return http.Put("http://h/x", "text/plain", []byte("b"), nil) },
			func() (http.Response, error) { return http.Delete("http://h/x", nil) },
			func() (http.Response, error) { return http.Head("http://h/x", http.Headers{"A": "b"}) },
		} {
			if reply, err := ask(); err != nil || reply.Status != 204 {
				t.Errorf("%+v, %v", reply, err)
			}
		}
	})
	asked := h.HTTP(func(abi.HTTPRequest) (abi.HTTPResponse, error) { return abi.HTTPResponse{Status: 204}, nil })
	h.MustPoll(nil)
	var got []string
	for _, q := range *asked {
		got = append(got, fmt.Sprintf("%s %s %s %d", q.Method, q.URL, q.Body, len(q.Headers)))
	}
	want := []string{
		"GET http://h/x?id=1&lang=en%26de&%C3%BC%20=  0", "GET http://h/x?a=b&id=1  0", "PUT http://h/x b 1",
		"DELETE http://h/x  0", "HEAD http://h/x  1",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("asked\n%q, want\n%q", got, want)
	}
}

func TestWeb(t *testing.T) {
	h := inside(t, func(t *testing.T) {
		reply, err := http.Do(http.Request{
			Method: "POST", URL: "https://api.example.com/v1/x?q=1", Body: []byte("in"),
			Headers: http.Headers{"Authorization": "Bearer secret://token"},
		})
		if err != nil || reply.Status != 201 || string(reply.Body) != "api.example.com /v1/x 1 Bearer t0ken in" || reply.URL != "https://api.example.com/v1/x?q=1" {
			t.Errorf("%+v, %v", reply, err)
		}
		reply, err = http.Do(http.Request{URL: "http://h/", Username: "me", Password: "secret://token"})
		if err != nil || !strings.Contains(string(reply.Body), "Basic bWU6dDBrZW4=") {
			t.Errorf("%s, %v", reply.Body, err)
		}
		if _, err := http.Get("http://h/", http.Headers{"X": "secret://other"}); kindOf(err) != abi.FaultNotFound {
			t.Errorf("a secret that is not set: %v", err)
		}
	})
	web := h.Web(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(201)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Host, r.URL.Path, r.FormValue("q"), r.Header.Get("Authorization"), body)
	}))
	web.Secrets["token"] = "t0ken"
	h.MustPoll(nil)
	if n := len(*web.Asked); n != 3 || string((*web.Asked)[0].Headers[0].Value) != "Bearer secret://token" {
		t.Errorf("asked %+v", *web.Asked)
	}
}
