package storetest

import (
	"errors"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

func entries(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	view(t, space, func(r store.Reader) {
		wantFault(t, fault.NotFound, second(r.Get(store.Modules, "x")))
		wantIDs(t, r, store.Modules, "", "", 10)
	})
	update(t, space, func(w store.Writer) error {
		put(t, w, store.Modules, "x", "one")
		put(t, w, store.Modules, "empty", "")
		return nil
	})
	view(t, space, func(r store.Reader) {
		want(t, r, store.Modules, "x", "one", 1)
		want(t, r, store.Modules, "empty", "", 1)
		wantFault(t, fault.NotFound, second(r.Get(store.Devices, "x")))
	})
	update(t, space, func(w store.Writer) error { return w.Delete(store.Modules, "x") })
	view(t, space, func(r store.Reader) {
		wantFault(t, fault.NotFound, second(r.Get(store.Modules, "x")))
		wantIDs(t, r, store.Modules, "", "", 10, "empty")
	})
	wantFault(t, fault.NotFound, space.Update(t.Context(), func(w store.Writer) error {
		return w.Delete(store.Modules, "x")
	}))
	wantFault(t, fault.NotFound, space.Update(t.Context(), func(w store.Writer) error {
		return w.Delete(store.Modules, "never")
	}))
}

func versions(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	last := uint64(0)
	for range 3 {
		for range 2 {
			update(t, space, func(w store.Writer) error {
				v := put(t, w, store.KV, "x", "value")
				if v <= last {
					t.Errorf("version %d after %d", v, last)
				}
				last = v
				return nil
			})
			view(t, space, func(r store.Reader) { want(t, r, store.KV, "x", "value", last) })
		}
		update(t, space, func(w store.Writer) error { return w.Delete(store.KV, "x") })
	}
	if last != 8 { // three lives of two writes, and two tombstones between
		t.Errorf("last version %d", last)
	}
}

func conditions(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	try := func(version uint64) (got uint64, err error) {
		err = space.Update(t.Context(), func(w store.Writer) error {
			got, err = w.PutIf(store.Connectors, "x", []byte("value"), version)
			return err
		})
		return got, err
	}
	steps := []struct {
		version, got uint64
		delete       bool
		fault        fault.Kind
	}{
		{version: 1, fault: fault.NotFound},
		{version: 0, got: 1},
		{version: 0, fault: fault.Exists},
		{version: 2, fault: fault.StaleRevision},
		{version: 1, got: 2},
		{version: 1, fault: fault.StaleRevision},
		{delete: true},
		{version: 2, fault: fault.NotFound},
		{version: 3, fault: fault.NotFound}, // the tombstone's
		{version: 0, got: 4},
		{version: 2, fault: fault.StaleRevision},
	}
	for i, step := range steps {
		if step.delete {
			update(t, space, func(w store.Writer) error { return w.Delete(store.Connectors, "x") })
			continue
		}
		got, err := try(step.version)
		if step.fault != fault.Internal {
			wantFault(t, step.fault, err)
		} else if err != nil || got != step.got {
			t.Errorf("step %d: got version %d, %v; want %d", i, got, err, step.got)
		}
	}
}

func atomicity(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	update(t, space, func(w store.Writer) error {
		put(t, w, store.KV, "kept", "old")
		return nil
	})
	err := space.Update(t.Context(), func(w store.Writer) error {
		put(t, w, store.KV, "kept", "new")
		put(t, w, store.Devices, "made", "new")
		return errFn
	})
	if !errors.Is(err, errFn) {
		t.Errorf("got %v", err)
	}
	if err := space.View(t.Context(), func(store.Reader) error { return errFn }); !errors.Is(err, errFn) {
		t.Errorf("got %v", err)
	}
	view(t, space, func(r store.Reader) {
		want(t, r, store.KV, "kept", "old", 1)
		wantFault(t, fault.NotFound, second(r.Get(store.Devices, "made")))
	})
}

func ownWrites(t *testing.T, s store.Store) {
	update(t, tenant(t, s, "a"), func(w store.Writer) error {
		put(t, w, store.KV, "b", "1")
		want(t, w, store.KV, "b", "1", 1)
		put(t, w, store.KV, "b", "2")
		want(t, w, store.KV, "b", "2", 2)
		put(t, w, store.KV, "a", "1")
		put(t, w, store.KV, "c", "1")
		wantIDs(t, w, store.KV, "", "", 10, "a", "b", "c")
		if err := w.Delete(store.KV, "b"); err != nil {
			t.Error(err)
		}
		wantFault(t, fault.NotFound, second(w.Get(store.KV, "b")))
		wantIDs(t, w, store.KV, "", "", 10, "a", "c")
		return nil
	})
}

func snapshot(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	set := func(value string) {
		update(t, space, func(w store.Writer) error {
			put(t, w, store.KV, "x", value)
			put(t, w, store.KV, "y"+value, value)
			return nil
		})
	}
	set("1")
	view(t, space, func(r store.Reader) {
		set("2")
		want(t, r, store.KV, "x", "1", 1)
		wantIDs(t, r, store.KV, "", "", 10, "x", "y1")
	})
	view(t, space, func(r store.Reader) { wantIDs(t, r, store.KV, "", "", 10, "x", "y1", "y2") })
}

// ownership: what goes in belongs to the caller still.
func ownership(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	value := []byte("value")
	update(t, space, func(w store.Writer) error {
		_, err := w.Put(store.KV, "x", value)
		value[0] = '!'
		want(t, w, store.KV, "x", "value", 1)
		return err
	})
	value[1] = '!'
	view(t, space, func(r store.Reader) { want(t, r, store.KV, "x", "value", 1) })
}
