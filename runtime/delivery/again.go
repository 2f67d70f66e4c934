package delivery

import (
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// MaxAgain bounds the records that wait in a feed to be handed in once more, and
// maxAgainBytes their bytes: a record may have 1 MiB, and what waits is beside what is
// read ahead.
const (
	MaxAgain      = 256
	maxAgainBytes = maxAheadBytes
)

// Again is a record that is handed in once more, on its way.
type Again struct {
	feed    *Feed
	at      Position
	bytes   int
	done    chan struct{} // closed at the end
	arrived bool          // guarded by done
}

// At is the position at which it was put aside.
func (a *Again) At() Position { return a.at }

// Done is closed when the record is settled and that is noted, or when it is not
// handed in any more.
func (a *Again) Done() <-chan struct{} { return a.done }

// Settled reports whether the record is done with: delivered, or refused once
// more. It is for after Done.
func (a *Again) Settled() bool { return a.arrived }

// Noted says that it is noted that the record is done with, or that this cannot be:
// it may be handed in once more from now on. It is called once, by whom
// Config.Settled told of it.
func (a *Again) Noted() {
	f := a.feed
	f.mu.Lock()
	delete(f.again, a.at)
	f.mu.Unlock()
	a.end(true)
}

func (a *Again) end(settled bool) {
	a.arrived = settled
	close(a.done)
}

// Again hands a record in once more that was put aside at a position: an encoded
// abi.DeliverInput of one record, as Pick answers it, behind what waits already. One
// that waits, or is done with and not noted yet, is not handed in beside itself: the
// same Again is answered. A feed that is closed or rewound forgets it. Invalid: the
// input is none. Exhausted: too many wait.
func (f *Feed) Again(at Position, input []byte) (*Again, error) {
	var in abi.DeliverInput
	if err := in.Decode(input); err != nil || in.Count() != 1 {
		return nil, fault.New(fault.Invalid, "what was kept is no record on its way out")
	}
	part := in.Parts[slices.IndexFunc(in.Parts, func(p abi.DeliverPart) bool { return len(p.Batch.Records) > 0 })]
	batch := part.Batch.Append(nil)
	part.Batch = abi.Batch{}
	f.turning.Lock()
	defer f.turning.Unlock()
	if f.closed {
		return nil, fault.New(fault.WrongState, "the connector stopped meanwhile")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.again[at]; a != nil {
		return a, nil
	}
	if len(f.again) >= MaxAgain || f.againBytes+len(batch) > maxAgainBytes {
		return nil, fault.New(fault.Exhausted, "%d records of %d bytes wait to be handed in again already, and no more than %d of %d may",
			len(f.again), f.againBytes, MaxAgain, maxAgainBytes).
			WithHint("They are handed in when the connector takes records; come again with the others when those that wait are done.")
	}
	a := &Again{feed: f, at: at, bytes: len(batch), done: make(chan struct{})}
	if f.again == nil {
		f.again = map[Position]*Again{}
	}
	f.again[at] = a
	f.againBytes += a.bytes
	f.held++
	f.bytes += len(batch)
	// Of the block that comes next: the place stays behind all that is read.
	f.queue = append(f.queue, piece{head: part, batch: batch, count: 1, seq: f.seen + 1, at: time.Now(), again: a})
	signal(f.wake)
	return a, nil
}

// settled has those noted that are done with. It is for without the lock.
func (f *Feed) settled(done []*Again) {
	if len(done) > 0 {
		f.cfg.Settled(done)
	}
}

// abandon forgets what is handed in once more, but not what is only to be noted. The
// lock is held.
func (f *Feed) abandon() {
	for i := range f.queue {
		if a := f.queue[i].again; a != nil {
			delete(f.again, a.at)
			a.end(false)
			f.queue[i].again = nil
		}
	}
	f.againBytes = 0
}
