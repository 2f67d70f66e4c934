package tcp

import (
	"bytes"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// A peer whose frames are broken and too long in turns fills no memory.
func TestGapsInTurnsAreBounded(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), r.args(func(a *abi.TCPOpen) { a.Framing = &abi.Framing{Kind: abi.FramingSLIP, MaxFrame: 32} }))
	c := r.accept()
	one := append([]byte{0xdb, 0, 0xc0}, append(bytes.Repeat([]byte{'x'}, 33), 0xc0)...)
	const turns = 5000
	if _, err := c.Write(bytes.Repeat(one, turns)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are dropped", func() bool { return s.Condition().Dropped >= 2*turns })
	if n := s.events.buffered(); n != 2 {
		t.Errorf("%d events of two gaps", n)
	}
}

// What was seen is told anew, and what was acknowledged is forgotten.
func TestGapsAreToldAgain(t *testing.T) {
	q := newQueue(16, 1<<20)
	gap := func(name string) { q.gap(capability.Event{Type: abi.EventGap, Name: name}) }
	gap("a")
	gap("b")
	gap("a")
	q.take(nil, 1, 1<<20)
	gap("a")
	gap("b")
	q.ack(1)
	gap("a")
	if got := q.take(nil, 10, 1<<20); len(got) != 2 || got[0].Name != "b" || got[1].Name != "a" {
		t.Errorf("left are %+v", got)
	}
}
