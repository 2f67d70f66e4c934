package store

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/snaprail/snaprail/runtime/fault"
)

// slow is a backend of one space whose commits wait to be let go.
type slow struct {
	mu      sync.Mutex
	rows    map[string]Row
	commits int
	fail    error
	gate    chan struct{}
}

func newSlow() *slow { return &slow{rows: map[string]Row{}, gate: make(chan struct{}, 1000)} }

func (s *slow) Begin(string, bool) (BackendTxn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &slowTxn{slow: s, seen: maps.Clone(s.rows)}, nil
}

func (s *slow) Close() error { return nil }

// let lets n commits go on.
func (s *slow) let(n int) {
	for range n {
		s.gate <- struct{}{}
	}
}

type slowTxn struct {
	*slow
	seen map[string]Row
}

func (t *slowTxn) Get(_ Bucket, id string) (Row, bool, error) {
	row, ok := t.seen[id]
	return row, ok, nil
}

func (t *slowTxn) Scan(_ Bucket, prefix, from string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(t.seen)) {
			if id >= from && strings.HasPrefix(id, prefix) && !yield(t.seen[id], nil) {
				return
			}
		}
	}
}

func (t *slowTxn) Set(_ Bucket, row Row) error { t.seen[row.ID] = row; return nil }

func (t *slowTxn) Commit() error {
	<-t.gate
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.commits++; t.fail != nil {
		return t.fail
	}
	t.rows = t.seen
	return nil
}

func (t *slowTxn) Discard() {}

// pile starts a writer whose commit waits, and n more behind it.
func pile(t *testing.T, space Space, n int, fn func(me int, w Writer) error) (wait func() []error) {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := space.Update(t.Context(), func(w Writer) error { _, err := w.Put(KV, "first", nil); return err }); err != nil {
			t.Error(err)
		}
	})
	synctest.Wait() // it waits for its commit
	for me := range n {
		wg.Go(func() { errs[me] = space.Update(t.Context(), func(w Writer) error { return fn(me, w) }) })
		synctest.Wait() // in this order
	}
	return func() []error { wg.Wait(); return errs }
}

func one(t *testing.T, b Backend) Space {
	t.Helper()
	space, err := New(b).Tenant("a")
	if err != nil {
		t.Fatal(err)
	}
	return space
}

// TestWritersShareACommit: those that came while one was under way need one
// more for all of them. A function that fails leaves nothing of itself, and
// none of the others feels it.
func TestWritersShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlow()
		own := errors.New("changed its mind")
		wait := pile(t, one(t, b), 50, func(me int, w Writer) error {
			entries, err := w.List(KV, "n", "", 100)
			if err != nil {
				return err
			}
			if _, err := w.Put(KV, fmt.Sprintf("n%02d", len(entries)), []byte{byte(me)}); err != nil {
				return err
			}
			if me%5 == 0 {
				return own
			}
			return nil
		})
		b.let(1000)
		for me, err := range wait() {
			if (me%5 == 0) != errors.Is(err, own) || me%5 != 0 && err != nil {
				t.Errorf("writer %d: %v", me, err)
			}
		}
		if b.commits != 2 || len(b.rows) != 41 {
			t.Errorf("%d commits for %d rows", b.commits, len(b.rows))
		}
	})
}

// TestNobodyIsToldOfWhatIsLost: when the commit fails, then for all that had a
// part in it, and for those that only read what the others wrote.
func TestNobodyIsToldOfWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlow()
		wait := pile(t, one(t, b), 10, func(me int, w Writer) error {
			if me == 9 {
				if _, err := w.Get(KV, "n8"); err != nil {
					t.Error(err)
				}
				return nil
			}
			_, err := w.Put(KV, fmt.Sprint("n", me), nil)
			return err
		})
		b.let(1)
		synctest.Wait()
		b.mu.Lock()
		b.fail = fault.New(fault.DiskFull, "full")
		b.mu.Unlock()
		b.let(100)
		for me, err := range wait() {
			if !fault.Is(err, fault.DiskFull) {
				t.Errorf("writer %d: %v", me, err)
			}
		}
		if len(b.rows) != 1 {
			t.Errorf("%d rows", len(b.rows))
		}
	})
}

// TestABatchIsNoLargerThanATransaction and what does not fit in is in the next.
func TestABatchIsNoLargerThanATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlow()
		wait := pile(t, one(t, b), 12, func(me int, w Writer) error {
			if me > 0 {
				if _, err := w.Get(KV, fmt.Sprint("n", me-1)); err != nil {
					return err
				}
			}
			_, err := w.Put(KV, fmt.Sprint("n", me), make([]byte, MaxValue))
			return err
		})
		b.let(1000)
		if err := errors.Join(wait()...); err != nil {
			t.Error(err)
		}
		if b.commits != 1+4 || len(b.rows) != 13 { // three of 256 KiB in each
			t.Errorf("%d commits for %d rows", b.commits, len(b.rows))
		}
	})
}

// TestALoneWriterWaitsForNobody, nor does one that comes after a panic.
func TestALoneWriterWaitsForNobody(t *testing.T) {
	b := newSlow()
	b.let(10)
	space := one(t, b)
	put := func(w Writer) error { _, err := w.Put(KV, "x", nil); return err }
	func() {
		defer func() { _ = recover() }()
		_ = space.Update(t.Context(), func(w Writer) error { _ = put(w); panic("half way") })
	}()
	if err := space.Update(t.Context(), put); err != nil || b.commits != 1 || b.rows["x"].Version != 1 {
		t.Errorf("%v after %d commits: %+v", err, b.commits, b.rows)
	}
}
