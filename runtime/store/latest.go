package store

import (
	"slices"
	"sync"
	"sync/atomic"
)

// latest is the present state of the rows of a space that were read lately, so
// that what every request reads, as a module's record, is neither looked for on
// the disk nor unsealed again and again. A transaction gets a row from it only
// when the row was just that in the state that the transaction shows: see view.
type latest struct {
	all *atomic.Int64 // bytes of the rows of all spaces, about

	mu         sync.Mutex
	commits    uint64 // those that have ended, well or not
	committing bool
	rows       map[place]lately
	bytes      int // of rows, about
}

// lately is a row that no commit has changed since the given one.
type lately struct {
	sighting
	since uint64
}

// The bounds of what is kept, in bytes.
const (
	maxLatestAll = 32 << 20
	maxLatest    = 1 << 20 // of a space
	maxLatestRow = 8 << 10
)

// kept reports whether rows of a bucket are worth keeping: those that each
// request to a connector reads.
func (b Bucket) kept() bool {
	return slices.Contains([]Bucket{Connectors, ConnectorNames, Modules, Types, Categories, Defaults, Secrets, Converters}, b)
}

// begin lets a transaction begin. What it shows is known when no commit came in
// between; then the rows that it reads are taken from here and left here.
func (l *latest) begin(b Backend, space string, write bool) (BackendTxn, error) {
	before, still := l.state()
	txn, err := b.Begin(space, write)
	if err != nil {
		return nil, err
	}
	if after, quiet := l.state(); !still || !quiet || before != after {
		return txn, nil
	}
	return &view{BackendTxn: txn, of: l, at: before}, nil
}

func (l *latest) state() (commits uint64, still bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.commits, !l.committing
}

// forget forgets all rows: nobody will ask for them.
func (l *latest) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
}

// clear forgets all rows. The caller holds mu.
func (l *latest) clear() {
	l.all.Add(-int64(l.bytes))
	l.rows, l.bytes = nil, 0
}

// grow counts bytes more, or fewer. The caller holds mu.
func (l *latest) grow(n int) {
	l.bytes += n
	l.all.Add(int64(n))
}

// commit commits what is staged. What it changes is forgotten before it can be
// seen, and known again once it is there.
func (l *latest) commit(txn BackendTxn, s *staged) error {
	known := l.part(s)
	err := txn.Commit()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commits++
	l.committing = false
	if err != nil {
		return err // it is open what is there
	}
	for _, at := range known {
		l.put(at, sighting{owned(s.set[at.bucket][at.id]), true}, l.commits)
	}
	return nil
}

// part forgets what is about to change, and answers what of that was known.
func (l *latest) part(s *staged) (known []place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.committing = true
	for b, rows := range s.set {
		for id := range rows {
			at := place{b, id}
			if old, ok := l.rows[at]; ok {
				l.grow(-old.size(at))
				delete(l.rows, at)
				known = append(known, at)
			}
		}
	}
	return known
}

// put keeps a row. The caller holds mu.
func (l *latest) put(at place, s sighting, since uint64) {
	n := s.size(at)
	if n > maxLatestRow {
		return
	}
	if l.bytes+n > maxLatest {
		l.clear()
	}
	if l.rows == nil {
		l.rows = map[place]lately{}
	}
	if old, ok := l.rows[at]; ok {
		l.grow(-old.size(at))
	}
	l.rows[at] = lately{s, since}
	l.grow(n)
}

func (s *sighting) size(at place) int { return len(at.id) + len(s.row.Value) + writeCost }

// view is a transaction on the state after the given number of commits.
type view struct {
	BackendTxn

	of *latest
	at uint64
}

func (v *view) Get(b Bucket, id string) (Row, bool, error) {
	if !b.kept() {
		return v.BackendTxn.Get(b, id)
	}
	at := place{b, id}
	if row, ok := v.of.get(at, v.at); ok {
		return owned(row.row), row.found, nil
	}
	row, found, err := v.BackendTxn.Get(b, id)
	if err == nil {
		v.of.learn(at, sighting{row, found}, v.at)
	}
	return row, found, err
}

// get is a row that was so after so many commits.
func (l *latest) get(at place, commits uint64) (lately, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	row, ok := l.rows[at]
	return row, ok && row.since <= commits
}

// learn keeps what was read after so many commits, unless there were more.
func (l *latest) learn(at place, s sighting, commits uint64) {
	s.row = owned(s.row)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.commits == commits && !l.committing {
		l.put(at, s, commits)
	}
}
