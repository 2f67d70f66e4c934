package store

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestTurns: one at a time in a space, nobody waits beyond his context, and
// nothing is kept of a space that nobody is in.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns turns
		leave, err := turns.take(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp, got := make(chan error, 1), make(chan func(), 1)
		go func() { _, err := turns.take(ctx, "a"); gaveUp <- err }()
		go func() {
			leave, _ := turns.take(t.Context(), "a")
			got <- leave
		}()
		other, err := turns.take(t.Context(), "b")
		if err != nil {
			t.Fatal(err)
		}
		other()
		synctest.Wait()
		if len(gaveUp) != 0 || len(got) != 0 {
			t.Fatal("two are in one space")
		}
		cancel()
		if err := <-gaveUp; err == nil {
			t.Fatal("a cancelled waiter got the turn")
		}
		leave()
		(<-got)()
		if len(turns.queue) != 0 {
			t.Errorf("left behind: %v", turns.queue)
		}
	})
}

func TestBuckets(t *testing.T) {
	seen := map[Bucket]bool{}
	for _, b := range Buckets() {
		if seen[b] || b == "" {
			t.Errorf("bucket %q", b)
		}
		seen[b] = true
		for _, c := range []byte(b) {
			if (c < 'a' || c > 'z') && c != '-' { // no zero byte above all: see the key layout
				t.Errorf("bucket %q", b)
			}
		}
	}
}
