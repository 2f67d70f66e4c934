package storetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// isolation: what one space, bucket or id holds, no other shows, however
// alike their names are.
func isolation(t *testing.T, s store.Store) {
	spaces := map[string]store.Space{"": s.System()}
	for _, id := range []string{"a", "ab", "a-b", "kv", "b"} {
		spaces[id] = tenant(t, s, id)
	}
	for name, space := range spaces {
		update(t, space, func(w store.Writer) error {
			put(t, w, store.KV, "x", name)
			put(t, w, store.Connectors, "x"+name, name)
			return nil
		})
	}
	for name, space := range spaces {
		view(t, space, func(r store.Reader) {
			want(t, r, store.KV, "x", name, 1)
			wantIDs(t, r, store.KV, "", "", 10, "x")
			wantIDs(t, r, store.Connectors, "", "", 10, "x"+name)
			wantIDs(t, r, store.ConnectorNames, "", "", 10)
		})
	}
	update(t, spaces["a"], func(w store.Writer) error { return w.Delete(store.KV, "x") })
	for name, space := range spaces {
		if name != "a" {
			view(t, space, func(r store.Reader) { want(t, r, store.KV, "x", name, 1) })
		}
	}
	view(t, tenant(t, s, "a"), func(r store.Reader) { // the same space, narrowed again
		wantFault(t, fault.NotFound, second(r.Get(store.KV, "x")))
	})
}

func names(t *testing.T, s store.Store) {
	for _, id := range []string{"a", "0", "-", "tenant-1", strings.Repeat("x", 63)} {
		tenant(t, s, id)
	}
	for _, id := range []string{"", "A", "a b", "a/b", "a\x00b", "a.b", "é", "..", strings.Repeat("x", 64)} {
		wantFault(t, fault.Invalid, second(s.Tenant(id)))
	}
}

func limits(t *testing.T, s store.Store) {
	space := tenant(t, s, strings.Repeat("t", 63))
	longest := strings.Repeat("\xff", store.MaxID)
	largest := strings.Repeat("v", store.MaxValue)
	update(t, space, func(w store.Writer) error {
		put(t, w, store.ConnectorNames, longest, largest)
		return nil
	})
	view(t, space, func(r store.Reader) { want(t, r, store.ConnectorNames, longest, largest, 1) })

	refuse := func(k fault.Kind, b store.Bucket, id, value string) {
		wantFault(t, k, space.Update(t.Context(), func(w store.Writer) error {
			return second(w.Put(b, id, []byte(value)))
		}))
	}
	refuse(fault.Invalid, store.KV, "", "")
	refuse(fault.Invalid, store.KV, longest+"x", "")
	refuse(fault.TooLarge, store.KV, "x", largest+"x")
	refuse(fault.Invalid, "nowhere", "x", "")
	refuse(fault.Invalid, "", "x", "")
	view(t, space, func(r store.Reader) {
		wantFault(t, fault.Invalid, second(r.Get("nowhere", "x")))
		wantFault(t, fault.Invalid, second(r.Get(store.KV, "")))
		wantFault(t, fault.Invalid, second(r.List("nowhere", "", "", 1)))
	})
}

// transactionLimit: all that fits in an update is taken, and one that went
// beyond is never half there, even when its function hides the failure.
func transactionLimit(t *testing.T, s store.Store) {
	space := tenant(t, s, strings.Repeat("t", 63))
	for _, shape := range []struct{ writes, size int }{
		{writes: 3, size: store.MaxValue},
		{writes: 6400, size: 0},
	} {
		write := func(w store.Writer, n int) error {
			for i := range n {
				id := string([]byte{'k', byte(i >> 8), byte(i)})
				if _, err := w.Put(store.ConnectorNames, id, make([]byte, shape.size)); err != nil {
					return err
				}
			}
			return nil
		}
		update(t, space, func(w store.Writer) error { return write(w, shape.writes) })
		for _, hide := range []bool{false, true} {
			err := space.Update(t.Context(), func(w store.Writer) error {
				put(t, w, store.KV, "half", "")
				if err := write(w, shape.writes*3/2); !hide {
					return err
				}
				return nil
			})
			wantFault(t, fault.TooLarge, err)
			view(t, space, func(r store.Reader) {
				wantFault(t, fault.NotFound, second(r.Get(store.KV, "half")))
			})
		}
	}
}

func endedReader(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	var kept store.Writer
	update(t, space, func(w store.Writer) error {
		put(t, w, store.KV, "x", "")
		kept = w
		return nil
	})
	wantFault(t, fault.Internal, second(kept.Get(store.KV, "x")))
	wantFault(t, fault.Internal, second(kept.List(store.KV, "", "", 1)))
	wantFault(t, fault.Internal, second(kept.Put(store.KV, "x", nil)))
	wantFault(t, fault.Internal, kept.Delete(store.KV, "x"))
	view(t, space, func(r store.Reader) {
		if _, ok := r.(store.Writer); ok {
			t.Error("what View gives out is a Writer too")
		}
	})
}

func panics(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	func() {
		defer func() { _ = recover() }()
		_ = space.Update(t.Context(), func(w store.Writer) error {
			put(t, w, store.KV, "x", "")
			panic("in the function")
		})
	}()
	// Neither the turn nor the write is left behind, and Close does not wait.
	update(t, space, func(w store.Writer) error {
		wantFault(t, fault.NotFound, second(w.Get(store.KV, "x")))
		return nil
	})
}

func closed(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantFault(t, fault.ShuttingDown, space.View(t.Context(), func(store.Reader) error { return errFn }))
	wantFault(t, fault.ShuttingDown, space.Update(t.Context(), func(store.Writer) error { return errFn }))
	wantFault(t, fault.ShuttingDown, s.System().View(t.Context(), func(store.Reader) error { return errors.New("ran") }))
}
