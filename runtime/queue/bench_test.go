package queue_test

import (
	"testing"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/queue"
)

// BenchmarkQueue puts, takes and acknowledges: in batches of 256, with nothing left
// between them, and with a backlog.
func BenchmarkQueue(b *testing.B) {
	for name, backlog := range map[string]int{"emptied": 0, "backlog": 1024} {
		b.Run(name, func(b *testing.B) {
			q := queue.New[int](queue.Config{Events: 4096, Bytes: 8 << 20, Purse: &purse{most: 1 << 30}})
			e := sized(100)
			for range backlog {
				q.TryPut(e, 0)
			}
			var events []capability.Event
			b.ReportAllocs()
			for b.Loop() {
				for range 256 {
					q.TryPut(e, 1)
				}
				events = q.Take(events[:0], 256, 1<<20)
				q.AckEach(len(events), func(int) {})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(256*b.N), "ns/event")
		})
	}
}

// TestHotPathAllocatesNothing holds the queue to it.
func TestHotPathAllocatesNothing(t *testing.T) {
	q := queue.New[int](queue.Config{Events: 4096, Bytes: 8 << 20, Purse: &purse{most: 1 << 30}})
	e := sized(1000)
	events := make([]capability.Event, 0, 256)
	sum := 0
	round := func() {
		for range 200 {
			q.TryPut(e, 1)
		}
		events = q.TakeWhile(events[:0], 256, 1<<20, func(v int) bool { sum += v; return true })
		q.AckEach(len(events), func(v int) { sum += v })
	}
	round()
	if n := testing.AllocsPerRun(100, round); n > 0 {
		t.Errorf("%v allocations for 200 events", n)
	}
}
