package opcua

import (
	"fmt"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// A server that lets gaps take turns, and makes up items, fills no memory.
func TestGapsAreBounded(t *testing.T) {
	q := newQueue(16, 1<<20)
	gap := func(name string) { q.gap(capability.Event{Type: abi.EventGap, Name: name}) }
	for range 1000 {
		gap("a")
		gap("b")
	}
	if n := q.buffered(); n != 2 {
		t.Errorf("%d events of two gaps", n)
	}
	for i := range 10 * mostGaps {
		gap(fmt.Sprint("item ", i))
	}
	if n := q.buffered(); n > mostGaps+1 {
		t.Errorf("%d events of gaps", n)
	}
	n := len(q.take(nil, 10*mostGaps, 1<<20))
	gap("a")
	if q.buffered() != n+1 {
		t.Error("a gap behind one that was seen is not told")
	}
	q.ack(n)
	gap("a")
	gap("b")
	if got := q.take(nil, 10, 1<<20); len(got) != 2 || got[0].Name != "a" || got[1].Name != "b" {
		t.Errorf("left are %+v", got)
	}
}
