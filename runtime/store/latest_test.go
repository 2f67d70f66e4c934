package store_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/badger"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// TestHammerWhatIsKeptIsWhatIsThere moves amounts between entries that are kept
// in memory, by many at once, while others read: whoever looks sees a state that
// has been, in which nothing has been lost, and never one older than what they
// have seen before.
func TestHammerWhatIsKeptIsWhatIsThere(t *testing.T) {
	grounds := map[string]func(t *testing.T) store.Store{
		"memory": func(*testing.T) store.Store { return memory.New() },
		"badger": func(t *testing.T) store.Store {
			t.Helper()
			s, err := badger.Open(badger.Config{Dir: t.TempDir(), Reserve: 1})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	}
	for name, open := range grounds {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			space, err := s.Tenant("acme")
			if err != nil {
				t.Fatal(err)
			}
			hammerLatest(t, space)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

const accounts, each = 8, 100

func hammerLatest(t *testing.T, space store.Space) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := space.Update(ctx, func(w store.Writer) error {
		for i := range accounts {
			if _, err := w.Put(store.Connectors, account(i), amount(each)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var writers, readers sync.WaitGroup
	for me := range 6 {
		update := space.Update
		if me%2 == 0 {
			update = space.UpdateAhead
		}
		writers.Go(func() {
			for range 150 {
				if err := update(ctx, move); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 3 {
		readers.Go(func() {
			seen := map[string]uint64{}
			for ctx.Err() == nil {
				err := space.View(ctx, func(r store.Reader) error { return audit(r, seen) })
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	cancel()
	readers.Wait()
}

func account(i int) string { return fmt.Sprintf("account-%d", i) }

func amount(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// move takes one from an account that has one and gives it to another, which is
// deleted and made anew now and then.
func move(w store.Writer) error {
	from, to := account(rand.IntN(accounts)), account(rand.IntN(accounts))
	a, err := w.Get(store.Connectors, from)
	if err != nil {
		return err
	}
	b, err := w.Get(store.Connectors, to)
	if err != nil {
		return err
	}
	n := binary.BigEndian.Uint64(a.Value)
	if from == to || n == 0 {
		return nil
	}
	if rand.IntN(10) == 0 {
		if err := w.Delete(store.Connectors, to); err != nil {
			return err
		}
	}
	if _, err := w.Put(store.Connectors, from, amount(n-1)); err != nil {
		return err
	}
	_, err = w.Put(store.Connectors, to, amount(binary.BigEndian.Uint64(b.Value)+1))
	return err
}

// audit reads all accounts, in no order, and the versions that are seen of them.
func audit(r store.Reader, seen map[string]uint64) error {
	sum := uint64(0)
	for _, i := range rand.Perm(accounts) {
		e, err := r.Get(store.Connectors, account(i))
		if err != nil {
			return err
		}
		if e.Version < seen[e.ID] {
			return fmt.Errorf("%s was at version %d, and is at %d", e.ID, seen[e.ID], e.Version)
		}
		seen[e.ID] = e.Version
		sum += binary.BigEndian.Uint64(e.Value)
	}
	if sum != accounts*each {
		return fmt.Errorf("a state that has not been: %d in all accounts", sum)
	}
	return nil
}

// TestSnapshotStays holds that what is written while somebody looks is not shown
// to them, whether it was read before by others or not.
func TestSnapshotStays(t *testing.T) {
	s := memory.New()
	space, err := s.Tenant("acme")
	if err != nil {
		t.Fatal(err)
	}
	put := func(id, value string) {
		t.Helper()
		if err := space.Update(t.Context(), func(w store.Writer) error {
			_, err := w.Put(store.Modules, id, []byte(value))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	get := func(r store.Reader, id string) string {
		e, err := r.Get(store.Modules, id)
		if fault.Is(err, fault.NotFound) {
			return "none"
		}
		return string(e.Value) + fmt.Sprint(err == nil)
	}
	put("a", "1")
	put("b", "1")
	if err := space.View(t.Context(), func(r store.Reader) error {
		_ = get(r, "a") // is kept now
		put("a", "2")
		put("b", "2")
		put("c", "2")
		if err := space.View(t.Context(), func(now store.Reader) error {
			if got := get(now, "a") + get(now, "b") + get(now, "c"); got != "2true2true2true" {
				t.Errorf("now: %s", got)
			}
			return nil
		}); err != nil {
			return err
		}
		if got := get(r, "a") + get(r, "b") + get(r, "c"); got != "1true1truenone" {
			t.Errorf("then: %s", got)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// One that was dropped, and came again.
	if err := s.Drop(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if space, err = s.Tenant("acme"); err != nil {
		t.Fatal(err)
	}
	if err := space.View(t.Context(), func(r store.Reader) error {
		if got := get(r, "a"); got != "none" {
			t.Errorf("after Drop: %s", got)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
