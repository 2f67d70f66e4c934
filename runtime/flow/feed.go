package flow

import "time"

// Feed is where the records come from that a connector takes out: those of the
// tenant's outbox that are meant for it, in the order in which they became
// durable, from a place of its own that outlives the process. What flowtest says is
// its contract.
type Feed interface {
	Outlet
	// Wake holds a token when there may be more to take than before.
	Wake() <-chan struct{}
	// Backlog is how much is left to do. Any goroutine may ask.
	Backlog() Backlog
	// Close ends it. Its place stays.
	Close()
}

// Outlet is where records are handed out, put under way and settled. One goroutine uses
// it. Its place may be set to another from outside (a rewind): what was taken or is under
// way then is settled as before, oldest first, and moves nothing any more.
type Outlet interface {
	// Take answers the oldest records that are neither settled nor under way, at
	// most so many and no more than cross the wall at once, as an encoded
	// abi.DeliverInput that is valid until the next call, and their number. None: there is nothing yet; before due, which is zero
	// when nothing is waiting, no call brings more unless Wake says so.
	Take(now time.Time, most int) (input []byte, records int, due time.Time)
	// Keep notes that the records taken last are under way: Take goes on behind
	// them.
	Keep()
	// Back has Take begin with the oldest record that is not settled again, also of
	// those that are under way, which is more to take: nothing is under way any more.
	Back()
	// Settle notes that the oldest so many records that were taken are done with:
	// they are not handed out again, but after a crash some may be.
	Settle(records int)
	// Pick answers one of the records taken last with its device, alone in an
	// encoded abi.DeliverInput of the caller's.
	Pick(record int) (device string, input []byte)
}

// Backlog is how far a feed is behind.
type Backlog struct {
	Blocks  uint64 // of the outbox behind its place, also those that are not meant for it
	Records int    // that are held in memory
	Missed  uint64 // blocks that were gone before it came to them: retention, or damage

	Waiting uint64    // records that are not settled
	About   bool      // Waiting is reckoned in part: not all of them were read yet
	Oldest  time.Time // when the oldest of them that was read became durable; zero: none is
}
