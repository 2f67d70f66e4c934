package outbox

import (
	"bytes"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// clone is a copy that shares no memory.
func (s *State) clone() State {
	c := *s
	c.Cursor = bytes.Clone(s.Cursor)
	c.Timers = slices.Clone(s.Timers)
	return c
}

// place is the key of a lane's state: the connector's name, and behind a NUL,
// which no such name has, that of its lane. The one lane of a connector is
// under the connector's name alone.
func place(connector, lane string) string {
	if lane == "" {
		return connector
	}
	return connector + "\x00" + lane
}

// placed takes a place apart.
func placed(at string) (connector, lane string) {
	connector, lane, _ = strings.Cut(at, "\x00")
	return connector, lane
}

// change is what a block does to its lane's state.
type change struct {
	connector   string
	lane        string
	epoch       uint64
	first, next uint64
	received    int64
	cursor      []byte
	timers      []abi.Timer
	effects     bool
	stopped     bool
	forget      bool // no block: the connector is gone, or one lane of it
	behind      bool // another of its epoch, without which it may not be
}

func (c *change) place() string { return place(c.connector, c.lane) }

// changeOf copies what it keeps, because b is the caller's.
func changeOf(b *Block) change {
	return change{
		connector: b.Connector, lane: b.Lane, epoch: b.Epoch, first: b.First, next: b.First + uint64(b.Count),
		received: b.Received, cursor: bytes.Clone(b.Cursor), timers: slices.Clone(b.Timers),
		effects: b.Effects(), stopped: b.Stopped,
	}
}

// apply is the state after the block with this sequence, old being the one
// before or nil. States are never changed in place, so that they can be read
// and put into a snapshot without a lock. What a connector kept, its cursor
// and timers, outlives its epochs.
func (c *change) apply(old *State, seq uint64) *State {
	s := new(State)
	if old != nil {
		*s = *old
	}
	s.Epoch, s.Next, s.Last, s.LastAt, s.Stopped = c.epoch, c.next, seq, c.received, c.stopped
	if c.effects {
		s.Effects = seq
	}
	if c.cursor != nil {
		s.Cursor = c.cursor
	}
	if len(c.timers) > 0 {
		s.Timers = setTimers(s.Timers, c.timers, c.received)
	}
	return s
}

func setTimers(old []Timer, changes []abi.Timer, at int64) []Timer {
	timers := slices.Clone(old)
	for _, t := range changes {
		timers = slices.DeleteFunc(timers, func(o Timer) bool { return o.Name == t.Name })
		if !t.Clear {
			timers = append(timers, Timer{Timer: t, SetAt: at})
		}
	}
	return timers
}
