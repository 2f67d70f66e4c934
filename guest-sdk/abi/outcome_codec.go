package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded outcome to dst.
func (o *Outcome) Append(dst []byte) []byte {
	if len(o.Batch.Records) > 0 {
		var mark int
		dst, mark = wire.Begin(dst, 1)
		dst = wire.End(o.Batch.Append(dst), mark)
	}
	return appendRequests(dst, o.Verdicts, o.Cursor, o.Timers, o.Devices, o.Replies, o.NextPollMS)
}

// Append adds the encoded outcome to dst.
func (o *OutcomeView) Append(dst []byte) []byte {
	if o.Batch != nil {
		dst = wire.AppendBytesAlways(dst, 1, o.Batch)
	}
	return appendRequests(dst, o.Verdicts, o.Cursor, o.Timers, o.Devices, o.Replies, o.NextPollMS)
}

// appendRequests writes what an outcome holds beside its batch.
func appendRequests(
	dst []byte, verdicts []Verdict, cursor []byte, timers []Timer,
	devices []DeviceChange, replies []Reply, nextPollMS uint64,
) []byte {
	var mark int
	for i := range verdicts {
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(verdicts[i].append(dst), mark)
	}
	dst = appendCursor(dst, 3, cursor)
	for i := range timers {
		dst, mark = wire.Begin(dst, 4)
		dst = wire.End(timers[i].Append(dst), mark)
	}
	for i := range devices {
		dst, mark = wire.Begin(dst, 5)
		dst = wire.End(devices[i].Append(dst), mark)
	}
	for i := range replies {
		dst, mark = wire.Begin(dst, 6)
		dst = wire.End(replies[i].Append(dst), mark)
	}
	return wire.AppendUint(dst, 7, nextPollMS)
}

// Decode reads an encoded outcome, reusing the slices that were in o. Batch,
// Cursor and the replies' bodies alias src. The batch is not looked into (see
// CheckBatch); an outcome with two is malformed, because their tables cannot
// be merged. An error wraps ErrMalformed or ErrTooLarge, and leaves o without
// content.
func (o *OutcomeView) Decode(src []byte) error {
	*o = OutcomeView{
		Verdicts: o.Verdicts[:0],
		Timers:   o.Timers[:0],
		Devices:  o.Devices[:0],
		Replies:  o.Replies[:0],
	}
	err := o.decode(src)
	if err != nil {
		*o = OutcomeView{}
	}
	return err
}

func (o *OutcomeView) decode(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			if o.Batch != nil {
				r.Fail(&detail{text: "a second batch", err: ErrMalformed})
			}
			o.Batch = r.Bytes()
		case 2<<3 | wire.Bytes:
			if n := len(o.Verdicts); hasRoom(&r, "verdicts", n, MaxItems) {
				o.Verdicts = append(o.Verdicts, Verdict{})
				r.Fail(at("verdict", n, o.Verdicts[n].decode(r.Bytes())))
			}
		case 3<<3 | wire.Bytes:
			o.Cursor = r.Bytes()
		case 4<<3 | wire.Bytes:
			if n := len(o.Timers); hasRoom(&r, "timers", n, MaxRequests) {
				o.Timers = append(o.Timers, Timer{})
				r.Fail(at("timer", n, o.Timers[n].Decode(r.Bytes())))
			}
		case 5<<3 | wire.Bytes:
			if n := len(o.Devices); hasRoom(&r, "device changes", n, MaxRequests) {
				o.Devices = append(o.Devices, DeviceChange{})
				r.Fail(at("device change", n, o.Devices[n].Decode(r.Bytes())))
			}
		case 6<<3 | wire.Bytes:
			if n := len(o.Replies); hasRoom(&r, "replies", n, MaxRequests) {
				o.Replies = append(o.Replies, Reply{})
				r.Fail(at("reply", n, o.Replies[n].Decode(r.Bytes())))
			}
		case 7<<3 | wire.Varint:
			o.NextPollMS = r.Uint()
		}
	}
	return r.Err()
}

func hasRoom(r *wire.Reader, what string, n, bound int) bool {
	if n < bound {
		return true
	}
	r.Fail(tooLarge(what, bound))
	return false
}

func (v *Verdict) append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(v.Input))
	dst = wire.AppendUint(dst, 2, uint64(v.Decision))
	dst = wire.AppendString(dst, 3, v.Reason)
	return wire.AppendUint(dst, 4, v.RetryAfterMS)
}

func (v *Verdict) decode(src []byte) error {
	*v = Verdict{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			v.Input = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			v.Decision = Decision(r.Uint())
		case 3<<3 | wire.Bytes:
			v.Reason = r.Text("")
		case 4<<3 | wire.Varint:
			v.RetryAfterMS = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded timer to dst.
func (t Timer) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, t.Name)
	dst = wire.AppendUint(dst, 2, t.AfterMS)
	dst = wire.AppendUint(dst, 3, t.EveryMS)
	return wire.AppendBool(dst, 4, t.Clear)
}

// Decode reads an encoded timer into t.
func (t *Timer) Decode(src []byte) error {
	*t = Timer{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			t.Name = r.Text("")
		case 2<<3 | wire.Varint:
			t.AfterMS = r.Uint()
		case 3<<3 | wire.Varint:
			t.EveryMS = r.Uint()
		case 4<<3 | wire.Varint:
			t.Clear = r.Bool()
		}
	}
	return r.Err()
}

// Append adds the encoded change to dst.
func (c DeviceChange) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(c.Change))
	dst = wire.AppendString(dst, 2, c.ID)
	dst = wire.AppendString(dst, 3, c.Type)
	return wire.AppendString(dst, 4, c.Name)
}

// Decode reads an encoded change into c.
func (c *DeviceChange) Decode(src []byte) error {
	*c = DeviceChange{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			c.Change = Change(r.Uint())
		case 2<<3 | wire.Bytes:
			c.ID = r.Text("")
		case 3<<3 | wire.Bytes:
			c.Type = r.Text("")
		case 4<<3 | wire.Bytes:
			c.Name = r.Text("")
		}
	}
	return r.Err()
}
