package capability_test

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
)

func TestBucket(t *testing.T) {
	b := capability.NewBucket(10, 5)
	now := time.Now()
	take := func(n int, after, want time.Duration) {
		t.Helper()
		now = now.Add(after)
		if got := b.Take(n, now).Round(10 * time.Millisecond); got != want {
			t.Errorf("%d after %v: wait %v, want %v", n, after, got, want)
		}
	}
	take(3, 0, 0)
	take(2, 0, 0)
	take(1, 0, 100*time.Millisecond)
	take(1, 110*time.Millisecond, 0)
	take(2, 0, 190*time.Millisecond)
	take(100, time.Hour, 0) // all that there is
	take(1, 0, 100*time.Millisecond)
	b.SetRate(1, 2) // one that was emptied
	take(1, 0, time.Second)
	b = capability.Bucket{}
	b.SetRate(1, 2)
	take(2, 0, 0)
	take(1, 0, time.Second)
	// What is taken in the long run is the rate's.
	b = capability.NewBucket(1000, 10)
	taken := 0
	for range 10_000 { // a second
		if now = now.Add(100 * time.Microsecond); b.Take(1, now) == 0 {
			taken++
		}
	}
	if taken < 1000 || taken > 1010 {
		t.Errorf("%d in a second", taken)
	}
}
