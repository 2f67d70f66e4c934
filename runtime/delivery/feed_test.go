package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an outbox on disk with the feed of the connector "me".
type rig struct {
	*testing.T
	dir  string
	log  *outbox.Log
	next map[string]uint64 // sequence of a connector's next record
	told []string
	deaf atomic.Int32        // times that names cannot be read
	done []delivery.Position // handed in again and settled
}

func (r *rig) name(_ context.Context, id string) (string, error) {
	if r.deaf.Add(-1) >= 0 {
		return "", errors.New("the store is away")
	}
	return "the " + id, nil
}

func newRig(t *testing.T, cfg outbox.Config) *rig {
	t.Helper()
	dir := t.TempDir()
	log, err := outbox.Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return &rig{T: t, dir: dir, log: log, next: map[string]uint64{}}
}

// block appends a block of batches of a connector; a batch is its payloads.
func (r *rig) block(connector string, batches ...string) {
	r.Helper()
	b := outbox.Block{Connector: connector, Epoch: 1, First: r.next[connector], Received: 1}
	for _, batch := range batches {
		var in abi.Batch
		for payload := range strings.FieldsSeq(batch) {
			in.Records = append(in.Records, abi.Record{Device: "d-" + payload, Payload: []byte(payload)})
		}
		b.Records = outbox.AppendBatch(b.Records, in.Append(nil))
		b.Count += len(in.Records)
	}
	r.next[connector] += uint64(b.Count)
	if _, err := r.log.Append(r.Context(), &b); err != nil {
		r.Fatal(err)
	}
}

// open makes the feed; it is closed with the test, unless before.
func (r *rig) open(settings spec.Feed) *delivery.Feed {
	r.Helper()
	f, err := delivery.Open(context.WithoutCancel(r.Context()), delivery.Config{
		Log: r.log, Connector: "me", Settings: settings,
		Name: r.name,
		Tell: func(text string) { r.told = append(r.told, text) },
		Settled: func(done []*delivery.Again) {
			for _, a := range done {
				r.done = append(r.done, a.At())
				a.Noted()
			}
		},
	})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(f.Close)
	return f
}

// take waits until the feed hands out at least so many records, and answers them
// as connector/sequence=payload.
func (r *rig) take(f *delivery.Feed, least, most int) []string {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	for {
		input, n, _ := f.Take(time.Now().Add(time.Hour), most)
		if n >= least {
			got := r.decode(input)
			if len(got) != n {
				r.Fatalf("%d records are said to be %d", len(got), n)
			}
			return got
		}
		select {
		case <-f.Wake():
		case <-ctx.Done():
			r.Fatalf("%d records come, want %d", n, least)
		}
	}
}

func (r *rig) decode(input []byte) (all []string) {
	r.Helper()
	var in abi.DeliverInput
	if err := in.Decode(input); err != nil {
		r.Fatal(err)
	}
	for p := range in.Parts {
		part := &in.Parts[p]
		if part.Connector != "the "+part.ID {
			r.Errorf("part of %s says %s", part.ID, part.Connector)
		}
		for i := range part.Batch.Records {
			_, key, _ := strings.Cut(part.Key(i), "/")
			all = append(all, strings.Replace(part.ID+"/"+key, "/1/", "/", 1)+"="+string(part.Batch.Records[i].Payload))
		}
	}
	return all
}

func (r *rig) wants(got []string, want ...string) {
	r.Helper()
	if !slices.Equal(got, want) {
		r.Fatalf("got %v, want %v", got, want)
	}
}

// TestFeedCutsBatchesToMeasure: any number of records may be taken and settled,
// whatever batches and blocks they stand in, and each comes with its own key.
func TestFeedCutsBatchesToMeasure(t *testing.T) {
	r := newRig(t, outbox.Config{})
	r.block("a", "0 1 2 3", "4 5")
	r.block("me", "own")
	r.block("b", "0")
	f := r.open(spec.Feed{Start: spec.FeedOldest})
	r.wants(r.take(f, 7, 256), "a/0=0", "a/1=1", "a/2=2", "a/3=3", "a/4=4", "a/5=5", "b/0=0")
	r.wants(r.take(f, 3, 3), "a/0=0", "a/1=1", "a/2=2")
	f.Settle(2)
	r.wants(r.take(f, 3, 3), "a/2=2", "a/3=3", "a/4=4")
	if device, input := f.Pick(2); device != "d-4" || r.decode(input)[0] != "a/4=4" {
		t.Errorf("picked %s %v", device, r.decode(input))
	}
	f.Settle(0)
	r.wants(r.take(f, 5, 256), "a/2=2", "a/3=3", "a/4=4", "a/5=5", "b/0=0")
	f.Settle(5)
	if _, n, _ := f.Take(time.Now(), 256); n != 0 {
		t.Errorf("%d records are left", n)
	}
	if b := f.Backlog(); b.Blocks != 0 || b.Records != 0 {
		t.Errorf("backlog %+v", b)
	}
}

// TestWhatIsUnderWay: records are taken behind those that are under way, the place
// stays in front of them, and they come again when they have to.
func TestWhatIsUnderWay(t *testing.T) {
	r := newRig(t, outbox.Config{})
	r.block("a", "0 1 2", "3")
	r.block("b", "0 1")
	f := r.open(spec.Feed{Start: spec.FeedOldest})
	r.wants(r.take(f, 2, 2), "a/0=0", "a/1=1")
	f.Keep()
	r.wants(r.take(f, 3, 3), "a/2=2", "a/3=3", "b/0=0")
	if device, _ := f.Pick(1); device != "d-3" {
		t.Errorf("picked %s", device)
	}
	f.Keep()
	r.wants(r.take(f, 1, 3), "b/1=1")
	if b := f.Backlog(); b.Blocks != 2 {
		t.Errorf("the place has moved: %+v", b)
	}
	f.Settle(2)
	f.Settle(3)
	if b := f.Backlog(); b.Blocks != 1 || b.Records != 1 {
		t.Errorf("backlog %+v", b)
	}
	r.wants(r.take(f, 1, 3), "b/1=1")
	f.Keep()
	if _, n, _ := f.Take(time.Now().Add(time.Hour), 3); n != 0 {
		t.Errorf("%d records are handed out twice", n)
	}
	f.Back()
	r.wants(r.take(f, 1, 3), "b/1=1")
}

// TestUnderWayOverATurn: what is under way when the place is set to another moves
// nothing when it is settled.
func TestUnderWayOverATurn(t *testing.T) {
	r := newRig(t, outbox.Config{})
	r.block("a", "0 1")
	r.block("a", "2 3")
	f := r.open(spec.Feed{Start: spec.FeedOldest})
	r.take(f, 4, 4)
	r.wants(r.take(f, 2, 2), "a/0=0", "a/1=1")
	f.Keep()
	r.wants(r.take(f, 1, 1), "a/2=2")
	if err := f.Rewind(0); err != nil {
		t.Fatal(err)
	}
	f.Keep()
	r.wants(r.take(f, 3, 3), "a/0=0", "a/1=1", "a/2=2")
	f.Settle(2)
	f.Settle(1)
	r.wants(r.take(f, 3, 3), "a/0=0", "a/1=1", "a/2=2")
	f.Settle(3)
	r.wants(r.take(f, 1, 3), "a/3=3")
}

// TestPlaceMovesBehindWholeBlocks: after the process is gone the feed goes on
// with the first block that was not settled whole, and loses none.
func TestPlaceMovesBehindWholeBlocks(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{})
	r.block("a", "0")
	r.block("a", "1 2")
	r.block("a", "3")
	r.take(f, 4, 256)
	f.Settle(2)
	if b := f.Backlog(); b.Blocks != 2 || b.Records != 2 {
		t.Errorf("backlog %+v", b)
	}
	f.Close()
	f = r.open(spec.Feed{})
	r.wants(r.take(f, 3, 256), "a/1=1", "a/2=2", "a/3=3")
	f.Settle(3)
	r.block("me", "own") // and what is not meant for it is done with at once
	r.block("a", "4")
	r.wants(r.take(f, 1, 256), "a/4=4")
	if b := f.Backlog(); b.Blocks != 1 {
		t.Errorf("backlog %+v", b)
	}
}

// TestFeedHoldsLittle: a feed that nobody takes from stops reading.
func TestFeedHoldsLittle(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{})
	batch := strings.Repeat("x ", abi.MaxItems)
	for range 20 {
		r.block("a", batch)
	}
	r.take(f, abi.MaxItems, abi.MaxItems)
	for taken := 0; taken < 20*abi.MaxItems; {
		if b := f.Backlog(); b.Records > 9*abi.MaxItems {
			t.Fatalf("%d records are held", b.Records)
		}
		n := len(r.take(f, 1, abi.MaxItems))
		f.Settle(n)
		taken += n
	}
}

// TestRecordsWaitForOthers, for as long as the settings say and not longer.
func TestRecordsWaitForOthers(t *testing.T) {
	r := newRig(t, outbox.Config{})
	f := r.open(spec.Feed{MaxWaitMS: 500})
	r.block("a", "0 1")
	<-f.Wake()
	began := time.Now()
	_, n, due := f.Take(began, 3)
	if n != 0 || due.Before(began) || due.After(began.Add(time.Second)) {
		t.Errorf("%d records, due in %v", n, due.Sub(began))
	}
	if _, n, _ := f.Take(due, 3); n != 2 {
		t.Errorf("%d records when they are due", n)
	}
	r.block("a", "2")
	<-f.Wake()
	if _, n, _ := f.Take(began, 3); n != 3 {
		t.Errorf("%d records when the call is full", n)
	}
}

// TestWhatIsGoneIsCounted: blocks that retention took before they were delivered
// are told and counted, and the rest comes.
func TestWhatIsGoneIsCounted(t *testing.T) {
	r := newRig(t, outbox.Config{SegmentBytes: 64 << 10, MaxBytes: 128 << 10})
	f := r.open(spec.Feed{})
	f.Close()
	for i := range 40 {
		r.block("a", fmt.Sprint(i)+strings.Repeat("x", 16<<10))
	}
	r.log.Trim()
	first := r.log.First()
	if first < 2 {
		t.Fatal("retention took nothing")
	}
	f = r.open(spec.Feed{})
	got := r.take(f, 1, 1)
	if want := fmt.Sprintf("a/%d=", first-1); !strings.HasPrefix(got[0], want) {
		t.Errorf("it goes on with %.20s, want %s", got[0], want)
	}
	if b := f.Backlog(); b.Missed != first-1 || len(r.told) != 1 || !strings.Contains(r.told[0], "retention") {
		t.Errorf("%d blocks missed of %d, told %q", b.Missed, first-1, r.told)
	}
}

// TestNoBlockIsPassedOverForWantOfAName: a block waits until it is known whose it
// is, and sources are meant by what they were called when they were named.
func TestNoBlockIsPassedOverForWantOfAName(t *testing.T) {
	r := newRig(t, outbox.Config{})
	r.deaf.Store(1)
	f := r.open(spec.Feed{Start: spec.FeedOldest, From: []string{"the a", "what b was called"}, IDs: []string{"", "b"}})
	r.block("a", "0")
	r.block("b", "0")
	r.block("c", "0")
	r.wants(r.take(f, 2, 256), "a/0=0", "b/0=0")
	if len(r.told) != 1 {
		t.Errorf("told %q", r.told)
	}
}

// TestFirstPlaceIsDurable: what "now" was is known after a crash, too.
func TestFirstPlaceIsDurable(t *testing.T) {
	r := newRig(t, outbox.Config{CursorEvery: time.Hour})
	r.block("a", "0")
	r.open(spec.Feed{})
	r.block("a", "1")
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(r.dir)); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	log, err := outbox.Open(dir, outbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	r.log = log
	r.wants(r.take(r.open(spec.Feed{}), 1, 256), "a/1=1")
}

// TestSinksDoNotFeedEachOther, unless somebody names them.
func TestSinksDoNotFeedEachOther(t *testing.T) {
	r := newRig(t, outbox.Config{})
	other, err := delivery.Open(t.Context(), delivery.Config{Log: r.log, Connector: "other", Name: r.name, Tell: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	f := r.open(spec.Feed{})
	r.block("other", "0")
	r.block("a", "0")
	r.wants(r.take(f, 1, 256), "a/0=0")
	f.Close()
	f = r.open(spec.Feed{From: []string{"the other"}})
	r.block("other", "1")
	r.wants(r.take(f, 1, 256), "other/1=1")
}

// TestForget: retention waits for a place until it is forgotten, and a feed that
// comes back begins anew.
func TestForget(t *testing.T) {
	r := newRig(t, outbox.Config{})
	r.open(spec.Feed{}).Close()
	r.block("a", "0")
	delivery.Forget(r.log, "me")
	r.block("a", "1")
	f := r.open(spec.Feed{})
	r.block("a", "2")
	r.wants(r.take(f, 1, 256), "a/2=2")
}

// BenchmarkFeed is what a record costs on its way out of the log to the guest.
func BenchmarkFeed(b *testing.B) {
	log, err := outbox.Open(b.TempDir(), outbox.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	var batch abi.Batch
	for range abi.MaxItems {
		batch.Records = append(batch.Records, abi.Record{Device: "d", Payload: make([]byte, 100)})
	}
	block := outbox.Block{Connector: "a", Epoch: 1, Count: abi.MaxItems, Records: outbox.AppendBatch(nil, batch.Append(nil))}
	f, err := delivery.Open(b.Context(), delivery.Config{
		Log: log, Connector: "me", Name: func(context.Context, string) (string, error) { return "a", nil }, Tell: func(string) {},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	b.ReportAllocs()
	for left := b.N; left > 0; {
		b.StopTimer() // the log keeps a part of what it is given only
		for range 64 {
			if _, err := log.Append(b.Context(), &block); err != nil {
				b.Fatal(err)
			}
			block.First += abi.MaxItems
		}
		b.StartTimer()
		for here := 64 * abi.MaxItems; here > 0; {
			_, n, _ := f.Take(time.Now(), abi.MaxItems)
			if n == 0 {
				<-f.Wake()
				continue
			}
			f.Settle(n)
			here -= n
		}
		left -= 64 * abi.MaxItems
	}
}
