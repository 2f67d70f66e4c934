package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/queue"
)

// purse is one with so much in it.
type purse struct {
	most int64
	held atomic.Int64
}

func (p *purse) Request(context.Context) (func(), error) { return func() {}, nil }

func (p *purse) Hold(n int64) error {
	if held := p.held.Add(n); n > 0 && held > p.most {
		p.held.Add(-n)
		return fault.New(fault.Exhausted, "empty")
	}
	return nil
}

func data(text string) capability.Event {
	return capability.Event{Type: abi.EventData, Name: text, Data: []byte(text)}
}

func sized(n int) capability.Event {
	return capability.Event{Type: abi.EventData, Data: make([]byte, n)}
}

func word(t abi.EventType) capability.Event { return capability.Event{Type: t} }

func gap(name string) capability.Event { return capability.Event{Type: abi.EventGap, Name: name} }

// names are the events of a list in short.
func names(list []capability.Event) (all []string) {
	for _, e := range list {
		switch e.Type {
		case abi.EventUp:
			all = append(all, "up")
		case abi.EventDown:
			all = append(all, "down")
		case abi.EventGap:
			all = append(all, "gap:"+e.Name)
		default:
			all = append(all, e.Name)
		}
	}
	return all
}

func want(t *testing.T, q *queue.Queue[int], expected ...string) {
	t.Helper()
	if got := names(q.Take(nil, 1000, 1<<20)); !slices.Equal(got, expected) {
		t.Errorf("took %q, want %q", got, expected)
	}
}

func TestTakenAgainUntilAcknowledged(t *testing.T) {
	q := queue.New[int](queue.Config{Events: 8, Bytes: 1 << 20})
	for _, name := range []string{"a", "b", "c"} {
		q.TryPut(data(name), 0)
	}
	if got := names(q.Take(nil, 2, 1<<20)); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("took %q", got)
	}
	want(t, q, "c")
	q.Rewind()
	<-q.Ready()
	want(t, q, "a", "b", "c")
	q.Ack(2)
	q.Rewind()
	want(t, q, "c")
	q.Ack(10)
	q.Rewind()
	want(t, q)
	if n := q.Len(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func TestTakeIsBounded(t *testing.T) {
	q := queue.New[int](queue.Config{Events: 8, Bytes: 1 << 20})
	for i, n := range []int{100, 10, 10, 10} {
		q.TryPut(sized(n), i)
	}
	for i, tt := range []struct{ items, bytes, want int }{{8, 50, 1}, {8, 25, 2}, {0, 100, 0}, {8, 0, 1}} {
		if got := len(q.Take(nil, tt.items, tt.bytes)); got != tt.want {
			t.Errorf("take %d: %d events, want %d", i, got, tt.want)
		}
	}
	q.Rewind()
	left := 3
	fits := func(v int) bool { left -= v; return left >= 0 }
	if got := len(q.TakeWhile(nil, 8, 1<<20, fits)); got != 3 {
		t.Errorf("%d events of the weights 0, 1, 2, 3 within 3", got)
	}
}

func TestBounds(t *testing.T) {
	q := queue.New[int](queue.Config{Events: 3, Bytes: 100})
	for i, tt := range []struct {
		size int
		want bool
	}{{500, true}, {0, false}} { // one has room whatever its size
		if got := q.TryPut(sized(tt.size), 0); got != tt.want {
			t.Errorf("event %d: %v", i, got)
		}
	}
	q.Take(nil, 8, 1000)
	q.Ack(1)
	for i, tt := range []struct {
		size int
		want bool
	}{{40, true}, {61, false}, {60, true}, {1, false}, {0, true}, {0, false}} {
		if got := q.TryPut(sized(tt.size), 0); got != tt.want {
			t.Errorf("event %d of %d bytes: %v", i, tt.size, got)
		}
	}
	q.Note(word(abi.EventDown)) // needs no room
	q.Widen(2)
	if !q.HasRoom(100) || q.HasRoom(101) {
		t.Error("the bounds are not twice as large")
	}
	q.Widen(1)
	q.Add(sized(1000), 0)
	if q.HasRoom(0) || q.Len() != 5 {
		t.Error("what was added beyond the bounds does not count")
	}
}

// What a peer can do by coming and going, and by gaps in turns, is bounded.
func TestWordsAreToldOnce(t *testing.T) {
	q := queue.New[int](queue.Config{Events: 8, Bytes: 1 << 20, Others: "more"})
	for range 1000 {
		q.Note(word(abi.EventDown))
		q.Gap(gap("a"), 1)
		q.Note(word(abi.EventUp))
		q.Note(word(abi.EventDown))
		q.Gap(gap("b"), 2)
		q.Note(word(abi.EventUp))
	}
	if got := names(q.Take(nil, 1000, 1<<20)); len(got) > 8 {
		t.Errorf("told %q", got)
	}
	by := map[string]uint64{}
	if lost, _ := q.Counts(by); lost != 3000 || by["dropped_a"] != 1000 || by["dropped_b"] != 2000 {
		t.Errorf("lost %d: %v", lost, by)
	}
	for i := range 10 * queue.MostGaps {
		q.Gap(gap(fmt.Sprint(i)), 1)
	}
	clear(by)
	if _, n := q.Counts(by); n > 2*queue.MostGaps || len(by) > queue.MostGaps+1 || by["dropped_more"] == 0 {
		t.Errorf("%d events of names that are made up, %d names", n, len(by))
	}
}

func TestDownTakesBackAnUnseenUp(t *testing.T) {
	q := queue.New[int](queue.Config{Events: 8, Bytes: 1 << 20})
	q.Note(word(abi.EventDown))
	q.Note(word(abi.EventUp))
	q.Note(word(abi.EventDown))
	want(t, q, "down")
	q.Note(word(abi.EventUp))
	want(t, q, "up")
	q.Rewind() // it was seen
	q.Note(word(abi.EventDown))
	want(t, q, "down", "up", "down")
}

// What was seen is told anew, and what was acknowledged is forgotten.
func TestGapsAreToldAgain(t *testing.T) {
	q := queue.New[int](queue.Config{Events: 8, Bytes: 1 << 20})
	q.Gap(gap("a"), 1)
	q.Gap(gap("b"), 1)
	q.Gap(gap("a"), 1)
	q.Take(nil, 1, 1<<20)
	q.Gap(gap("a"), 1)
	q.Gap(gap("b"), 1)
	q.Ack(1)
	q.Gap(gap("a"), 1)
	want(t, q, "gap:b", "gap:a")
}

func TestAckHandsOutTheValues(t *testing.T) {
	q := queue.New[int](queue.Config{Events: 8, Bytes: 1 << 20})
	q.TryPut(data("a"), 1)
	q.Note(word(abi.EventDown))
	q.TryPut(gap("too large"), 2) // in the place of something
	q.TryPut(data("b"), 3)
	q.Take(nil, 3, 1<<20)
	var got []int
	q.AckEach(8, func(v int) { got = append(got, v) })
	if !slices.Equal(got, []int{1, 2}) {
		t.Errorf("acknowledged %v", got)
	}
	by := map[string]uint64{}
	if lost, n := q.Counts(by); lost != 1 || by["dropped_too large"] != 1 || n != 1 {
		t.Errorf("%d lost, %d left: %v", lost, n, by)
	}
}

func TestDropLeavesWhatWasTaken(t *testing.T) {
	q := queue.New[int](queue.Config{Events: 8, Bytes: 1 << 20})
	for i, name := range []string{"a0", "b1", "c0", "d1", "e0"} {
		q.TryPut(data(name), i%2)
		if name == "c0" {
			q.Gap(gap("x"), 1)
		}
	}
	q.Take(nil, 1, 1<<20)
	q.Drop(func(v int) bool { return v == 0 })
	want(t, q, "b1", "gap:x", "d1")
	q.Rewind()
	q.Gap(gap("x"), 1) // that one was seen, and so was all behind it
	want(t, q, "a0", "b1", "gap:x", "d1", "gap:x")
	q.Rewind()
	q.Drop(func(int) bool { return true })
	want(t, q, "gap:x", "gap:x")
	q.Ack(2)
	if n := q.Len(); n != 0 || !q.HasRoom(1<<20) {
		t.Errorf("%d are left", n)
	}
}

func TestPutWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New[int](queue.Config{Events: 1, Bytes: 1 << 20})
		q.TryPut(data("a"), 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- q.Put(ctx, data("b"), 0) }()
		synctest.Wait()
		q.Take(nil, 1, 1)
		q.Ack(1)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		go func() { done <- q.Put(ctx, data("c"), 0) }()
		go func() { done <- q.WaitRoom(ctx, 0) }()
		synctest.Wait()
		cancel()
		for range 2 {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("a wait ends with %v", err)
			}
		}
		want(t, q, "b")
	})
}

// Whoever takes all of his purse waits until he gives some back, and leaves others
// theirs.
func TestPurse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 1 << 20
		mine, others := &purse{most: most}, &purse{most: most}
		cfg := queue.Config{Events: 1 << 20, Bytes: 1 << 30, Purse: mine}
		var hoard []*queue.Queue[int]
		total := 0
		for range 64 {
			q := queue.New[int](cfg)
			for q.TryPut(sized(10_000), 0) {
				total += 10_000
			}
			hoard = append(hoard, q)
		}
		if free := 64 * 64 << 10; total > most+free || total < most {
			t.Errorf("64 sessions hold %d bytes of a purse of %d", total, most)
		}
		if q := queue.New[int](cfg); q.TryPut(sized(1<<19), 0) || !q.TryPut(sized(1000), 0) {
			t.Error("an empty purse leaves each session a little, and no more")
		}
		if q := queue.New[int](queue.Config{Events: 8, Bytes: 1 << 20, Purse: others}); !q.TryPut(sized(1<<19), 0) {
			t.Error("another tenant's purse is taken")
		}

		waits := queue.New[int](cfg)
		done := make(chan error, 1)
		go func() { done <- waits.Put(t.Context(), sized(1<<19), 0) }()
		synctest.Wait()
		for _, q := range hoard {
			q.Take(nil, 1<<20, 1<<30)
			q.Ack(1 << 20)
		}
		if err := <-done; err != nil { // nobody told it
			t.Error(err)
		}
		waits.End()
		for _, q := range hoard {
			q.End()
		}
		if held := mine.held.Load(); held != 0 {
			t.Errorf("%d bytes are not given back", held)
		}
	})
}

// What is added without asking is drawn as well, as soon as it is there.
func TestAddDrawsOnThePurse(t *testing.T) {
	const free = 64 << 10
	mine := &purse{most: 1 << 20}
	q := queue.New[int](queue.Config{Events: 8, Bytes: 4 << 20, Purse: mine})
	q.Add(sized(1<<19), 0)
	if held := mine.held.Load(); held < 1<<19-free {
		t.Errorf("%d bytes are drawn for half a mebibyte", held)
	}
	q.Add(sized(1<<20), 0) // more than there is
	if held := mine.held.Load(); held > 1<<20 || q.HasRoom(0) {
		t.Errorf("%d bytes are drawn, and there is room", held)
	}
	q.Take(nil, 8, 4<<20)
	q.Ack(2)
	if held := mine.held.Load(); held != 0 {
		t.Errorf("an empty queue keeps %d bytes", held)
	}
}

// Who asks for room, and then adds nothing, takes nothing from others.
func TestAskingDrawsNothing(t *testing.T) {
	mine := &purse{most: 4 << 20}
	for range 100 {
		q := queue.New[int](queue.Config{Events: 8, Bytes: 4 << 20, Purse: mine})
		if !q.HasRoom(2<<20) || q.WaitRoom(t.Context(), 1<<20) != nil {
			t.Fatal("an event that nobody adds has taken the purse")
		}
		if q.HasRoom(8 << 20) {
			t.Fatal("there is room for more than the purse has")
		}
	}
	if held := mine.held.Load(); held != 0 {
		t.Errorf("%d bytes are drawn for nothing", held)
	}
}

// TestHammerQueue has one who adds and one who takes, and sees each event once.
func TestHammerQueue(t *testing.T) {
	q := queue.New[int](queue.Config{Events: 7, Bytes: 100, Purse: &purse{most: 1 << 20}})
	const all = 20_000
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range all {
			if err := q.Put(ctx, sized(i%30), i); err != nil {
				t.Error(err)
				return
			}
			if i%97 == 0 {
				q.Gap(gap("x"), 1)
				q.Widen(1 + i%2)
			}
		}
	})
	next := 0
	var events []capability.Event
	for turn := 0; next < all && ctx.Err() == nil; turn++ {
		select {
		case <-q.Ready():
		case <-ctx.Done():
		}
		events = q.Take(events[:0], 5, 1<<10)
		if turn%3 == 0 {
			q.Rewind()
			events = q.Take(events[:0], 5, 1<<10)
		}
		q.AckEach(len(events), func(v int) {
			if v != next {
				t.Errorf("event %d comes after %d", v, next-1)
			}
			next = v + 1
		})
	}
	wg.Wait()
	if next != all {
		t.Errorf("%d of %d", next, all)
	}
}
