package store

import "iter"

// Backend is the ground that a store stands on: rows in order, snapshots and
// durable transactions, and none of the rules. New puts the rules on top, once
// for all grounds, so that stores differ in nothing but what they survive.
//
// A space is named by its tenant, the system's by the empty string.
type Backend interface {
	// Begin opens a transaction on the present state of a space. The store
	// never has two writing transactions of one space under way, and ends
	// every transaction before Close.
	Begin(space string, write bool) (BackendTxn, error)
	Close() error
}

// BackendTxn is one transaction, used by one goroutine at a time.
type BackendTxn interface {
	Rows
	// Commit makes what was set durable, all of it or nothing.
	Commit() error
	// Discard gives the transaction up; after Commit it does nothing.
	Discard()
}

// Rows are what a transaction reads and writes. Those given out belong to the
// caller, and those taken in may be changed by it afterwards.
type Rows interface {
	// Get returns the row, tombstones too, and whether there is one.
	Get(b Bucket, id string) (Row, bool, error)
	// Scan yields the rows, tombstones too, whose id begins with prefix and is
	// not less than from, ordered by the bytes of the id. It ends after an
	// error.
	Scan(b Bucket, prefix, from string) iter.Seq2[Row, error]
	Set(b Bucket, row Row) error
}

// Row is what a backend keeps under an id.
type Row struct {
	ID      string
	Version uint64
	Deleted bool // a tombstone, which has no value
	Value   []byte
}
