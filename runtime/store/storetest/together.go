package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

func contexts(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	ran := false
	err := space.View(canceled(t), func(store.Reader) error { ran = true; return nil })
	wantCanceled(t, err)
	err = space.Update(canceled(t), func(store.Writer) error { ran = true; return nil })
	wantCanceled(t, err)
	if ran {
		t.Error("a function ran after its context had ended")
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = space.Update(ctx, func(w store.Writer) error {
		put(t, w, store.KV, "x", "")
		cancel()
		wantCanceled(t, second(w.Get(store.KV, "x")))
		wantCanceled(t, second(w.List(store.KV, "", "", 1)))
		wantCanceled(t, second(w.Put(store.KV, "y", nil)))
		return nil
	})
	wantCanceled(t, err)
	view(t, space, func(r store.Reader) { wantIDs(t, r, store.KV, "", "", 10) })
}

func wantCanceled(t *testing.T, err error) {
	t.Helper()
	wantFault(t, fault.Canceled, err)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not say that its context was cancelled", err)
	}
}

// waitingWriter: who waits for another writer of its space waits no longer
// than its context, and who writes elsewhere does not wait.
func waitingWriter(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	update(t, space, func(store.Writer) error {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() { failed <- space.Update(ctx, func(store.Writer) error { return nil }) }()
		update(t, tenant(t, s, "b"), func(w store.Writer) error {
			put(t, w, store.KV, "x", "")
			return nil
		})
		cancel()
		wantCanceled(t, <-failed)
		return nil
	})
}

func closeWaits(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	done := make(chan error, 1)
	update(t, space, func(w store.Writer) error {
		go func() { done <- s.Close() }()
		for space.View(t.Context(), func(store.Reader) error { return nil }) == nil {
			runtime.Gosched() // until Close has begun
		}
		select {
		case err := <-done:
			t.Errorf("the store closed under a transaction: %v", err)
		default:
		}
		put(t, w, store.KV, "x", "")
		return nil
	})
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// either updates in its turn, or ahead of it.
func either(n int, space store.Space) func(context.Context, func(store.Writer) error) error {
	if n%2 == 0 {
		return space.Update
	}
	return space.UpdateAhead
}

// hammerCounter: no update of a counter is lost.
func hammerCounter(t *testing.T, s store.Store) {
	const writers, rounds = 8, 25
	space := tenant(t, s, "a")
	together(writers, func(me int) {
		for range rounds {
			err := either(me, space)(t.Context(), func(w store.Writer) error {
				n := 0
				if e, err := w.Get(store.KV, "n"); err == nil {
					n, _ = strconv.Atoi(string(e.Value))
				}
				return second(w.Put(store.KV, "n", []byte(strconv.Itoa(n+1))))
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	view(t, space, func(r store.Reader) {
		want(t, r, store.KV, "n", strconv.Itoa(writers*rounds), writers*rounds)
	})
}

// hammerPhantom: an update that listed a bucket saw everything that was
// committed before it. Each writer numbers its entry by how many there are,
// so that no number comes twice if updates are serialisable.
func hammerPhantom(t *testing.T, s store.Store) {
	const writers, rounds = 8, 10
	space := tenant(t, s, "a")
	together(writers, func(me int) {
		for i := range rounds {
			err := either(me, space)(t.Context(), func(w store.Writer) error {
				list, err := w.List(store.Devices, "", "", store.MaxList)
				if err != nil {
					return err
				}
				return second(w.Put(store.Devices, fmt.Sprint(me, "-", i), []byte(strconv.Itoa(len(list)))))
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	seen := map[string]bool{}
	view(t, space, func(r store.Reader) {
		for e, err := range store.All(r, store.Devices, "") {
			if err != nil || seen[string(e.Value)] {
				t.Errorf("%q: number %s came before, or %v", e.ID, e.Value, err)
			}
			seen[string(e.Value)] = true
		}
	})
	if len(seen) != writers*rounds {
		t.Errorf("%d of %d entries", len(seen), writers*rounds)
	}
}

// hammerChain: who writes an entry of its own and, at the end, one behind the
// last of a chain that all share, leaves no gap and loses nothing.
func hammerChain(t *testing.T, s store.Store) {
	const writers, rounds = 8, 25
	space := tenant(t, s, "a")
	together(writers, func(me int) {
		own := strconv.Itoa(me)
		for i := range rounds {
			err := space.UpdateAhead(t.Context(), func(w store.Writer) error {
				e, _ := w.Get(store.Devices, own)
				if e.Version != uint64(i) {
					t.Errorf("writer %d reads version %d in round %d", me, e.Version, i)
				}
				w.Finally(func(w store.Writer) error {
					last, _ := w.Get(store.KV, "last")
					return errors.Join(second(w.Put(store.KV, "last", nil)), second(w.PutIf(store.KV, fmt.Sprintf("n%03d", last.Version), []byte(own), 0)))
				})
				return second(w.Put(store.Devices, own, nil))
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	view(t, space, func(r store.Reader) {
		want(t, r, store.KV, "last", "", writers*rounds)
		list, err := r.List(store.KV, "n", "", store.MaxList)
		if err != nil || len(list) != writers*rounds {
			t.Errorf("%d of %d, %v", len(list), writers*rounds, err)
		}
	})
}

// finally: it runs behind the function, in order, and fails with it.
func finally(t *testing.T, s store.Store) {
	space := tenant(t, s, "a")
	for i, update := range []func(context.Context, func(store.Writer) error) error{space.Update, space.UpdateAhead} {
		x, y := fmt.Sprint("x", i), fmt.Sprint("y", i)
		err := update(t.Context(), func(w store.Writer) error {
			w.Finally(func(w store.Writer) error {
				want(t, w, store.KV, x, "late", 1)
				w.Finally(func(w store.Writer) error {
					want(t, w, store.KV, y, "second", 2)
					return nil
				})
				put(t, w, store.KV, y, "first")
				return nil
			})
			w.Finally(func(w store.Writer) error { put(t, w, store.KV, y, "second"); return nil })
			put(t, w, store.KV, x, "late")
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		err = update(t.Context(), func(w store.Writer) error {
			put(t, w, store.KV, x, "lost")
			w.Finally(func(store.Writer) error { return errFn })
			return nil
		})
		if !errors.Is(err, errFn) {
			t.Errorf("got %v", err)
		}
		view(t, space, func(r store.Reader) { want(t, r, store.KV, x, "late", 1) })
	}
}

// hammerSpaces: readers beside writers always see both halves of an update,
// and each space its own.
func hammerSpaces(t *testing.T, s store.Store) {
	const rounds = 20
	together(8, func(me int) {
		space, err := s.Tenant("t" + strconv.Itoa(me/2))
		if err != nil {
			t.Error(err)
			return
		}
		for i := range rounds {
			if me%2 == 0 {
				err = space.Update(t.Context(), func(w store.Writer) error {
					value := []byte(fmt.Sprint(me, i))
					_, err := w.Put(store.KV, "left", value)
					return errors.Join(err, second(w.Put(store.Devices, "right", value)))
				})
			} else {
				err = space.View(t.Context(), func(r store.Reader) error {
					left, _ := r.Get(store.KV, "left")
					right, _ := r.Get(store.Devices, "right")
					if string(left.Value) != string(right.Value) || left.Version != right.Version {
						t.Errorf("half an update: %q and %q", left.Value, right.Value)
					}
					return nil
				})
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
}

func together(n int, fn func(me int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}
