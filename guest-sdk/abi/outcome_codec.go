package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded outcome to dst.
func (o *Outcome) Append(dst []byte) []byte {
	if len(o.Batch.Records) > 0 {
		var mark int
		dst, mark = wire.Begin(dst, 1)
		dst = wire.End(o.Batch.Append(dst), mark)
	}
	return appendRequests(dst, &OutcomeView{
		Verdicts: o.Verdicts, Cursor: o.Cursor, Timers: o.Timers, Devices: o.Devices,
		Replies: o.Replies, NextPollMS: o.NextPollMS, Jobs: o.Jobs, Tickets: o.Tickets,
	})
}

// Append adds the encoded outcome to dst.
func (o *OutcomeView) Append(dst []byte) []byte {
	if o.Batch != nil {
		dst = wire.AppendBytesAlways(dst, 1, o.Batch)
	}
	return appendRequests(dst, o)
}

// appendRequests writes what an outcome holds beside its batch.
func appendRequests(dst []byte, o *OutcomeView) []byte {
	var mark int
	for i := range o.Verdicts {
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(o.Verdicts[i].append(dst), mark)
	}
	dst = appendCursor(dst, 3, o.Cursor)
	for i := range o.Timers {
		dst, mark = wire.Begin(dst, 4)
		dst = wire.End(o.Timers[i].Append(dst), mark)
	}
	for i := range o.Devices {
		dst, mark = wire.Begin(dst, 5)
		dst = wire.End(o.Devices[i].Append(dst), mark)
	}
	for i := range o.Replies {
		dst, mark = wire.Begin(dst, 6)
		dst = wire.End(o.Replies[i].Append(dst), mark)
	}
	dst = wire.AppendUint(dst, 7, o.NextPollMS)
	for i := range o.Jobs {
		dst, mark = wire.Begin(dst, 8)
		dst = wire.End(o.Jobs[i].Append(dst), mark)
	}
	for i := range o.Tickets {
		dst, mark = wire.Begin(dst, 9)
		dst = wire.End(o.Tickets[i].Append(dst), mark)
	}
	return dst
}

// Decode reads an encoded outcome, reusing the slices that were in o. Batch,
// Cursor and what replies, jobs and device changes hold alias src. The batch is not looked into (see
// CheckBatch); an outcome with two is malformed, because their tables cannot
// be merged. An error wraps ErrMalformed or ErrTooLarge, and leaves o without
// content.
func (o *OutcomeView) Decode(src []byte) error {
	*o = OutcomeView{
		Verdicts: o.Verdicts[:0],
		Timers:   o.Timers[:0],
		Devices:  o.Devices[:0],
		Replies:  o.Replies[:0],
		Jobs:     o.Jobs[:0],
		Tickets:  o.Tickets[:0],
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
		case 8<<3 | wire.Bytes:
			if n := len(o.Jobs); hasRoom(&r, "jobs", n, MaxRequests) {
				o.Jobs = append(o.Jobs, Job{})
				r.Fail(at("job", n, o.Jobs[n].Decode(r.Bytes())))
			}
		case 9<<3 | wire.Bytes:
			if n := len(o.Tickets); hasRoom(&r, "tickets", n, MaxItems) {
				o.Tickets = append(o.Tickets, Ticket{})
				r.Fail(at("ticket", n, o.Tickets[n].Decode(r.Bytes())))
			}
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
	dst = wire.AppendUint(dst, 4, v.RetryAfterMS)
	dst = wire.AppendUint(dst, 5, uint64(v.Kind))
	return wire.AppendString(dst, 6, v.Hint)
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
		case 5<<3 | wire.Varint:
			v.Kind = FaultKind(r.Uint())
		case 6<<3 | wire.Bytes:
			v.Hint = r.Text("")
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

// Append adds the encoded job to dst.
func (j Job) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, j.Name)
	dst = wire.AppendBytes(dst, 2, j.Input)
	return wire.AppendUint(dst, 3, j.TimeoutMS)
}

// Decode reads an encoded job into j. Input aliases src.
func (j *Job) Decode(src []byte) error {
	*j = Job{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			j.Name = r.Text("")
		case 2<<3 | wire.Bytes:
			j.Input = r.Bytes()
		case 3<<3 | wire.Varint:
			j.TimeoutMS = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded ticket to dst.
func (t Ticket) Append(dst []byte) []byte {
	return wire.AppendUint(wire.AppendUint(dst, 1, uint64(t.Handle)), 2, t.Number)
}

// Decode reads an encoded ticket into t.
func (t *Ticket) Decode(src []byte) error {
	*t = Ticket{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			t.Handle = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			t.Number = r.Uint()
		}
	}
	return r.Err()
}
