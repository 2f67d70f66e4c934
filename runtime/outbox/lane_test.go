package outbox

import (
	"reflect"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

func laneBlock(lane string, epoch, first uint64, cursor string) *Block {
	return &Block{Connector: "c", Lane: lane, Epoch: epoch, First: first, Count: 1, Records: []byte("r"), Cursor: []byte(cursor)}
}

// Each lane has a cursor, an epoch and a next record of its own, through a
// restart from the blocks, one from a snapshot, and a forgetting.
func TestLanesKeepTheirOwnState(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, Config{Reserve: -1, SegmentBytes: mib})
	for _, b := range []*Block{
		laneBlock("", 1, 0, "one"), laneBlock("d1", 2, 0, "two"), laneBlock("d2", 3, 0, "three"),
		laneBlock("d1", 2, 1, "four"), laneBlock("", 1, 1, "five"),
	} {
		if _, err := l.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Append(t.Context(), laneBlock("d2", 3, 0, "again")); !fault.Is(err, fault.Internal) {
		t.Errorf("a record's key was given twice: %v", err)
	}
	check := func(want map[string]string) {
		t.Helper()
		got := map[string]string{}
		for lane, s := range l.Lanes("c") {
			got[lane] = string(s.Cursor)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the lanes are %v, want %v", got, want)
		}
	}
	check(map[string]string{"": "five", "d1": "four", "d2": "three"})
	if all := l.Connectors(); len(all) != 1 || string(all["c"].Cursor) != "five" {
		t.Errorf("the connectors are %v", all)
	}
	mustClose(t, l)
	l = mustOpen(t, dir, Config{Reserve: -1, SegmentBytes: mib})
	check(map[string]string{"": "five", "d1": "four", "d2": "three"})
	if err := l.ForgetLane(t.Context(), "c", "d1"); err != nil {
		t.Fatal(err)
	}
	if err := l.ForgetLane(t.Context(), "c", ""); !fault.Is(err, fault.Internal) {
		t.Errorf("the lane without a name: %v", err)
	}
	check(map[string]string{"": "five", "d2": "three"})
	l.rotate = true // the next block stands behind a snapshot
	if _, err := l.Append(t.Context(), laneBlock("d3", 4, 0, "six")); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	l = mustOpen(t, dir, Config{Reserve: -1, SegmentBytes: mib})
	check(map[string]string{"": "five", "d2": "three", "d3": "six"})
	if b, err := l.Reader(2).Next(t.Context()); err != nil || b.Lane != "d1" {
		t.Errorf("the second block is of lane %q, %v", b.Lane, err)
	}
	if err := l.Forget(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	check(map[string]string{})
	mustClose(t, l)
	l = mustOpen(t, dir, Config{Reserve: -1, SegmentBytes: mib})
	check(map[string]string{})
	mustClose(t, l)
}
