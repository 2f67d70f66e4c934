package store

import (
	"fmt"
	"testing"
)

// TestKeptRowsAreBounded: a space keeps no more than its part, all of them no
// more than theirs, and a row that is too large is not kept at all.
func TestKeptRowsAreBounded(t *testing.T) {
	s := &root{backend: nowhere{}}
	row := func(n int) sighting { return sighting{Row{Value: make([]byte, n)}, true} }
	for tenant := range 100 {
		l := s.space(fmt.Sprint(tenant)).latest
		for i := range 200 {
			l.learn(place{Connectors, fmt.Sprint(i)}, row(maxLatestRow-500), 0)
		}
		l.learn(place{Connectors, "large"}, row(maxLatestRow), 0)
		if _, kept := l.get(place{Connectors, "large"}, 0); kept || l.bytes > maxLatest {
			t.Fatalf("a space keeps %d bytes; the large one: %t", l.bytes, kept)
		}
	}
	if s.kept.Load() <= maxLatestAll {
		t.Fatalf("%d bytes do not show anything", s.kept.Load())
	}
	if _, err := s.space("another").begin(); err != nil {
		t.Fatal(err)
	}
	if n := s.kept.Load(); n != 0 {
		t.Errorf("%d bytes are counted, and none is kept", n)
	}
}

// nowhere is a ground that holds nothing.
type nowhere struct{ Backend }

func (nowhere) Begin(string) (Snapshot, error) { return nil, nil }
