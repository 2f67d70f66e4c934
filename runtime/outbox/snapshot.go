package outbox

import (
	"maps"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// A snapshot is what all connectors' states are when a segment begins. It is
// the segment's first records, so that Open reads the last segment alone. It
// comes in parts, because a record is bounded.
//
//	message Snapshot { uint64 part = 1; bool final = 2; repeated Connector connectors = 3; }
//	message Connector {
//	  string name = 1; uint64 epoch = 2; uint64 next = 3; optional bytes cursor = 4;
//	  uint64 last = 5; uint64 effects = 6; bool stopped = 7; sfixed64 last_at = 8;
//	  repeated SetTimer timers = 9; string lane = 10;
//	}
//	message SetTimer { Timer timer = 1; sfixed64 set_at = 2; }
//	message Forget   { string connector = 1; string lane = 2; } // no lane: all of them

// partBytes is when a part is full; with the largest state behind it, it still
// fits into a record.
const partBytes = mib

// appendSnapshot adds the records of a snapshot. seq is the last block's.
func appendSnapshot(dst []byte, s salt, seq uint64, states map[string]*State) []byte {
	names := slices.Sorted(maps.Keys(states))
	for part := uint64(0); ; part++ {
		p := wire.AppendUint([]byte{byte(kindSnapshot)}, 1, part)
		for len(names) > 0 && len(p) < partBytes {
			var mark int
			p, mark = wire.Begin(p, 3)
			p = wire.End(appendState(p, names[0], states[names[0]]), mark)
			names = names[1:]
		}
		p = wire.AppendBool(p, 2, len(names) == 0)
		dst = appendRecord(dst, s, seq, p)
		if len(names) == 0 {
			return dst
		}
	}
}

func appendState(dst []byte, at string, s *State) []byte {
	connector, lane := placed(at)
	dst = wire.AppendString(dst, 1, connector)
	dst = wire.AppendUint(dst, 2, s.Epoch)
	dst = wire.AppendUint(dst, 3, s.Next)
	dst = appendOptional(dst, 4, s.Cursor)
	dst = wire.AppendUint(dst, 5, s.Last)
	dst = wire.AppendUint(dst, 6, s.Effects)
	dst = wire.AppendBool(dst, 7, s.Stopped)
	dst = wire.AppendFixed64(dst, 8, uint64(s.LastAt))
	for i := range s.Timers {
		var timer, inner int
		dst, timer = wire.Begin(dst, 9)
		dst, inner = wire.Begin(dst, 1)
		dst = wire.End(s.Timers[i].Append(dst), inner)
		dst = wire.End(wire.AppendFixed64(dst, 2, uint64(s.Timers[i].SetAt)), timer)
	}
	return wire.AppendString(dst, 10, lane)
}

// snapshot gathers the parts of one.
type snapshot struct {
	states map[string]*State
	parts  uint64
	whole  bool // the final part was read, and all before it
}

// add takes the next part. One that is missing or malformed leaves the
// snapshot without its end.
func (s *snapshot) add(src []byte) {
	var part uint64
	var final bool
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			part = r.Uint()
		case 2<<3 | wire.Varint:
			final = r.Bool()
		case 3<<3 | wire.Bytes:
			at, state, err := decodeState(r.Bytes())
			r.Fail(err)
			s.states[at] = state
		}
	}
	if r.Err() == nil && part == s.parts {
		s.parts, s.whole = s.parts+1, final
	}
}

func decodeState(src []byte) (at string, s *State, err error) {
	s = new(State)
	var connector, lane string
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			connector = r.Text("")
		case 2<<3 | wire.Varint:
			s.Epoch = r.Uint()
		case 3<<3 | wire.Varint:
			s.Next = r.Uint()
		case 4<<3 | wire.Bytes:
			s.Cursor = append([]byte{}, r.Bytes()...)
		case 5<<3 | wire.Varint:
			s.Last = r.Uint()
		case 6<<3 | wire.Varint:
			s.Effects = r.Uint()
		case 7<<3 | wire.Varint:
			s.Stopped = r.Bool()
		case 8<<3 | wire.Fixed64:
			s.LastAt = int64(r.Uint()) //nolint:gosec // sfixed64 carries its two's complement
		case 9<<3 | wire.Bytes:
			t, err := decodeSetTimer(r.Bytes())
			r.Fail(err)
			s.Timers = append(s.Timers, t)
		case 10<<3 | wire.Bytes:
			lane = r.Text("")
		}
	}
	return place(connector, lane), s, r.Err()
}

func decodeSetTimer(src []byte) (t Timer, err error) {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			r.Fail(t.Decode(r.Bytes()))
		case 2<<3 | wire.Fixed64:
			t.SetAt = int64(r.Uint()) //nolint:gosec // as above
		}
	}
	return t, r.Err()
}

func appendForget(dst []byte, connector, lane string) []byte {
	return wire.AppendString(wire.AppendString(dst, 1, connector), 2, lane)
}

func decodeForget(src []byte) (connector, lane string, err error) {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			connector = r.Text("")
		case 2<<3 | wire.Bytes:
			lane = r.Text("")
		}
	}
	return connector, lane, r.Err()
}

// forgotten lists which of these states a forgetting ends: one lane's, or
// without a lane those of the whole connector.
func forgotten(states map[string]*State, connector, lane string) []string {
	if lane != "" {
		return []string{place(connector, lane)}
	}
	gone := []string{connector}
	for at := range states {
		if strings.HasPrefix(at, connector+"\x00") {
			gone = append(gone, at)
		}
	}
	return gone
}
