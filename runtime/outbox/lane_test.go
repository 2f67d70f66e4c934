package outbox

import (
	"fmt"
	"reflect"
	"strings"
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

// The cursors of all lanes of a connector are bounded together, because each
// segment begins with them; short ones are taken all the same.
func TestCursorsOfAllLanesAreBounded(t *testing.T) {
	l := mustOpen(t, t.TempDir(), Config{Reserve: -1})
	defer func() { _ = l.Close() }()
	long, epoch := strings.Repeat("x", maxCursor), uint64(0)
	put := func(lane, cursor string) error {
		epoch++
		_, err := l.Append(t.Context(), laneBlock(lane, epoch, 0, cursor))
		return err
	}
	for i := range allCursors / maxCursor {
		if err := put(fmt.Sprint(i), long); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("one more", long); !fault.Is(err, fault.TooLarge) {
		t.Errorf("of one lane more: %v", err)
	}
	if err := put("one more", long[:fairCursor]); err != nil {
		t.Errorf("a short one: %v", err)
	}
	if err := put("0", long); err != nil {
		t.Errorf("one as long as before: %v", err)
	}
	other := laneBlock("d", 1, 0, long)
	other.Connector = "other"
	if _, err := l.Append(t.Context(), other); err != nil {
		t.Errorf("another connector's: %v", err)
	}
	for _, lane := range []string{"1", "2"} {
		if err := l.ForgetLane(t.Context(), "c", lane); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("one more", long); err != nil {
		t.Errorf("in the place of those that were forgotten: %v", err)
	}
}
