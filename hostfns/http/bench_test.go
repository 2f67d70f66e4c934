package http_test

import (
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
)

// BenchmarkRequest is a small page from this machine: through the group, and by
// net/http alone.
func BenchmarkRequest(b *testing.B) {
	s := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		write(b, w, `{"value": 1.43, "unit": "kW"}`)
	}))
	b.Cleanup(s.Close)
	b.Run("group", func(b *testing.B) {
		h := session(b, egress.New(egress.Config{}), capability.Scope{
			Grants: granted("https://api.example.com/*", s.URL+"/v1/*", local), Secrets: secrets{"token": "hidden-value"},
		})
		in := abi.HTTPRequest{URL: s.URL + "/v1/items?page=2", Headers: headers("Authorization", "Bearer secret://token")}.Append(nil)
		out := make([]byte, 4<<10)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Call(b.Context(), "request", in, out); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("nethttp", func(b *testing.B) {
		transport := &nethttp.Transport{}
		defer transport.CloseIdleConnections()
		c := nethttp.Client{Transport: transport}
		b.ReportAllocs()
		for b.Loop() {
			r, err := nethttp.NewRequestWithContext(b.Context(), "GET", s.URL+"/v1/items?page=2", nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer hidden-value")
			resp, err := c.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadAll(resp.Body); err != nil {
				b.Fatal(err)
			}
			resp.Body.Close()
		}
	})
}
