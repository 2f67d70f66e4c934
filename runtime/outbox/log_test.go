package outbox

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestABlockComesBackAsItWas(t *testing.T) {
	want := full()
	l := mustOpen(t, t.TempDir(), small())
	b := full()
	if seq := mustAppend(t, l, b); seq != 1 || b.Seq != 1 {
		t.Fatalf("sequence %d, block says %d; want 1", seq, b.Seq)
	}
	want.Seq = 1
	got, err := l.Read(1)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("read %+v, %v; want %+v", got, err, want)
	}
	r := l.Reader(0)
	defer closeReader(t, r)
	if got, err = r.Next(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("next %+v, %v; want %+v", got, err, want)
	}
}

func TestAnEmptyCursorIsNotNoCursor(t *testing.T) {
	l := mustOpen(t, t.TempDir(), small())
	mustAppend(t, l, &Block{Connector: "a", Epoch: 1, Cursor: []byte{}})
	mustAppend(t, l, &Block{Connector: "b", Epoch: 1})
	if b, err := l.Read(1); err != nil || b.Cursor == nil {
		t.Errorf("the empty cursor was lost: %+v, %v", b, err)
	}
	if b, err := l.Read(2); err != nil || b.Cursor != nil {
		t.Errorf("a cursor came from nowhere: %+v, %v", b, err)
	}
	if s, _ := l.State("b"); s.Cursor != nil {
		t.Errorf("state has cursor %v", s.Cursor)
	}
}

// history puts two connectors through what can happen to them.
func history(t *testing.T, l *Log) {
	t.Helper()
	mustAppend(t, l, &Block{
		Connector: "a", Epoch: 1, First: 0, Count: 3, Records: []byte("x"), Received: 10, Cursor: []byte("c1"),
		Timers: []abi.Timer{timer("t1", 5), timer("t2", 6)},
	})
	mustAppend(t, l, &Block{Connector: "b", Epoch: 4, Received: 11, KV: []KV{{Key: "k", Value: []byte("v")}}})
	mustAppend(t, l, &Block{
		Connector: "a", Epoch: 1, First: 3, Count: 1, Records: []byte("x"), Received: 12,
		Timers: []abi.Timer{{Name: "t1", Clear: true}, timer("t3", 7)},
	})
	mustAppend(t, l, &Block{
		Connector: "a", Epoch: 2, First: 0, Count: 2, Records: []byte("x"), Received: 13, Stopped: true,
		Timers: []abi.Timer{timer("t2", 9)},
	})
	mustAppend(t, l, &Block{Connector: "c", Epoch: 1, Received: 14})
	if err := l.Forget(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
}

func historyStates() map[string]State {
	return map[string]State{
		"a": {
			Epoch: 2, Next: 2, Cursor: []byte("c1"), Last: 4, Stopped: true, LastAt: 13,
			Timers: []Timer{{timer("t3", 7), 12}, {timer("t2", 9), 13}},
		},
		"b": {Epoch: 4, Last: 2, Effects: 2, LastAt: 11},
	}
}

func TestStateFollowsTheBlocks(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	history(t, l)
	want := historyStates()
	if got := l.Connectors(); !reflect.DeepEqual(got, want) {
		t.Fatalf("states\n%+v, want\n%+v", got, want)
	}
	if _, ok := l.State("c"); ok {
		t.Error("a forgotten connector is known")
	}
	mustClose(t, l)

	l = mustOpen(t, dir, small())
	if got := l.Connectors(); !reflect.DeepEqual(got, want) {
		t.Fatalf("after opening, states\n%+v, want\n%+v", got, want)
	}
	fill(t, l, "z", 60) // into later segments, where the states come from a snapshot
	mustClose(t, l)
	l = mustOpen(t, dir, small())
	got := l.Connectors()
	delete(got, "z")
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("from a snapshot, states\n%+v, want\n%+v", got, want)
	}
}

func TestAStateIsTheCallersOwn(t *testing.T) {
	l := mustOpen(t, t.TempDir(), small())
	history(t, l)
	s, _ := l.State("a")
	s.Cursor[0], s.Timers[0].Name = '!', "!"
	if got := l.Connectors(); !reflect.DeepEqual(got, historyStates()) {
		t.Fatalf("the log's own state changed: %+v", got)
	}
}

func TestKeysNeverRepeat(t *testing.T) {
	l := mustOpen(t, t.TempDir(), small())
	mustAppend(t, l, blockOf("a", 2, 0, 3))
	for name, b := range map[string]*Block{
		"again":     blockOf("a", 2, 0, 3),
		"overlap":   blockOf("a", 2, 2, 3),
		"hole":      blockOf("a", 2, 4, 3),
		"old epoch": blockOf("a", 1, 3, 3),
	} {
		if _, err := l.Append(t.Context(), b); !fault.Is(err, fault.Internal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustAppend(t, l, blockOf("a", 2, 3, 1))
	mustAppend(t, l, blockOf("a", 3, 0, 1))
	if l.Head() != 3 {
		t.Errorf("head %d, want 3: a refused block took a sequence", l.Head())
	}
}

func TestABlockThatCannotBeReadBackIsRefused(t *testing.T) {
	l := mustOpen(t, t.TempDir(), small())
	big := make([]byte, maxPayload)
	timers := make([]abi.Timer, maxTimers+1)
	for i := range timers {
		timers[i].Name = strings.Repeat("t", i+1)
	}
	for name, c := range map[string]struct {
		b    Block
		want fault.Kind
	}{
		"no connector":         {Block{}, fault.Internal},
		"records without some": {Block{Connector: "a", Count: 1}, fault.Internal},
		"some without records": {Block{Connector: "a", Records: []byte("x")}, fault.Internal},
		"overflow":             {Block{Connector: "a", First: ^uint64(0), Count: 1, Records: []byte("x")}, fault.Internal},
		"not text":             {Block{Connector: "a", KV: []KV{{Key: "\xff"}}}, fault.Invalid},
		"not text in a reject": {Block{Connector: "a", Rejects: []Reject{{Reason: "\xff"}}}, fault.Invalid},
		"too large":            {Block{Connector: "a", Count: 1, Records: big}, fault.TooLarge},
		"cursor too large":     {Block{Connector: "a", Cursor: big}, fault.TooLarge},
		"too many timers":      {Block{Connector: "a", Timers: timers}, fault.TooLarge},
	} {
		if _, err := l.Append(t.Context(), &c.b); !fault.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if len(l.Connectors()) != 0 || l.Head() != 0 {
		t.Error("a refused block left something behind")
	}
}

func TestTheEndOfTheContextEndsTheWait(t *testing.T) {
	d := newTap()
	cfg := small()
	cfg.disk = d
	l := mustOpen(t, t.TempDir(), cfg)
	syncing, release := make(chan struct{}), make(chan struct{})
	d.failing(func(o op) (int64, error) {
		if o.name == "sync" {
			close(syncing)
			<-release
		}
		return 0, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := l.Append(ctx, blockOf("a", 1, 0, 1))
		done <- err
	}()
	<-syncing
	cancel()
	wantKind(t, <-done, fault.Canceled)
	if l.Head() != 0 {
		t.Error("a block is visible before it is durable")
	}
	d.fail = nil // the hook holds d.mu, so nobody else reads it now
	close(release)
	eventually(t, "the commit", func() bool { return l.Head() == 1 })
	if _, err := l.Append(ctx, blockOf("a", 1, 1, 1)); !fault.Is(err, fault.Canceled) {
		t.Errorf("with a dead context: %v", err)
	}
}

func TestCloseCommitsWhatWaitsAndRefusesTheRest(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := 0
	for _, name := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			for i := uint64(0); ; i++ {
				_, err := l.Append(t.Context(), blockOf(name, 1, i, 1))
				if fault.Is(err, fault.ShuttingDown) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked++
				mu.Unlock()
			}
		})
	}
	eventually(t, "some appends", func() bool { return l.Head() > 20 })
	mustClose(t, l)
	wg.Wait()
	l = mustOpen(t, dir, small())
	if got := drain(t, l, 0); len(got.seqs) != acked || len(got.gaps) != 0 {
		t.Fatalf("%d blocks and %d gaps; %d were acknowledged", len(got.seqs), len(got.gaps), acked)
	}
}

func TestOneLogForADirectory(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	fill(t, l, "a", 1)
	_, err := Open(dir, small())
	wantKind(t, err, fault.LogFailed)
	if !errors.Is(err, errLocked) {
		t.Fatalf("got %v", err)
	}
	mustClose(t, l)
	mustOpen(t, dir, small())
}

func TestReadAnywhere(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, small())
	fill(t, l, "a", 100)
	if n := l.Stats().Segments; n < 5 {
		t.Fatalf("%d segments; the test wants some", n)
	}
	mustClose(t, l)
	l = mustOpen(t, dir, small())
	for seq := uint64(1); seq <= 100; seq++ {
		if b, err := l.Read(seq); err != nil || b.Seq != seq || b.First != seq-1 {
			t.Fatalf("read %d: %+v, %v", seq, b, err)
		}
		if got := drain(t, l, seq); !slices.Equal(got.seqs, sequence(seq, 100)) || got.gaps != nil {
			t.Fatalf("from %d: %v, %v", seq, got.seqs, got.gaps)
		}
	}
	for _, seq := range []uint64{0, 101} {
		_, err := l.Read(seq)
		wantKind(t, err, fault.NotFound)
	}
}
