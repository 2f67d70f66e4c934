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
	open    int // snapshots
	fail    error
	gate    chan struct{}
}

func newSlow() *slow { return &slow{rows: map[string]Row{}, gate: make(chan struct{}, 1000)} }

func (s *slow) Begin(string) (Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	return &slowSnapshot{s, maps.Clone(s.rows), uint64(s.commits)}, nil
}

func (s *slow) Commit(_ string, rows iter.Seq2[Bucket, Row]) (uint64, error) {
	<-s.gate
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.commits++; s.fail != nil {
		return uint64(s.commits), s.fail
	}
	for _, row := range rows {
		s.rows[row.ID] = row
	}
	return uint64(s.commits), nil
}

func (s *slow) Close() error { return nil }

// breaks has commits fail; nil: no more.
func (s *slow) breaks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// let lets n commits go on.
func (s *slow) let(n int) {
	for range n {
		s.gate <- struct{}{}
	}
}

type slowSnapshot struct {
	of    *slow
	seen  map[string]Row
	state uint64
}

func (t *slowSnapshot) State() uint64 { return t.state }

func (t *slowSnapshot) Discard() {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	t.of.open--
	t.seen = nil // it shows nothing any more
}

func (t *slowSnapshot) Get(_ Bucket, id string) (Row, bool, error) {
	row, ok := t.seen[id]
	return row, ok, nil
}

func (t *slowSnapshot) Scan(_ Bucket, prefix, from string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(t.seen)) {
			if id >= from && strings.HasPrefix(id, prefix) && !yield(t.seen[id], nil) {
				return
			}
		}
	}
}

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

// TestWhatShowsWhatIsLostIsLost: when a commit fails, then also those fail that
// gathered meanwhile and saw what it was to write. What comes afterwards does not.
func TestWhatShowsWhatIsLostIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlow()
		b.fail = fault.New(fault.DiskFull, "full")
		space := one(t, b)
		put := func(id string) func(Writer) error {
			return func(w Writer) error { _, err := w.Put(KV, id, nil); return err }
		}
		first := make(chan error, 1)
		go func() { first <- space.Update(t.Context(), put("first")) }()
		synctest.Wait()
		errs := make(chan error, 2)
		go func() { errs <- space.Update(t.Context(), put("second")) }()
		go func() {
			errs <- space.Update(t.Context(), func(w Writer) error {
				_, err := w.Get(KV, "first")
				return err
			})
		}()
		synctest.Wait()
		if len(errs) != 0 {
			t.Fatal("somebody was answered while the first commit was under way")
		}
		b.let(1)
		for _, err := range []error{<-first, <-errs, <-errs} {
			if !fault.Is(err, fault.DiskFull) {
				t.Error(err)
			}
		}
		b.fail = nil
		b.let(1)
		if err := space.Update(t.Context(), put("third")); err != nil || len(b.rows) != 1 || b.commits != 2 {
			t.Errorf("%v after %d commits: %v", err, b.commits, b.rows)
		}
		if synctest.Wait(); b.open != 0 || len(turnsOf(space)) != 0 {
			t.Errorf("%d snapshots left behind, and %v", b.open, turnsOf(space))
		}
	})
}

// TestAWriterOnABatchThatTakesOff reads all that it showed, and joins the next
// one.
func TestAWriterOnABatchThatTakesOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlow()
		b.rows["old"] = Row{ID: "old", Version: 7}
		space := one(t, b)
		wait := pile(t, space, 2, func(me int, w Writer) error { _, err := w.Put(KV, fmt.Sprint("n", me), nil); return err })
		got := ""
		let, done := held(t, space, func(w Writer) error {
			for _, id := range []string{"first", "n0", "n1", "old"} {
				e, err := w.Get(KV, id)
				got += fmt.Sprint(id, e.Version, err == nil, " ")
			}
			_, err := w.Put(KV, "late", nil)
			return err
		})
		b.let(2) // the first one's, and that of the batch that it runs on
		synctest.Wait()
		if err := errors.Join(wait()...); err != nil || b.commits != 2 {
			t.Errorf("%v after %d commits", err, b.commits)
		}
		close(let)
		synctest.Wait()
		if len(done) != 0 {
			t.Error("answered before its own commit")
		}
		b.let(1)
		if err := <-done; err != nil || b.rows["late"].Version != 1 || b.commits != 3 {
			t.Errorf("%v after %d commits: %v", err, b.commits, b.rows)
		}
		if got != "first1 true n01 true n11 true old7 true " {
			t.Errorf("it saw %s", got)
		}
		if synctest.Wait(); b.open != 0 || len(turnsOf(space)) != 0 {
			t.Errorf("%d snapshots left behind, and %v", b.open, turnsOf(space))
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
		for range 1 + 4 {
			b.let(1)
			synctest.Wait()
		}
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
