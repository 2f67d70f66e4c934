package badger

import (
	"sync"

	bdg "github.com/dgraph-io/badger/v4"
)

// states numbers the commits, and so the states of the store: Badger's own
// numbers let nobody begin to read while any commit is under way, which with many
// writers is always. A commit is shown once it has ended, and all before it have.
type states struct {
	db *bdg.DB

	sending sync.Mutex // so that commits come to the log in the order of their numbers: see checkLogs
	sent    uint64     // the last number that was given out

	mu    sync.Mutex
	turn  *sync.Cond          // when shown has grown
	shown uint64              // all commits up to this one have ended
	ended map[uint64]struct{} // of those after it
	open  map[uint64]int      // snapshots by state
}

// newStates begins with what the store holds.
func newStates(db *bdg.DB) *states {
	newest := db.MaxVersion()
	s := &states{db: db, sent: newest, shown: newest, ended: map[uint64]struct{}{}, open: map[uint64]int{}}
	s.turn = sync.NewCond(&s.mu)
	db.SetDiscardTs(newest)
	return s
}

// begin is the present state, of which nothing is thrown away before its end.
func (s *states) begin() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[s.shown]++
	return s.shown
}

func (s *states) end(state uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[state]--; s.open[state] == 0 {
		delete(s.open, state)
	}
}

// commit commits what a transaction has set, and returns when it is shown. The
// state is the first one that shows it, or that would, had it not failed.
func (s *states) commit(t *bdg.Txn) (state uint64, err error) {
	done := make(chan error, 1)
	s.sending.Lock()
	s.sent++
	state = s.sent
	err = t.CommitAt(state, func(err error) { done <- err })
	s.sending.Unlock()
	if err == nil {
		err = <-done
	}
	s.show(state)
	return state, err
}

// show ends a commit and waits for those before it, which Badger ends first or at
// the same time. What no snapshot needs may go from then on.
func (s *states) show(state uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[state] = struct{}{}
	for there := true; there; {
		if _, there = s.ended[s.shown+1]; there {
			s.shown++
			delete(s.ended, s.shown)
		}
	}
	s.turn.Broadcast()
	for s.shown < state {
		s.turn.Wait()
	}
	oldest := s.shown
	for open := range s.open {
		oldest = min(oldest, open)
	}
	s.db.SetDiscardTs(oldest)
}
