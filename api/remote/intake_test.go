package remote

import (
	"context"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// TestIntakeIsBounded, for notifications that are next to nothing, too.
func TestIntakeIsBounded(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end() // whoever would have to wait is told so
	for payload, most := range map[string]int{"{}": 1500, string(make([]byte, 64<<10)): 4} {
		in := newIntake()
		n := 0
		for in.add(ended, abi.Record{Payload: []byte(payload)}) == nil {
			if n++; n > most {
				t.Fatalf("more than %d notifications of %d bytes wait", most, len(payload))
			}
		}
		for left := n; left > 0; in.done() {
			taken := len(in.take(ended))
			if left -= taken; taken == 0 || left < 0 {
				t.Fatalf("of %d notifications %d are left behind %d", n, left, taken)
			}
			if left == 0 && in.bytes != 0 {
				t.Errorf("%d bytes of nothing wait", in.bytes)
			}
		}
		for range n {
			if err := in.add(ended, abi.Record{Payload: []byte(payload)}); err != nil {
				t.Fatalf("no room when all is written: %v", err)
			}
		}
	}
}
