package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// aside appends a block that puts something aside.
func (r *rig) aside(connector string, inputs ...string) uint64 {
	r.Helper()
	b := outbox.Block{Connector: connector, Epoch: 1, First: r.next[connector], Received: 1}
	for _, in := range inputs {
		b.Rejects = append(b.Rejects, outbox.Reject{Device: "d", Reason: "bad " + in, Input: []byte(in), Of: outbox.RejectEvent, Group: "tcp"})
	}
	seq, err := r.log.Append(r.Context(), &b)
	if err != nil {
		r.Fatal(err)
	}
	return seq
}

func TestQuarantineListsWhatWasPutAside(t *testing.T) {
	r := newRig(t, outbox.Config{})
	q := delivery.NewQuarantine(r.log)
	if list, more, err := q.List(t.Context(), "a"); len(list) != 0 || more != 0 || err != nil {
		t.Fatalf("in an empty log: %v %d %v", list, more, err)
	}
	r.block("a", "0")
	r.aside("a", "x", "y")
	r.aside("b", "z")
	list, _, err := q.List(t.Context(), "a")
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	last := list[1]
	if last.Block != 2 || last.Index != 1 || last.Device != "d" || last.Reason != "bad y" || last.Summary != `"y"` || last.Group != "tcp" || last.Bytes != 1 {
		t.Errorf("%+v", last)
	}
	r.aside("a", "w") // it follows the log
	if list, _, _ := q.List(t.Context(), "a"); len(list) != 3 || list[2].Block != 4 {
		t.Errorf("%+v", list)
	}
	b, whole, err := delivery.Read(r.log, last.Position)
	if err != nil || b.Connector != "a" || string(whole.Input) != "y" {
		t.Errorf("%+v %+v %v", b, whole, err)
	}
	for _, at := range []delivery.Position{{Block: 1}, {Block: 2, Index: 2}, {Block: 2, Index: -1}, {Block: 99}} {
		if _, _, err := delivery.Read(r.log, at); !fault.Is(err, fault.NotFound) {
			t.Errorf("at %v: %v", at, err)
		}
	}
}

// TestQuarantineIsBounded: what one connector puts aside pushes out its own oldest.
func TestQuarantineIsBounded(t *testing.T) {
	r := newRig(t, outbox.Config{})
	r.aside("quiet", "x")
	inputs := make([]string, 100)
	for i := range inputs {
		inputs[i] = fmt.Sprint(i)
	}
	for c := range 9 {
		for range 11 {
			r.aside(fmt.Sprint("loud", c), inputs...)
		}
	}
	q := delivery.NewQuarantine(r.log)
	total := 0
	for c := range 9 {
		list, more, err := q.List(t.Context(), fmt.Sprint("loud", c))
		if err != nil || len(list) > 1024 || uint64(len(list))+more != 1100 {
			t.Errorf("%d and %d more, %v", len(list), more, err)
		}
		total += len(list)
	}
	if list, _, _ := q.List(t.Context(), "quiet"); len(list) != 1 || total > 8191 {
		t.Errorf("%d of the quiet, %d in all", len(list), total)
	}
}

// TestQuarantineGoesOn where an impatient caller left it.
func TestQuarantineGoesOn(t *testing.T) {
	r := newRig(t, outbox.Config{})
	r.aside("a", "x")
	q := delivery.NewQuarantine(r.log)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := q.List(ended, "a"); err == nil {
		t.Error("nothing says that it was cut off")
	}
	if list, _, err := q.List(t.Context(), "a"); len(list) != 1 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
}

// TestQuarantineForgets what retention has taken.
func TestQuarantineForgets(t *testing.T) {
	r := newRig(t, outbox.Config{SegmentBytes: 4096, MaxBytes: 8192})
	q := delivery.NewQuarantine(r.log)
	r.aside("a", "first")
	if list, _, _ := q.List(t.Context(), "a"); len(list) != 1 {
		t.Fatal(list)
	}
	for r.log.First() < 10 {
		r.block("b", fmt.Sprintf("%0500d", 1))
		r.log.Trim()
	}
	r.aside("a", "last")
	if list, _, err := q.List(t.Context(), "a"); len(list) != 1 || list[0].Reason != "bad last" {
		t.Errorf("%+v, %v", list, err)
	}
}

// What an index holds is bounded whatever guests call their things.
func TestQuarantineOfLongNames(t *testing.T) {
	r := newRig(t, outbox.Config{})
	long := strings.Repeat("n", 200<<10)
	points := abi.Batch{Records: []abi.Record{{Device: long, Points: []abi.Point{{Name: long, Value: abi.Int(1)}}}}}
	add := func(connector string, n int) {
		b := outbox.Block{Connector: connector, Lane: long[:1<<10], Epoch: 1, First: r.next[connector], Received: 1}
		for range n {
			b.Rejects = append(b.Rejects, outbox.Reject{Device: long[:4<<10], Reason: long[:4<<10], Of: outbox.RejectRecord, Input: points.Append(nil)})
		}
		if _, err := r.log.Append(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	q := delivery.NewQuarantine(r.log)
	add("a", 2)
	list, more, err := q.List(t.Context(), "a")
	if err != nil || len(list) != 2 || more != 0 {
		t.Fatalf("%d and %d more, %v", len(list), more, err)
	}
	if a := list[0]; len(a.Lane) != 256 || len(a.Device) != 256 || len(a.Reason) != 512 || len(a.Summary) > outbox.SummaryBound(160) {
		t.Errorf("an entry holds %d, %d, %d and %d bytes", len(a.Lane), len(a.Device), len(a.Reason), len(a.Summary))
	}
	points.Records[0].Points[0].Name = "n" // or the log has no room for so many
	points.Records[0].Device = ""
	for c := range 10 {
		for range 10 {
			add(fmt.Sprint(c), 100)
		}
	}
	size, all := 0, 0
	for c := range 10 {
		list, more, err := q.List(t.Context(), fmt.Sprint(c))
		if err != nil || len(list)+int(more) != 1000 || list[len(list)-1].Index != 99 {
			t.Fatalf("%d and %d more, %v", len(list), more, err)
		}
		all += len(list)
		for _, a := range list {
			size += len(a.Lane) + len(a.Device) + len(a.Reason) + len(a.Summary)
		}
	}
	if size+all<<8 > 8<<20 || all < 6000 {
		t.Errorf("%d entries hold %d bytes", all, size)
	}
}
