package remote

import (
	"strconv"
	"testing"
)

// TestOneAddressDoesNotFillTheDoors: it has its share, others go in beside it,
// all together up to the bound, and a place that is left is free.
func TestOneAddressDoesNotFillTheDoors(t *testing.T) {
	d := doors{of: map[string]int{}}
	let := 0
	for range strangers {
		if d.enter("192.0.2.1") {
			let++
		}
	}
	if let != strangersOf {
		t.Errorf("%d of one address were let in, want %d", let, strangersOf)
	}
	for i := range strangers - strangersOf {
		if !d.enter("192.0.2." + strconv.Itoa(2+i)) {
			t.Fatalf("stranger %d of other addresses is not let in", i)
		}
	}
	if d.enter("198.51.100.1") {
		t.Error("more than there are doors")
	}
	d.leave("192.0.2.1")
	if !d.enter("198.51.100.1") || d.of["192.0.2.1"] != strangersOf-1 {
		t.Errorf("what was left is not free: %v", d.of)
	}
}
