package abi

import (
	"encoding/binary"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// Append adds the encoded events to dst. It allocates nothing when dst has
// room.
func (e *Events) Append(dst []byte) []byte {
	var base int64
	if len(e.Events) > 0 {
		base = e.Events[0].Time
	}
	dst = wire.AppendFixed64(dst, 1, uint64(base))
	for i := range e.Events {
		var mark int
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(e.Events[i].append(dst, base), mark)
	}
	return dst
}

func (e *Event) append(dst []byte, base int64) []byte {
	dst = wire.AppendUint(dst, 1, uint64(e.Type))
	dst = wire.AppendUint(dst, 2, uint64(e.Handle))
	dst = wire.AppendSint(dst, 3, e.Time-base)
	dst = wire.AppendBytes(dst, 4, e.Data)
	dst = wire.AppendString(dst, 5, e.Name)
	dst = appendError(dst, 6, e.Err)
	if e.Message == nil {
		return dst
	}
	dst, mark := wire.Begin(dst, 7)
	return wire.End(e.Message.Append(dst), mark)
}

// Decode reads encoded events, reusing the slice of the events that were in
// e. Data aliases src. Events of data alone allocate nothing. An error leaves
// e without events.
func (e *Events) Decode(src []byte) error {
	err := e.decode(src)
	if err != nil {
		e.Events = e.Events[:0]
	}
	return err
}

func (e *Events) decode(src []byte) error {
	var base int64
	events := e.Events[:0]
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Fixed64:
			base = int64(r.Uint())
		case 2<<3 | wire.Bytes:
			i := len(events)
			switch {
			case i >= MaxItems:
				r.Fail(tooLarge("events", MaxItems))
				continue
			case i < cap(events):
				events = events[:i+1]
			default:
				events = append(events, Event{})
			}
			if err := events[i].decode(r.Bytes()); err != nil {
				r.Fail(at("event", i, err))
				continue
			}
			_, end := r.Span()
			events, end = frames(events, src, end)
			r.Seek(end)
		}
	}
	for i := range events { // the base may come last
		events[i].Time += base
	}
	e.Events = events
	return r.Err()
}

// frames reads the events that follow each other from a place on, as long as they
// are as most are: short data of a session. It answers where they end.
func frames(events []Event, src []byte, at int) ([]Event, int) {
	for at < len(src)-5 && src[at] == 2<<3|wire.Bytes && src[at+1] < 0x80 && len(events) < min(cap(events), MaxItems) {
		from := at + 2
		end := from + int(src[at+1])
		if end > len(src) || end-from < 5 || src[from] != 2<<3|wire.Varint || src[from+1] >= 0x80 {
			break
		}
		handle, after := uint32(src[from+1]), int64(0)
		if from += 2; src[from] == 3<<3|wire.Varint {
			if from+9 > len(src) {
				break
			}
			v, size := wire.Number(binary.LittleEndian.Uint64(src[from+1:]))
			if size == 0 {
				break
			}
			after = wire.Unzigzag(v)
			from += 1 + size
		}
		if from+2 > end || src[from] != 4<<3|wire.Bytes || from+2+int(src[from+1]) != end { // one byte beyond 0x7f is never the rest's length
			break
		}
		n := len(events)
		events = events[:n+1]
		ev := &events[n]
		ev.Type, ev.Handle, ev.Time = EventData, handle, after
		ev.Data = src[from+2 : end : end]
		if len(ev.Name) > 0 {
			ev.Name = ""
		}
		if ev.Err != nil {
			ev.Err = nil
		}
		if ev.Message != nil {
			ev.Message = nil
		}
		at = end
	}
	return events, at
}

// decode replaces *e; its time is the distance to the base.
func (e *Event) decode(src []byte) error {
	old := e.Name
	*e = Event{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			e.Type = EventType(r.Uint())
		case 2<<3 | wire.Varint:
			e.Handle = uint32(r.Uint())
		case 3<<3 | wire.Varint:
			e.Time = r.Sint()
		case 4<<3 | wire.Bytes:
			e.Data = r.Bytes()
		case 5<<3 | wire.Bytes:
			e.Name = r.Text(old)
		case 6<<3 | wire.Bytes:
			e.Err = readError(&r, e.Err)
		case 7<<3 | wire.Bytes:
			if e.Message == nil {
				e.Message = new(Message)
			}
			r.Fail(e.Message.merge(r.Bytes()))
		}
	}
	return r.Err()
}
