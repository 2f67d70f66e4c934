package store

import "iter"

// Backend is the ground that a store stands on: rows in order, snapshots and
// durable commits, and none of the rules. New puts the rules on top, once for
// all grounds, so that stores differ in nothing but what they survive.
//
// A space is named by its tenant, the system's by the empty string.
type Backend interface {
	// Begin is the present state of a space. It waits for no commit: what is not
	// durable yet is not shown. The store ends every snapshot before Close.
	Begin(space string) (Snapshot, error)

	// Commit makes rows of a space durable, all of them or none, and answers the
	// first state that shows them; with an error it is not looked at. Snapshots
	// begun after it has returned are of that state, or of a later one. The store
	// never has two commits of one space under way. Rows with the same bucket and
	// id do not come twice.
	Commit(space string, rows iter.Seq2[Bucket, Row]) (state uint64, err error)

	Close() error
}

// Snapshot is one state of a space, used by one goroutine at a time.
type Snapshot interface {
	Rows
	// State numbers the states of a backend. It grows with commits, of whatever
	// space, and never falls while the backend is open: a space is the same in
	// two states that have no commit of it between them.
	State() uint64
	// Discard gives the snapshot up.
	Discard()
}

// Rows are what a transaction reads. The values given out are shared and must
// not be changed.
type Rows interface {
	// Get returns the row, tombstones too, and whether there is one.
	Get(b Bucket, id string) (Row, bool, error)
	// Scan yields the rows, tombstones too, whose id begins with prefix and is
	// not less than from, ordered by the bytes of the id. It ends after an
	// error.
	Scan(b Bucket, prefix, from string) iter.Seq2[Row, error]
}

// Row is what a backend keeps under an id. Nobody changes the bytes of one.
type Row struct {
	ID      string
	Version uint64
	Deleted bool // a tombstone, which has no value
	Value   []byte
}
