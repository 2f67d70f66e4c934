// Package store is where desired state is kept: small values in named buckets,
// each tenant in a space of its own, changed in transactions and versioned one
// by one. The package holds the words and the rules; its sub-folders hold the
// two grounds they stand on, badger (on disk, sealed) and memory (its twin),
// and storetest, the contract that both pass.
//
// What is kept under runtime/ and whatever is above it may import the package;
// which ground is used is settled in cmd alone. Its invariant (I3): a tenant
// is named once, at Tenant. A Space cannot reach what belongs to another.
//
//	space, err := s.Tenant("acme")
//	err = space.Update(ctx, func(w store.Writer) error {
//		_, err := w.PutIf(store.Connectors, c.ID, raw, c.Revision)
//		return err
//	})
package store

import "context"

// The bounds that hold in every store. What exceeds one fails with
// fault.TooLarge, or fault.Invalid where it says so.
const (
	MaxID    = 512       // bytes of an id; an id has at least one (fault.Invalid)
	MaxValue = 256 << 10 // bytes of a value; larger things are files
	MaxList  = 1000      // entries of a List (fault.Invalid)
	MaxPage  = 32 << 20  // bytes of the values of a List
	MaxTxn   = 1 << 20   // bytes that an Update writes: ids, values and 160 for each write
)

// Store keeps the spaces of all tenants. It is safe for concurrent use.
type Store interface {
	// Tenant is the space of one tenant, which comes into being with its first
	// write. An id that is not 1 to 63 of a-z, 0-9 and - is fault.Invalid.
	Tenant(id string) (Space, error)

	// Drop deletes all entries of a tenant's space, after the transactions that
	// are under way. Spaces of it that were given out before are dead for ever:
	// their transactions fail with fault.NotFound. Those asked for afterwards are
	// those of a tenant that has nothing. A Drop that fails can be done again,
	// and until one has succeeded the space stays shut. It must not be called
	// inside a transaction.
	Drop(ctx context.Context, id string) error

	// System is the space of what belongs to no tenant, such as tokens.
	System() Space

	// Close waits for the transactions under way and gives up the ground the
	// store stands on. A transaction begun later fails with
	// fault.ShuttingDown; closing again does nothing. It must not be called
	// inside a transaction.
	Close() error
}

// Space is what one tenant owns, or the system. It is safe for concurrent use.
type Space interface {
	// View runs fn on a snapshot and returns its error.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn in a transaction: when fn returns nil, all it wrote is
	// durable before Update returns, otherwise nothing is. Updates of a space
	// are serialisable. Fn may run more than once, so that it must have no
	// effects but its writes. It must neither call Update itself nor wait for
	// somebody who does: updates that come together share one commit, and an
	// earlier one may not return before a later one has run.
	//
	// Errors are fn's own, those of ctx before the commit began,
	// fault.DiskFull when the disk has no room to spare, and fault.Internal
	// when the commit failed: then alone it is open whether the writes are
	// there.
	Update(ctx context.Context, fn func(Writer) error) error

	// UpdateAhead is Update for what many do side by side to entries of their
	// own. While others write, fn runs before its turn, beside them and on what
	// is durable; when the turn comes and nothing of what it has read is another
	// now, what it wrote counts, and otherwise it runs again. So fn must be ready
	// to run beside itself and others of its space. What all of them write, as
	// the audit trail, belongs into Writer.Finally. An error that fn returns
	// ahead is the answer: it is that of a moment after the call began.
	UpdateAhead(ctx context.Context, fn func(Writer) error) error
}

// Reader reads one state of a space. It ends with the function it was given
// to, and belongs to that function's goroutine. Every method returns the
// context's error once the context has ended, and fault.Integrity when what is
// stored is damaged.
type Reader interface {
	// Get returns the entry, or fault.NotFound.
	Get(b Bucket, id string) (Entry, error)

	// List returns the entries whose id begins with prefix and is greater than
	// after, ordered by the bytes of the id, at most limit (1 to MaxList) of
	// them. Fewer than limit means that there are no more. See All.
	List(b Bucket, prefix, after string, limit int) ([]Entry, error)
}

// Writer reads and writes a space. It sees what it has written.
type Writer interface {
	Reader

	// Put writes the value, whatever was there, and returns its version.
	Put(b Bucket, id string, value []byte) (version uint64, err error)

	// PutIf writes the value if the entry is still at the version. Version 0
	// means that there must be none: fault.Exists. Otherwise an absent entry
	// is fault.NotFound, and another version fault.StaleRevision.
	PutIf(b Bucket, id string, value []byte, version uint64) (uint64, error)

	// PutAs writes the value as the given version, and does not look at what is
	// there. It is for who knows how often an entry was written, as of the places
	// of a ring; what Entry promises of versions is then theirs to keep.
	PutAs(b Bucket, id string, value []byte, version uint64) error

	// Delete removes the entry, or returns fault.NotFound. Its version lives
	// on in a tombstone.
	Delete(b Bucket, id string) error

	// Finally lets fn run at the end of the update, in the same transaction and
	// always in the update's own turn: after everything that was written before.
	// Those of an update run in the order in which they came. The error of one is
	// that of the update, and nothing is written then.
	Finally(fn func(Writer) error)
}

// Entry is one stored value.
type Entry struct {
	ID string
	// Value is shared by all who read it: nobody may change its bytes. Whoever
	// has put it may.
	Value []byte
	// Version counts the writes of this id, from 1. It never falls and never
	// returns to an earlier number, not even when the entry is deleted and
	// made anew.
	Version uint64
}
