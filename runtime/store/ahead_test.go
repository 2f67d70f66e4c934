package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/snaprail/snaprail/runtime/fault"
)

// held starts an update that keeps its turn until it is let go, and what it does
// then.
func held(t *testing.T, space Space, then func(Writer) error) (let chan struct{}, done chan error) {
	t.Helper()
	let, done = make(chan struct{}), make(chan error, 1)
	go func() {
		done <- space.Update(t.Context(), func(w Writer) error { <-let; return then(w) })
	}()
	synctest.Wait()
	return let, done
}

// TestAheadRunsBesideTheTurn: the function runs while another has the turn, and
// once more if what it read was written then. What another wrote elsewhere is
// nothing to it.
func TestAheadRunsBesideTheTurn(t *testing.T) {
	get := func(w Writer) error { _, err := w.Get(KV, "x"); return ignore(err) }
	list := func(w Writer) error { _, err := w.List(KV, "x", "", 10); return err }
	for name, test := range map[string]struct {
		reads func(Writer) error
		other string // what the one with the turn writes
		runs  int
	}{
		"another entry":          {get, "other", 1},
		"the entry":              {get, "x", 2},
		"an entry of the list":   {list, "xyz", 2},
		"none of the list":       {list, "other", 1},
		"what is written blind":  {func(Writer) error { return nil }, "mine", 2},
		"more than can be known": {func(w Writer) error { return manyGets(w) }, "other", 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSlow()
				b.let(1000)
				space := one(t, b)
				let, done := held(t, space, func(w Writer) error { _, err := w.Put(KV, test.other, nil); return err })
				runs, finals := 0, 0
				ran := make(chan error, 1)
				go func() {
					ran <- space.UpdateAhead(t.Context(), func(w Writer) error {
						runs++
						w.Finally(func(w Writer) error { finals++; return get(w) })
						if err := test.reads(w); err != nil {
							return err
						}
						_, err := w.Put(KV, "mine", nil)
						return err
					})
				}()
				synctest.Wait()
				if runs != 1 || finals != 0 {
					t.Errorf("%d runs and %d of the rest, beside the turn", runs, finals)
				}
				close(let)
				if err := errors.Join(<-done, <-ran); err != nil {
					t.Error(err)
				}
				version := uint64(1)
				if test.other == "mine" {
					version = 2
				}
				if runs != test.runs || finals != 1 || b.rows["mine"].Version != version || b.rows[test.other].Version == 0 {
					t.Errorf("%d runs, %d of the rest: %v", runs, finals, b.rows)
				}
				if len(turnsOf(space)) != 0 {
					t.Error("the space is still held")
				}
			})
		})
	}
}

// TestAheadAnswersWithoutATurn what is so on what is durable: a refusal, or that
// there is nothing to do.
func TestAheadAnswersWithoutATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlow()
		b.let(1000)
		space := one(t, b)
		let, done := held(t, space, func(w Writer) error { _, err := w.Put(KV, "x", nil); return err })
		own := errors.New("no")
		if err := space.UpdateAhead(t.Context(), func(Writer) error { return own }); !errors.Is(err, own) {
			t.Error(err)
		}
		err := space.UpdateAhead(t.Context(), func(w Writer) error {
			if _, err := w.Get(KV, "x"); !fault.Is(err, fault.NotFound) {
				t.Errorf("it sees what is not durable: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		close(let)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestAheadGivesUp when its context ends before its turn, or it panics.
func TestAheadGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlow()
		b.let(1000)
		space := one(t, b)
		let, done := held(t, space, func(Writer) error { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		put := func(w Writer) error { _, err := w.Put(KV, "x", nil); return err }
		go func() { failed <- space.UpdateAhead(ctx, put) }()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = space.UpdateAhead(t.Context(), func(Writer) error { panic("half way") })
		}()
		close(let)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(turnsOf(space)) != 0 || len(b.rows) != 0 {
			t.Errorf("left behind: %v, %v", turnsOf(space), b.rows)
		}
	})
}

// TestNobodyWaitsForWhoIsNear: what was written is committed at once, however
// many run ahead of their turn.
func TestNobodyWaitsForWhoIsNear(t *testing.T) {
	own := errors.New("changed its mind")
	for name, end := range map[string]func(Writer) error{
		"it writes": func(w Writer) error { _, err := w.Put(KV, "late", nil); return err },
		"it fails":  func(Writer) error { return own },
		"nothing":   func(Writer) error { return nil },
		"it panics": func(Writer) error { panic("half way") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSlow()
				b.let(1000)
				space := one(t, b)
				let, first := held(t, space, func(w Writer) error { _, err := w.Put(KV, "first", nil); return err })
				ends, late := make(chan struct{}), make(chan error, 1)
				go func() {
					defer func() {
						if recover() != nil {
							late <- nil
						}
					}()
					late <- space.UpdateAhead(t.Context(), func(w Writer) error { <-ends; return end(w) })
				}()
				synctest.Wait()
				close(let)
				if err := <-first; err != nil || b.commits != 1 {
					t.Errorf("%v after %d commits", err, b.commits)
				}
				close(ends)
				if err := <-late; err != nil && !errors.Is(err, own) {
					t.Error(err)
				}
				if synctest.Wait(); b.open != 0 || len(turnsOf(space)) != 0 {
					t.Errorf("%d snapshots left behind, and %v", b.open, turnsOf(space))
				}
			})
		})
	}
}

// TestHistoryForgets: who ran ahead longer ago than the history reaches back is
// run again, whatever it has read.
func TestHistoryForgets(t *testing.T) {
	var h history
	durable := uint64(0)
	write := func(id string) {
		s, o := &staged{}, &outcome{}
		s.put(KV, Row{ID: id})
		h.add(s, o)
		durable++
		o.settle(durable, nil)
	}
	write("x")
	a := &ahead{state: durable, reads: &reads{}}
	a.reads.put(place{KV, "x"}, Row{})
	for i := range 2*maxHistory - 1 {
		write(fmt.Sprint(i))
		if !h.holds(a) {
			t.Fatalf("after %d updates elsewhere it does not hold", i+1)
		}
	}
	write("one more")
	write("and another")
	if h.holds(a) || len(h.old)+len(h.new) > 2*maxHistory {
		t.Errorf("holds %v, with %d entries", h.holds(a), len(h.old)+len(h.new))
	}
	if a.state = durable; !h.holds(a) {
		t.Error("what is new does not hold")
	}
	if write("x"); h.holds(a) {
		t.Error("holds, though what it read was written")
	}
}

func turnsOf(s Space) map[string]*turn { return s.(*living).store.turns.spaces }

func ignore(err error) error {
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

func manyGets(w Writer) error {
	for i := range maxReads + 1 {
		if _, err := w.Get(KV, fmt.Sprint("many", i)); !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}
