package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

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
			r.Fail(at("event", i, events[i].decode(r.Bytes())))
		}
	}
	for i := range events { // the base may come last
		events[i].Time += base
	}
	e.Events = events
	return r.Err()
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
