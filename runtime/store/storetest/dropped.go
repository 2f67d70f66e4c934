package storetest

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// dropped: a space that is dropped is empty in every bucket, those who held it
// reach nothing any more, and other spaces keep what they have.
func dropped(t *testing.T, s store.Store) {
	const many = 600
	old, beside := tenant(t, s, "a"), tenant(t, s, "b")
	for _, space := range []store.Space{old, beside, s.System()} {
		update(t, space, func(w store.Writer) error {
			for i := range many {
				put(t, w, store.KV, fmt.Sprintf("%04d", i), "x")
			}
			put(t, w, store.Secrets, "a", "x")
			put(t, w, store.Audit, "head", "x")
			return nil
		})
	}
	if err := s.Drop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	write := func(w store.Writer) error { return second(w.Put(store.KV, "ghost", nil)) }
	wantFault(t, fault.NotFound, old.Update(t.Context(), write))
	wantFault(t, fault.NotFound, old.UpdateAhead(t.Context(), write))
	wantFault(t, fault.NotFound, old.View(t.Context(), func(store.Reader) error { return nil }))
	now := tenant(t, s, "a")
	view(t, now, func(r store.Reader) {
		for _, b := range store.Buckets() {
			wantIDs(t, r, b, "", "", 1)
		}
	})
	update(t, now, func(w store.Writer) error {
		if v := put(t, w, store.Audit, "head", "y"); v != 3 {
			t.Errorf("version %d of an entry that was dropped", v)
		}
		return nil
	})
	wantFault(t, fault.NotFound, old.Update(t.Context(), write)) // nor into the next life
	for _, space := range []store.Space{beside, s.System()} {
		view(t, space, func(r store.Reader) { want(t, r, store.KV, "0599", "x", 1) })
	}
	wantFault(t, fault.Invalid, s.Drop(t.Context(), "no tenant"))
}

// dropWaits: what is under way in a space is finished before it is dropped, and
// one that could not be dropped stays shut.
func dropWaits(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	ctx, cancel := context.WithCancel(t.Context())
	begun, failed := make(chan struct{}), make(chan error, 1)
	update(t, space, func(w store.Writer) error {
		go func() {
			close(begun)
			failed <- s.Drop(ctx, "a")
		}()
		<-begun
		for space.View(t.Context(), func(store.Reader) error { return nil }) == nil { //nolint:contextcheck // the test's own, and not the one that is cancelled
			runtime.Gosched()
		}
		cancel()
		wantCanceled(t, <-failed)
		put(t, w, store.KV, "x", "")
		return nil
	})
	wantFault(t, fault.NotFound, tenant(t, s, "a").View(t.Context(), func(store.Reader) error { return nil }))
	if err := s.Drop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	view(t, tenant(t, s, "a"), func(r store.Reader) { wantIDs(t, r, store.KV, "", "", 1) })
}
