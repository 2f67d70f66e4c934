package badger

import (
	"testing"
	"testing/synctest"

	bdg "github.com/dgraph-io/badger/v4"
)

// TestStates: who begins to read waits for no commit and sees those that have
// ended with all before them; a commit is answered when it is seen.
func TestStates(t *testing.T) {
	db, err := bdg.OpenManaged(bdg.DefaultOptions("").WithInMemory(true).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	synctest.Test(t, func(t *testing.T) {
		s := newStates(db)
		s.sent = 3 // three are under way
		look := func(want uint64) {
			t.Helper()
			state := s.begin()
			if s.end(state); state != want {
				t.Errorf("state %d is shown, not %d", state, want)
			}
		}
		look(0)
		shown := make(chan uint64, 3)
		end := func(n uint64) {
			go func() { s.show(n); shown <- n }()
			synctest.Wait()
		}
		end(2)
		look(0)
		if len(shown) != 0 {
			t.Error("a commit was answered before it is shown")
		}
		end(1)
		look(2)
		end(3)
		look(3)
		if len(shown) != 3 || len(s.open) != 0 || len(s.ended) != 0 {
			t.Errorf("%d answered; left behind: %v, %v", len(shown), s.open, s.ended)
		}
	})
}
