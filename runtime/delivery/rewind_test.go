package delivery_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestRewindHandsOutAgain: what was delivered comes again from the place on that
// was set, at once and after the next start.
func TestRewindHandsOutAgain(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{})
	for _, payload := range []string{"0", "1", "2"} {
		r.block("a", payload)
	}
	r.take(f, 3, 256)
	f.Settle(3)
	if err := f.Rewind(1); err != nil {
		t.Fatal(err)
	}
	r.wants(r.take(f, 2, 256), "a/1=1", "a/2=2")
	if !slices.Equal(r.told, []string{"the place in the outbox was set by hand: goes on with block 2 of 3"}) {
		t.Errorf("told %q", r.told)
	}
	if at, known := delivery.Place(r.log, "me"); at != 1 || !known {
		t.Errorf("the place is %d", at)
	}
	f.Close()
	f = r.open(spec.Feed{})
	r.wants(r.take(f, 2, 256), "a/1=1", "a/2=2")
	f.Settle(2)
	f.Close()
	if err := f.Rewind(0); err != nil { // nothing runs
		t.Fatal(err)
	}
	f = r.open(spec.Feed{})
	r.wants(r.take(f, 3, 256), "a/0=0", "a/1=1", "a/2=2")
}

// TestRewindForward passes over what waits.
func TestRewindForward(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{Start: spec.FeedOldest})
	r.block("a", "0")
	r.block("a", "1")
	if err := f.Rewind(r.log.Head()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"the place in the outbox was set by hand: goes on with what comes from now on"}; !slices.Equal(r.told, want) {
		t.Errorf("told %q", r.told)
	}
	r.block("a", "2")
	r.wants(r.take(f, 1, 256), "a/2=2")
	if err := f.Rewind(99); !fault.Is(err, fault.Internal) {
		t.Errorf("beyond the end: %v", err)
	}
	r.wants(r.take(f, 1, 256), "a/2=2")
}

// TestRewindUnderDelivery: what is being delivered moves nothing when it is
// settled, and can still be picked.
func TestRewindUnderDelivery(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{})
	r.block("a", "0")
	r.block("a", "1 2")
	r.take(f, 3, 256)
	if err := f.Rewind(0); err != nil {
		t.Fatal(err)
	}
	if device, input := f.Pick(2); device != "d-2" || r.decode(input)[0] != "a/2=2" {
		t.Errorf("picked %s %v", device, r.decode(input))
	}
	f.Settle(3)
	r.wants(r.take(f, 3, 256), "a/0=0", "a/1=1", "a/2=2")
	f.Settle(1)
	if at, _ := delivery.Place(r.log, "me"); at != 1 {
		t.Errorf("the place is %d", at)
	}
}

// TestBeforeATime finds the block by the time that it came, also where the order
// of times is not quite that of the log.
func TestBeforeATime(t *testing.T) {
	r := newRig(t, outbox.Config{})
	at := func(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second))) }
	if n, err := delivery.Before(t.Context(), r.log, at(0)); n != 0 || err != nil {
		t.Errorf("in an empty log: %d, %v", n, err)
	}
	for _, s := range []float64{0, 10, 20, 30, 39, 38, 41, 50, 60, 70} {
		if _, err := r.log.Append(t.Context(), &outbox.Block{Connector: "a", Received: at(s).UnixNano()}); err != nil {
			t.Fatal(err)
		}
	}
	for s, want := range map[float64]uint64{-100: 0, 0: 0, 0.5: 1, 20: 2, 38.5: 4, 40: 6, 70: 9, 70.5: 10, 1e6: 10} {
		if got, err := delivery.Before(t.Context(), r.log, at(s)); got != want || err != nil {
			t.Errorf("before %g: %d, %v, want %d", s, got, err, want)
		}
	}
}

// TestAgainComesAndIsSettled: a record that was put aside is handed in behind what
// waits, moves no place, and is told when it is done with.
func TestAgainComesAndIsSettled(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{})
	r.block("a", "0 1")
	r.take(f, 2, 256)
	_, kept := f.Pick(1)
	f.Settle(2)
	again, err := f.Again(delivery.Position{Block: 1}, kept)
	if err != nil {
		t.Fatal(err)
	}
	r.wants(r.take(f, 1, 256), "a/1=1")
	r.block("a", "2")
	r.wants(r.take(f, 2, 256), "a/1=1", "a/2=2")
	f.Settle(0)
	if len(r.done) != 0 {
		t.Error("told before it is so")
	}
	r.take(f, 2, 256)
	f.Settle(2)
	<-again.Done()
	if len(r.done) != 1 || !again.Settled() {
		t.Errorf("told %v", r.done)
	}
	if at, _ := delivery.Place(r.log, "me"); at != r.log.Head() {
		t.Errorf("the place is %d of %d", at, r.log.Head())
	}
	if _, err := f.Again(delivery.Position{Block: 1}, []byte("no")); !fault.Is(err, fault.Invalid) {
		t.Errorf("of no record: %v", err)
	}
}

// TestAgainIsForgotten with the feed, whose record stays put aside.
func TestAgainIsForgotten(t *testing.T) {
	for name, end := range map[string]func(*delivery.Feed){
		"closed": (*delivery.Feed).Close, "rewound": func(f *delivery.Feed) { _ = f.Rewind(1) },
	} {
		r := newRig(t, outbox.Config{})
		f := r.open(spec.Feed{})
		r.block("a", "0")
		r.take(f, 1, 256)
		_, kept := f.Pick(0)
		f.Settle(1)
		again, err := f.Again(delivery.Position{Block: 1}, kept)
		if err != nil {
			t.Fatal(err)
		}
		end(f)
		if <-again.Done(); again.Settled() || len(r.done) > 0 {
			t.Errorf("%s: settled", name)
		}
	}
}

// TestAgainIsHandedInOnce however often it is asked for while it waits; when it is
// done with it may come again.
func TestAgainIsHandedInOnce(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{})
	r.block("a", "0")
	r.take(f, 1, 256)
	_, kept := f.Pick(0)
	f.Settle(1)
	at := delivery.Position{Block: 7, Index: 3}
	for round := range 2 {
		first, err := f.Again(at, kept)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := f.Again(at, kept); second != first || err != nil {
			t.Errorf("it is handed in beside itself, %v", err)
		}
		r.wants(r.take(f, 1, 256), "a/0=0")
		f.Settle(1)
		if <-first.Done(); len(r.done) != round+1 {
			t.Errorf("settled %v", r.done)
		}
	}
	if _, err := f.Again(at, kept); err != nil {
		t.Fatal(err)
	}
	if err := f.Rewind(1); err != nil { // which forgets it
		t.Fatal(err)
	}
	if _, err := f.Again(at, kept); err != nil {
		t.Fatal(err)
	}
	r.wants(r.take(f, 1, 256), "a/0=0")
}

func TestAgainIsBounded(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{})
	r.block("a", "0")
	r.take(f, 1, 256)
	_, kept := f.Pick(0)
	for i := range 256 {
		if _, err := f.Again(delivery.Position{Block: 1, Index: i}, kept); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Again(delivery.Position{Block: 2}, kept); !fault.Is(err, fault.Exhausted) {
		t.Errorf("one more: %v", err)
	}
}

// TestAgainIsNotedTogether: what a step settles is told at once, and nothing of it
// is handed in beside itself, or over, until it is noted.
func TestAgainIsNotedTogether(t *testing.T) {
	r := newRig(t, outbox.Config{})
	r.block("a", "0")
	var told [][]*delivery.Again
	f, err := delivery.Open(t.Context(), delivery.Config{
		Log: r.log, Connector: "me", Settings: spec.Feed{Start: spec.FeedOldest}, Name: r.name, Tell: func(string) {},
		Settled: func(done []*delivery.Again) { told = append(told, done) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	r.take(f, 1, 256)
	_, kept := f.Pick(0)
	f.Settle(1)
	var all []*delivery.Again
	for i := range 3 {
		a, err := f.Again(delivery.Position{Block: 1, Index: i}, kept)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	r.take(f, 3, 256)
	f.Settle(3)
	if len(told) != 1 || !slices.Equal(told[0], all) {
		t.Fatalf("told %v", told)
	}
	if err := f.Rewind(1); err != nil { // which forgets what is in the queue alone
		t.Fatal(err)
	}
	if a, err := f.Again(all[1].At(), kept); a != all[1] || err != nil {
		t.Errorf("it is handed in again before it is noted, %v", err)
	}
	for _, a := range all {
		select {
		case <-a.Done():
			t.Error("done before it is noted")
		default:
		}
		if a.Noted(); !a.Settled() {
			t.Error("it is not settled")
		}
	}
	if a, err := f.Again(all[1].At(), kept); a == all[1] || err != nil {
		t.Errorf("it is not handed in again when it is noted, %v", err)
	}
}

// TestAgainIsBoundedInBytes: large records do not wait in any number, and the room is
// there again when they are done with, or forgotten.
func TestAgainIsBoundedInBytes(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{})
	r.block("a", strings.Repeat("x", 500<<10)) // which is in the device, too
	r.take(f, 1, 256)
	_, kept := f.Pick(0)
	kept = slices.Clone(kept)
	f.Settle(1)
	fill := func() {
		t.Helper()
		for i := range 3 {
			_, err := f.Again(delivery.Position{Block: 1, Index: i}, kept)
			if full := i == 2; full != fault.Is(err, fault.Exhausted) || !full && err != nil {
				t.Fatalf("the record %d: %v", i, err)
			}
		}
	}
	fill()
	for range 2 {
		r.take(f, 1, 1)
		f.Settle(1)
	}
	fill()
	if err := f.Rewind(1); err != nil {
		t.Fatal(err)
	}
	fill()
}

// TestBacklogInRecords: what was read is counted, what was not is reckoned, and the
// oldest has its time.
func TestBacklogInRecords(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{})
	r.block("a", "0 1 2")
	r.take(f, 3, 256)
	if b := f.Backlog(); b.Waiting != 3 || b.About || !b.Oldest.Equal(time.Unix(0, 1)) {
		t.Errorf("%+v", b)
	}
	f.Settle(3)
	if b := f.Backlog(); b.Waiting != 0 || !b.Oldest.IsZero() {
		t.Errorf("%+v", b)
	}
	const blocks = 20
	batch := ""
	for range abi.MaxItems {
		batch += "x "
	}
	for range blocks {
		r.block("a", batch)
	}
	for f.Backlog().Records < 4*abi.MaxItems {
		<-f.Wake()
	}
	if b := f.Backlog(); b.Waiting < blocks*abi.MaxItems*2/3 || b.Waiting > blocks*abi.MaxItems || !b.About {
		t.Errorf("%+v", b)
	}
}

// TestRewindOfAFeedThatIsClosed: what was taken from it before moves nothing when it
// is settled after.
func TestRewindOfAFeedThatIsClosed(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{})
	r.block("a", "0")
	r.take(f, 1, 256)
	f.Keep()
	f.Close()
	if err := f.Rewind(0); err != nil {
		t.Fatal(err)
	}
	f.Settle(1)
	if at, _ := delivery.Place(r.log, "me"); at != 0 {
		t.Errorf("the place is %d, and was set to 0", at)
	}
}

// TestFind: a record that was put aside on its way out knows where it stood, for as
// long as that is kept.
func TestFind(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{Start: spec.FeedOldest})
	r.block("a", "0")
	r.block("b", "0")
	r.block("a", "1 2", "3")
	r.block("a", "4")
	r.take(f, 6, 256)
	for i, want := range []string{"1.0", "2.0", "3.0", "3.1", "3.2", "4.0"} {
		var in abi.DeliverInput
		_, input := f.Pick(i)
		if err := in.Decode(input); err != nil {
			t.Fatal(err)
		}
		part := &in.Parts[len(in.Parts)-1]
		if at, ok := delivery.Find(t.Context(), r.log, part); !ok || at.String() != want {
			t.Errorf("record %d: %s %v, want %s", i, at, ok, want)
		}
		part.Epoch++
		if at, ok := delivery.Find(t.Context(), r.log, part); ok {
			t.Errorf("record %d of another start is at %s", i, at)
		}
	}
}
