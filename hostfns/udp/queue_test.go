package udp

import (
	"context"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
)

// Whoever's purse is empty hears as much as every session may have; what comes beyond
// that is dropped, counted and told, and nothing that is here is lost.
func TestEmptyPurse(t *testing.T) {
	r := listening(t)
	purse := hostfnstest.NewPurse(0)
	end, err := group().Open(t.Context(), capability.Scope{Grants: r.grants(), Purse: purse}, abi.UDPOpen{Address: r.address(), MaxDatagram: 8192}.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	s := end.(*Session)
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := send(t.Context(), s, "hello"); err != nil || r.receive() != "hello" {
		t.Fatalf("hello: %v", err)
	}
	const all, fit = 20, 64 << 10 / (8192 + 256)
	for n := range all {
		r.send(strings.Repeat("x", 8192))
		eventually(t, "it has come", func() bool {
			c := s.Condition()
			return min(c.Buffered, fit)+int(c.Dropped) == n+1
		})
	}
	words := strings.Fields(taken(t, s, fit+1))
	if words[fit] != "gap:"+gapOverflow || s.Condition().Counts["dropped_overflow"] != all-fit {
		t.Errorf("told %.20q, %+v", words[fit], s.Condition())
	}
	r.send("again")
	if got := taken(t, s, 1); got != "again" {
		t.Errorf("heard %q", got)
	}
}
