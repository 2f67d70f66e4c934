package serial

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

func data() capability.Event { return capability.Event{Type: abi.EventData} }

// The queue against a slice, over arbitrary steps: order, bounds, and data
// that stays as it is until it is acknowledged.
func TestQueueIsAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue(rapid.IntRange(1, 9).Draw(t, "frames"), rapid.IntRange(8, 200).Draw(t, "bytes"), nil)
		var model []string           // not acknowledged
		var given []capability.Event // taken, not acknowledged
		next := 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"push", "push", "take", "ack", "rewind"}).Draw(t, "step") {
			case "push":
				text := strings.Repeat(fmt.Sprint(next%10), rapid.IntRange(0, min(50, q.bytes/4)).Draw(t, "len"))
				if q.tryPush(data(), []byte(text)) {
					model = append(model, text)
					next++
				} else if len(model) == 0 {
					t.Fatal("an empty queue has no room")
				}
			case "take":
				given = q.take(given, rapid.IntRange(0, 5).Draw(t, "items"), rapid.IntRange(0, 60).Draw(t, "bytes"))
			case "ack":
				n := rapid.IntRange(0, len(given)).Draw(t, "n")
				q.ack(n)
				given, model = given[n:], model[n:]
			case "rewind":
				q.rewind()
				given = nil
			}
			if len(model) > q.frames {
				t.Fatalf("%d events, more than %d", len(model), q.frames)
			}
			for i, e := range given {
				if string(e.Data) != model[i] {
					t.Fatalf("event %d is %q, want %q", i, e.Data, model[i])
				}
			}
		}
		q.rewind()
		rest := q.take(nil, 1<<20, 1<<20)
		if len(rest) != len(model) {
			t.Fatalf("%d events left, want %d", len(rest), len(model))
		}
	})
}

func TestQueueTakeAtLeastOne(t *testing.T) {
	q := newQueue(4, 64, nil)
	q.tryPush(data(), []byte("0123456789"))
	if got := q.take(nil, 1, 1); len(got) != 1 {
		t.Errorf("an event beyond the bytes that were asked for was not given")
	}
}

func TestQueueWaitsForRoom(t *testing.T) {
	q := newQueue(1, 64, nil)
	if err := q.push(nil, data(), []byte("1")); err != nil {
		t.Fatal(err)
	}
	pushed := make(chan error, 1)
	go func() { pushed <- q.push(nil, data(), []byte("2")) }()
	q.take(nil, 1, 100)
	select {
	case err := <-pushed:
		t.Fatalf("a full queue took an event (%v)", err)
	default:
	}
	q.ack(1)
	if err := <-pushed; err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	close(stop)
	if err := q.push(stop, data(), nil); err == nil {
		t.Error("waited for room after its stop")
	}
}

func TestQueueTellsAGapOnce(t *testing.T) {
	q := newQueue(8, 64, nil)
	gap := capability.Event{Type: abi.EventGap, Name: gapTooLong}
	for range 5 {
		q.tryPush(gap, nil)
	}
	if got := q.take(nil, 8, 64); len(got) != 1 {
		t.Fatalf("%d gaps in a row, want 1", len(got))
	}
	q.tryPush(gap, nil)
	if got := q.take(nil, 8, 64); len(got) != 1 {
		t.Errorf("a gap after one that was taken was not told")
	}
}

func TestQueueReady(t *testing.T) {
	q := newQueue(8, 64, nil)
	has := func() bool {
		select {
		case <-q.ready:
			return true
		default:
			return false
		}
	}
	if has() {
		t.Error("an empty queue is ready")
	}
	for range 3 {
		_ = q.push(nil, data(), []byte("x"))
	}
	if !has() {
		t.Error("not ready after a push")
	}
	q.take(nil, 1, 64)
	if !has() {
		t.Error("not ready though two events were left")
	}
	q.take(nil, 9, 64)
	if has() {
		t.Error("ready though all were taken")
	}
	q.rewind()
	if !has() {
		t.Error("not ready after a rewind")
	}
}

// A frame costs no allocation once the buffers have grown.
func TestQueueDoesNotAllocate(t *testing.T) {
	q := newQueue(defaultFrames, defaultBytes, nil)
	frame := []byte("422498\n")
	events := make([]capability.Event, 0, 64)
	step := func() {
		for range 64 {
			q.tryPush(data(), frame)
		}
		events = q.take(events[:0], 64, 1<<20)
		q.ack(len(events))
	}
	step()
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Errorf("%v allocations for 64 frames, want none", n)
	}
}

func BenchmarkQueue(b *testing.B) {
	q := newQueue(defaultFrames, defaultBytes, nil)
	frame := []byte("422498\n")
	events := make([]capability.Event, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		for range 64 {
			q.tryPush(data(), frame)
		}
		events = q.take(events[:0], 64, 1<<20)
		q.ack(len(events))
	}
}
