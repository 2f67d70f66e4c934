package store

import (
	"sync"
	"sync/atomic"
)

// latest is the present state of the rows of a space that were read lately, so
// that what every request reads, as a module's record, is neither looked for on
// the disk nor unsealed again and again. A snapshot gets a row from it only when
// the row was just that in the snapshot's state: see view.
type latest struct {
	all *atomic.Int64 // bytes of the rows of all spaces, about

	mu     sync.Mutex
	state  uint64  // that showed the last commit of the space first
	flying *staged // what is being committed; nil: nothing
	rows   map[place]lately
	bytes  int // of rows, about
}

// lately is a row that no commit has changed since the given state.
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
	return b == Connectors || b == ConnectorNames || b == Modules || b == Types ||
		b == Categories || b == Defaults || b == Secrets || b == Converters
}

// begin is the present state of the space. The rows that are read of it are
// taken from here and left here.
func (l *latest) begin(b Backend, space string) (Snapshot, error) {
	rows, err := b.Begin(space)
	if err != nil {
		return nil, err
	}
	return &view{Snapshot: rows, of: l}, nil
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
func (l *latest) commit(b Backend, space string, s *staged) (state uint64, err error) {
	l.part(s)
	state, err = b.Commit(space, s.all())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flying = nil
	l.state = max(l.state, state)
	if err != nil {
		return l.state, err // it is open what is there, and the backend need not number it
	}
	for i := range s.set.list {
		if p := &s.set.list[i]; p.bucket.kept() {
			l.put(p.place, sighting{p.row, true}, state)
		}
	}
	return state, nil
}

// part forgets what is about to change.
func (l *latest) part(s *staged) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flying = s
	for i := range s.set.list {
		at := s.set.list[i].place
		if old, ok := l.rows[at]; ok {
			l.grow(-old.size(at))
			delete(l.rows, at)
		}
	}
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

// view is a snapshot of a space of which much is known.
type view struct {
	Snapshot

	of *latest
}

func (v *view) Get(b Bucket, id string) (Row, bool, error) {
	if !b.kept() {
		return v.Snapshot.Get(b, id)
	}
	at := place{b, id}
	if row, ok := v.of.get(at, v.State()); ok {
		return row.row, row.found, nil
	}
	row, found, err := v.Snapshot.Get(b, id)
	if err == nil {
		v.of.learn(at, sighting{row, found}, v.State())
	}
	return row, found, err
}

// get is a row that was so in a state.
func (l *latest) get(at place, state uint64) (lately, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	row, ok := l.rows[at]
	return row, ok && row.since <= state
}

// learn keeps what was read in a state, unless it may be another since then.
func (l *latest) learn(at place, s sighting, state uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if state < l.state || l.flying != nil && l.flying.set.find(at) >= 0 {
		return
	}
	if old, ok := l.rows[at]; ok && old.since > state {
		return
	}
	l.put(at, s, state)
}
