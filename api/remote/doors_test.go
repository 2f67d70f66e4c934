package remote

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/snaprail/snaprail/runtime/identity"
)

func client(address string) netip.Prefix { return identity.ClientOf(netip.MustParseAddr(address)) }

// TestOneAddressDoesNotFillTheDoors: it has its share, others go in beside it,
// all together up to the bound, and a place that is left is free.
func TestOneAddressDoesNotFillTheDoors(t *testing.T) {
	d := doors{of: map[netip.Prefix]int{}}
	let := 0
	for range strangers {
		if d.enter(client("192.0.2.1")) {
			let++
		}
	}
	if let != strangersOf {
		t.Errorf("%d of one address were let in, want %d", let, strangersOf)
	}
	for i := range strangers - strangersOf {
		if !d.enter(client("192.0.2." + strconv.Itoa(2+i))) {
			t.Fatalf("stranger %d of other addresses is not let in", i)
		}
	}
	if d.enter(client("198.51.100.1")) {
		t.Error("more than there are doors")
	}
	if client("2001:db8::1") != client("2001:db8::ffff:1") || client("::ffff:192.0.2.1") != client("192.0.2.1") {
		t.Error("a /64, or an address written in two ways, is two clients")
	}
	d.leave(client("192.0.2.1"))
	if !d.enter(client("198.51.100.1")) || d.of[client("192.0.2.1")] != strangersOf-1 {
		t.Errorf("what was left is not free: %v", d.of)
	}
}
