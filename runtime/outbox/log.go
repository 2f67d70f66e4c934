package outbox

import (
	"context"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Log is the durable log of one tenant. All methods may be called at once.
type Log struct{}

func todo() error { return fault.New(fault.Internal, "the outbox is not built yet") }

// Syncs bounds how many fsyncs run at once, over all logs that share it. Each
// one holds a thread of the operating system, and a disk takes no more than
// some of them at a time anyway.
type Syncs struct{ slots chan struct{} }

// NewSyncs allows n at once.
func NewSyncs(n int) *Syncs { return &Syncs{slots: make(chan struct{}, max(n, 1))} }

// Open opens the log in dir, which it makes if it is not there.
func Open(dir string, cfg Config) (*Log, error) { return nil, todo() }

// Append commits a block and sets its Seq. It returns when the block is on
// the disk. The end of ctx ends the wait, not the write: the block may then
// be committed or not, which State tells later. b may be used again as soon
// as Append has returned, whatever it returned.
//
// Within an epoch First must be the connector's State.Next, else the block is
// refused (Internal). DiskFull leaves the log usable; LogFailed does not. A
// block that fails takes with it all that wait behind it, so that none ever
// overtakes another.
func (l *Log) Append(ctx context.Context, b *Block) (seq uint64, err error) { return 0, todo() }

// Forget drops what the log knows of a deleted connector, durably. Its blocks
// stay until retention takes them.
func (l *Log) Forget(ctx context.Context, connector string) error { return todo() }

// State is what the log knows of a connector; the caller may keep it.
func (l *Log) State(connector string) (State, bool) { return State{}, false }

// Connectors is State of all connectors, by name.
func (l *Log) Connectors() map[string]State { return nil }

// Head is the sequence of the last durable block; 0: none.
func (l *Log) Head() uint64 { return 0 }

// First is the sequence of the first block that is kept; it is greater than
// Head when there is none.
func (l *Log) First() uint64 { return 0 }

// Read is the block with this sequence, in memory of its own. One that is not
// kept or not there yet is NotFound, one that is damaged Integrity.
func (l *Log) Read(seq uint64) (*Block, error) { return nil, todo() }

// Reader reads blocks from this sequence on; 0 and 1 mean the oldest kept.
func (l *Log) Reader(from uint64) *Reader { return &Reader{} }

// Cursor is the position of a named reader: it is done with all blocks up to
// and with this one.
func (l *Log) Cursor(name string) (uint64, bool) { return 0, false }

// SetCursor moves a named reader. It becomes durable within CursorEvery, or
// at Close; after a crash the reader meets some blocks again.
func (l *Log) SetCursor(name string, seq uint64) error { return todo() }

// DropCursor forgets a named reader, so that retention no longer waits for it.
func (l *Log) DropCursor(name string) {}

// Trim applies retention now. Rotation and Open do so by themselves; a log
// that nobody writes to needs the call for its age limit.
func (l *Log) Trim() {}

// Stats are the log's numbers.
func (l *Log) Stats() Stats { return Stats{} }

// Close waits for the appends under way, makes the cursors durable and closes
// the log. Readers end with ShuttingDown.
func (l *Log) Close() error { return todo() }

// Stats are the numbers of a log since it was opened.
type Stats struct {
	Head, First uint64
}

// Reader reads a log from front to back. One goroutine uses it.
type Reader struct{}

// Next waits for the next block. The block is valid until the following Next
// or Close. It returns a *Gap as its error, once, where blocks are missing,
// and goes on behind it. ShuttingDown: the log was closed.
func (r *Reader) Next(ctx context.Context) (*Block, error) { return nil, todo() }

// Close ends the reader; a second Close does nothing.
func (r *Reader) Close() error { return nil }

// Gap says that blocks are missing: a Reader's Next returns it as its error.
type Gap struct {
	From, To uint64 // the first and the last missing sequence
	Reason   string // GapRetention or GapDamaged
}

// The reasons of a gap.
const (
	GapRetention = "retention" // deleted, because a limit was reached
	GapDamaged   = "damaged"   // lost on the disk
)

func (g *Gap) Error() string { return "blocks are missing: " + g.Reason }
