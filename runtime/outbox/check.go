package outbox

import (
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of what a log remembers of one connector; a snapshot repeats it
// in every segment.
const (
	maxCursor = mib
	// The cursors of all lanes of a connector have allCursors bytes together, and
	// those of no more than fairCursor are taken in any case.
	allCursors = 4 * mib
	fairCursor = 4 * kib
	maxTimers  = 1024
	maxState   = 2 * mib
	maxLane    = 1024
)

// check refuses a block that could not be read back, or that would make the
// state grow without bound. Its size is checked when it is encoded.
func (b *Block) check() error {
	switch {
	case b.Connector == "" || strings.ContainsRune(b.Connector, 0):
		return fault.New(fault.Internal, "a block without a connector's name: %q", b.Connector)
	case len(b.Lane) > maxLane:
		return fault.New(fault.TooLarge, "a lane's name of %d bytes; %d are allowed", len(b.Lane), maxLane)
	case b.Count < 0 || b.First+uint64(b.Count) < b.First:
		return fault.New(fault.Internal, "a block of %d records from %d on", b.Count, b.First)
	case (b.Count > 0) != (len(b.Records) > 0):
		return fault.New(fault.Internal, "a block of %d records in %d bytes", b.Count, len(b.Records))
	case len(b.Cursor) > maxCursor:
		return fault.New(fault.TooLarge, "a cursor of %d bytes; %d are allowed", len(b.Cursor), maxCursor)
	case !b.isText():
		return fault.New(fault.Invalid, "a name in the block of %q is not UTF-8", b.Connector)
	}
	return nil
}

// isText reports whether all strings can be encoded as such.
func (b *Block) isText() bool {
	ok := utf8.ValidString(b.Connector) && utf8.ValidString(b.Lane) && utf8.ValidString(b.Module)
	for i := range b.KV {
		ok = ok && utf8.ValidString(b.KV[i].Key)
	}
	for i := range b.Devices {
		d := &b.Devices[i]
		ok = ok && utf8.ValidString(d.ID) && utf8.ValidString(d.Type) && utf8.ValidString(d.Name)
	}
	for i := range b.Timers {
		ok = ok && utf8.ValidString(b.Timers[i].Name)
	}
	for i := range b.Rejects {
		ok = ok && utf8.ValidString(b.Rejects[i].Device) && utf8.ValidString(b.Rejects[i].Reason)
	}
	return ok
}

// follows refuses a block whose keys (connector, epoch, sequence) were, or may
// have been, given to records before. old is nil for an unknown connector.
func (c *change) follows(old *State) error {
	switch {
	case c.behind && (old == nil || c.epoch != old.Epoch):
		return fault.New(fault.Internal, "a block of epoch %d of %q behind one that did not arrive", c.epoch, c.place())
	case old == nil || c.epoch > old.Epoch:
		return nil
	case c.epoch < old.Epoch:
		return fault.New(fault.Internal, "a block of epoch %d of %q, which is in epoch %d", c.epoch, c.place(), old.Epoch)
	case c.first != old.Next:
		return fault.New(fault.Internal, "a block of %q from record %d on, where %d is next", c.place(), c.first, old.Next)
	}
	return nil
}

// fits refuses a cursor that would make those of all lanes of its connector more
// than a segment can begin with: a snapshot repeats them all.
func (l *Log) fits(g *group, c *change, old *State) error {
	if c.lane == "" || len(c.cursor) <= fairCursor || old != nil && len(c.cursor) <= len(old.Cursor) {
		return nil
	}
	at, size := c.place(), len(c.cursor)
	add := func(place string, s *State) {
		if of, _ := placed(place); s != nil && of == c.connector && place != at {
			size += len(s.Cursor)
		}
	}
	for place, s := range l.states { // only the committer changes them
		if _, staged := g.staged[place]; !staged {
			add(place, s)
		}
	}
	for place, s := range g.staged {
		add(place, s)
	}
	if size <= allCursors {
		return nil
	}
	return fault.New(fault.TooLarge, "the cursors of all lanes of %q would have %d bytes; %d are allowed", c.connector, size, allCursors).
		WithHint("A cursor is a place in a source: keep what is longer in the key-value state.")
}

// bounded refuses a state that is larger than a snapshot may hold.
func (s *State) bounded(connector string) error {
	size := len(connector) + len(s.Cursor)
	for i := range s.Timers {
		size += len(s.Timers[i].Name) + 64
	}
	if len(s.Timers) > maxTimers || size > maxState {
		return fault.New(fault.TooLarge, "%q has %d timers and %d bytes of state; %d and %d are allowed",
			connector, len(s.Timers), size, maxTimers, maxState)
	}
	return nil
}
