// Package storetest is the contract of a store as tests: every implementation
// runs the same ones, so that nobody can tell them apart.
//
// Only tests import it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// Run runs the contract. Open gives an empty store, which Run closes.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for name, test := range map[string]func(*testing.T, store.Store){
		"entries":        entries,
		"versions":       versions,
		"conditions":     conditions,
		"atomicity":      atomicity,
		"own writes":     ownWrites,
		"snapshot":       snapshot,
		"order":          order,
		"paging":         paging,
		"all":            all,
		"isolation":      isolation,
		"names":          names,
		"limits":         limits,
		"transaction":    transactionLimit,
		"page":           pageLimit,
		"ownership":      ownership,
		"ended reader":   endedReader,
		"context":        contexts,
		"waiting writer": waitingWriter,
		"closed":         closed,
		"close waits":    closeWaits,
		"dropped":        dropped,
		"drop waits":     dropWaits,
		"panic":          panics,
		"hammer counter": hammerCounter,
		"hammer phantom": hammerPhantom,
		"hammer spaces":  hammerSpaces,
		"hammer chain":   hammerChain,
		"finally":        finally,
	} {
		t.Run(name, func(t *testing.T) { test(t, opened(t, open)) })
	}
	t.Run("model", func(t *testing.T) { model(t, open) })
}

// RunPersistent runs what holds only for a store that outlives its process.
// Open opens the store in a directory, or makes it there.
func RunPersistent(t *testing.T, open func(t *testing.T, dir string) store.Store) {
	dir := t.TempDir()
	in := func(t *testing.T) store.Store { return open(t, dir) }
	for round := range 3 {
		s := opened(t, in)
		id := fmt.Sprint(round)
		update(t, tenant(t, s, "a"), func(w store.Writer) error {
			if round > 0 {
				want(t, w, store.Connectors, fmt.Sprint(round-1), "kept", 1)
				wantFault(t, fault.NotFound, second(w.Get(store.KV, "gone")))
			}
			if v := put(t, w, store.KV, "gone", "x"); v != uint64(2*round+1) {
				t.Errorf("after %d times of making and deleting: version %d", round, v)
			}
			put(t, w, store.Connectors, id, "kept")
			return w.Delete(store.KV, "gone")
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func opened(t *testing.T, open func(t *testing.T) store.Store) store.Store {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func tenant(t *testing.T, s store.Store, id string) store.Space {
	t.Helper()
	space, err := s.Tenant(id)
	if err != nil {
		t.Fatal(err)
	}
	return space
}

func update(t *testing.T, s store.Space, fn func(store.Writer) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t *testing.T, s store.Space, fn func(store.Reader)) {
	t.Helper()
	err := s.View(t.Context(), func(r store.Reader) error { fn(r); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, w store.Writer, b store.Bucket, id, value string) uint64 {
	t.Helper()
	v, err := w.Put(b, id, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func want(t *testing.T, r store.Reader, b store.Bucket, id, value string, version uint64) {
	t.Helper()
	e, err := r.Get(b, id)
	if err != nil {
		t.Errorf("%s %q: %v", b, id, err)
		return
	}
	if e.ID != id || string(e.Value) != value || e.Version != version {
		t.Errorf("%s %q: got %q %q v%d, want %q v%d", b, id, e.ID, e.Value, e.Version, value, version)
	}
}

func wantFault(t *testing.T, k fault.Kind, err error) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Errorf("got %v, want the fault %v", err, k)
	}
}

func wantIDs(t *testing.T, r store.Reader, b store.Bucket, prefix, after string, limit int, ids ...string) {
	t.Helper()
	list, err := r.List(b, prefix, after, limit)
	if err != nil {
		t.Error(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.ID)
	}
	if strings.Join(got, "|") != strings.Join(ids, "|") {
		t.Errorf("list %q after %q: got %q, want %q", prefix, after, got, ids)
	}
}

func second[T any](_ T, err error) error { return err }

var errFn = errors.New("the function's own error")

func canceled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
