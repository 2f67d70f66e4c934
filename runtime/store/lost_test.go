package store

import (
	"iter"
	"testing"
	"testing/synctest"

	"github.com/snaprail/snaprail/runtime/fault"
)

// numberless answers no state with a failed commit, as a full disk does.
type numberless struct{ *slow }

func (z numberless) Commit(space string, rows iter.Seq2[Bucket, Row]) (uint64, error) {
	state, err := z.slow.Commit(space, rows)
	if err != nil {
		state = 0
	}
	return state, err
}

// An update that ran ahead before A was durable, and whose turn comes when A is and
// B has failed, runs again: it would write over A what it read before.
func TestAheadBehindAFailedCommit(t *testing.T) {
	for name, failing := range map[string]func(*slow) Backend{
		"with a state":    func(b *slow) Backend { return b },
		"without a state": func(b *slow) Backend { return numberless{b} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { aheadBehindAFailedCommit(t, failing) })
		})
	}
}

func aheadBehindAFailedCommit(t *testing.T, failing func(*slow) Backend) {
	t.Helper()
	b := newSlow()
	space := one(t, failing(b))
	put := func(id, v string) func(Writer) error {
		return func(w Writer) error { _, err := w.Put(KV, id, []byte(v)); return err }
	}
	b.let(1)
	if err := space.Update(t.Context(), put("x", "0")); err != nil {
		t.Fatal(err)
	}
	letA, doneA := held(t, space, put("x", "A"))
	letB, doneB := held(t, space, put("y", "B"))
	letC, doneC := held(t, space, func(Writer) error { return nil }) // has the turn when the other comes
	ran := make(chan error, 1)
	go func() {
		ran <- space.UpdateAhead(t.Context(), func(w Writer) error {
			e, err := w.Get(KV, "x")
			if err != nil {
				return err
			}
			_, err = w.PutIf(KV, "x", append([]byte("on "), e.Value...), e.Version)
			return err
		})
	}()
	synctest.Wait()
	close(letA)
	b.let(1)
	if err := <-doneA; err != nil {
		t.Fatal(err)
	}
	b.breaks(fault.New(fault.DiskFull, "full"))
	close(letB)
	synctest.Wait()
	b.let(1)
	if err := <-doneB; !fault.Is(err, fault.DiskFull) {
		t.Errorf("B: %v", err)
	}
	b.breaks(nil)
	close(letC)
	b.let(10)
	t.Log(<-doneC) // what it saw may be lost, too
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
	if x := b.rows["x"]; string(x.Value) != "on A" || x.Version != 3 {
		t.Errorf("x is %q, version %d: what A wrote is lost", x.Value, x.Version)
	}
}

// Who was refused because of what others were about to write hears that it is lost,
// when it is, and not that it exists.
func TestRefusedForWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSlow()
		b.breaks(fault.New(fault.DiskFull, "full"))
		space := one(t, b)
		create := func(w Writer) error { _, err := w.PutIf(KV, "pump", nil, 0); return err }
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- space.Update(t.Context(), create) }()
		synctest.Wait()
		go func() { second <- space.Update(t.Context(), create) }()
		synctest.Wait()
		b.let(2)
		for _, done := range []chan error{first, second} {
			if err := <-done; !fault.Is(err, fault.DiskFull) {
				t.Errorf("got %v", err)
			}
		}
	})
}
