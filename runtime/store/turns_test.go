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
		q, err := turns.take(t.Context(), "a", false)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp, got := make(chan error, 1), make(chan *turn, 1)
		go func() { _, err := turns.take(ctx, "a", false); gaveUp <- err }()
		synctest.Wait()
		go func() {
			q, _ := turns.take(t.Context(), "a", false)
			got <- q
		}()
		other, err := turns.take(t.Context(), "b", false)
		if err != nil {
			t.Fatal(err)
		}
		turns.leave("b", other)
		synctest.Wait()
		if len(gaveUp) != 0 || len(got) != 0 {
			t.Fatal("two are in one space")
		}
		cancel()
		if err := <-gaveUp; err == nil {
			t.Fatal("a cancelled waiter got the turn")
		}
		turns.leave("a", q)
		turns.leave("a", <-got)
		if len(turns.spaces) != 0 {
			t.Errorf("left behind: %v", turns.spaces)
		}
	})
}

// TestTurnThatComesTooLate: who gives up at the moment that the turn comes
// hands it on.
func TestTurnThatComesTooLate(t *testing.T) {
	for range 200 {
		var turns turns
		q, err := turns.take(t.Context(), "a", false)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if q, err := turns.take(ctx, "a", false); err == nil {
				turns.leave("a", q)
			}
		}()
		go cancel()
		turns.leave("a", q)
		<-done
		if len(turns.spaces) != 0 {
			t.Fatalf("left behind: %v", turns.spaces)
		}
	}
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
