package http_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Abuse case 17: a peer that takes the connection and says nothing holds a guest
// up until its call's deadline and no longer, over TLS too, and the request's
// place is free again.
func TestAbuse17Tarpit(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() }) // the kernel takes connections, and nobody reads them
	const deadline, late = 150 * time.Millisecond, 100 * time.Millisecond
	e := egress.New(egress.Config{Concurrent: 1})
	for _, scheme := range []string{"http://", "https://"} {
		h := session(t, e, capability.Scope{Grants: granted(scheme+ln.Addr().String(), local)})
		best := time.Hour
		for range 5 { // a busy machine is late by itself
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			began := time.Now()
			_, err := h.Call(ctx, "request", abi.HTTPRequest{URL: scheme + ln.Addr().String(), TimeoutMS: 20_000, Retries: 3}.Append(nil), nil)
			best = min(best, time.Since(began)-deadline)
			cancel()
			if !fault.Is(err, fault.Timeout) {
				t.Errorf("%s: %v", scheme, err)
			}
		}
		if best > late {
			t.Errorf("%s: %v after the deadline", scheme, best)
		}
	}
}
