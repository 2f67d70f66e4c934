package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// encoder is what Batch.Append keeps between calls.
type encoder struct {
	devices, types, names table

	// refs holds what the records point to, in the order of writing: for each
	// record its device, its content type, and for each of its points the
	// name and the unit.
	refs []uint32
}

// Append adds the encoded batch to dst and returns the longer slice. It
// allocates nothing when dst has room and the Batch has encoded a batch of
// this shape before. It does not look at the bounds of a crossing: the caller
// counts records and bytes, and the other side refuses what is beyond.
func (b *Batch) Append(dst []byte) []byte {
	e := &b.enc
	e.intern(b.Records)
	dst = e.devices.append(dst, 1)
	dst = e.types.append(dst, 2)
	dst = e.names.append(dst, 3)
	var base int64
	if len(b.Records) > 0 {
		base = b.Records[0].Time
	}
	dst = wire.AppendFixed64(dst, 4, uint64(base))
	refs := e.refs
	for i := range b.Records {
		r := &b.Records[i]
		n := 2 + 2*len(r.Points)
		dst = r.append(dst, base, refs[:n])
		refs = refs[n:]
	}
	return dst
}

// intern fills the tables and refs. Most records look like the one before
// them, so what that one pointed to is tried first.
func (e *encoder) intern(records []Record) {
	e.devices.reset()
	e.types.reset()
	e.names.reset()
	refs := e.refs[:0]
	var last []uint32 // the previous record's
	for i := range records {
		r := &records[i]
		start := len(refs)
		refs = append(refs,
			e.devices.index(r.Device, guess(last, 0)),
			e.types.optional(r.ContentType, guess(last, 1)))
		for j := range r.Points {
			p := &r.Points[j]
			refs = append(refs,
				e.names.index(p.Name, guess(last, 2+2*j)),
				e.names.optional(p.Unit, guess(last, 3+2*j)))
		}
		last = refs[start:]
	}
	e.refs = refs
}

func guess(last []uint32, i int) uint32 {
	if i < len(last) {
		return last[i]
	}
	return 0
}

func (r *Record) append(dst []byte, base int64, refs []uint32) []byte {
	dst, mark := wire.Begin(dst, 5)
	dst = wire.AppendUint(dst, 1, uint64(refs[0]))
	dst = wire.AppendUint(dst, 2, uint64(r.Kind))
	dst = wire.AppendSint(dst, 3, r.Time-base)
	dst = wire.AppendUint(dst, 4, uint64(refs[1]))
	dst = wire.AppendBytes(dst, 5, r.Payload)
	for i := range r.Points {
		dst = r.Points[i].append(dst, r.Time, refs[2+2*i], refs[3+2*i])
	}
	dst = wire.AppendBytes(dst, 7, r.Key)
	dst = appendHeaders(dst, 8, r.Headers)
	dst = wire.AppendString(dst, 9, r.SourceKey)
	return wire.End(dst, mark)
}

func (p *Point) append(dst []byte, recordTime int64, name, unit uint32) []byte {
	dst, mark := wire.Begin(dst, 6)
	dst = wire.AppendUint(dst, 1, uint64(name))
	dst = wire.AppendUint(dst, 2, uint64(unit))
	dst = p.Value.append(dst)
	dst = wire.AppendUint(dst, 9, uint64(p.Quality))
	if p.SourceTime != 0 {
		dst = wire.AppendSint(dst, 10, p.SourceTime-recordTime)
	}
	return wire.End(dst, mark)
}

func (v *Value) append(dst []byte) []byte {
	switch v.kind {
	case ValueNone:
	case ValueBool:
		return wire.AppendUintAlways(dst, 3, v.num)
	case ValueInt:
		return wire.AppendUintAlways(dst, 4, wire.Zigzag(int64(v.num)))
	case ValueUint:
		return wire.AppendUintAlways(dst, 5, v.num)
	case ValueDouble:
		return wire.AppendFixed64Always(dst, 6, v.num)
	case ValueString:
		return wire.AppendStringAlways(dst, 7, v.str)
	case ValueBytes:
		return wire.AppendBytesAlways(dst, 8, v.raw)
	}
	return dst
}

// table holds the different strings of a batch in the order of their first
// use.
type table struct {
	entries []string
	lookup  map[string]uint32 // used beyond fewEntries
}

// fewEntries is up to where a linear search is the faster one.
const fewEntries = 16

func (t *table) reset() {
	t.entries = t.entries[:0]
	clear(t.lookup)
}

// index is the place of s in the table, which grows if it must.
func (t *table) index(s string, try uint32) uint32 {
	if uint64(try) < uint64(len(t.entries)) && t.entries[try] == s {
		return try
	}
	if len(t.entries) <= fewEntries {
		for i, e := range t.entries {
			if e == s {
				return uint32(i)
			}
		}
	} else if i, ok := t.lookup[s]; ok {
		return i
	}
	return t.add(s)
}

// optional is index where 0 stands for the empty string.
func (t *table) optional(s string, try uint32) uint32 {
	if s == "" {
		return 0
	}
	return t.index(s, try-1) + 1
}

func (t *table) add(s string) uint32 {
	i := uint32(len(t.entries))
	t.entries = append(t.entries, s)
	switch {
	case i < fewEntries:
	case i == fewEntries:
		if t.lookup == nil {
			t.lookup = make(map[string]uint32, 4*fewEntries)
		}
		for j, e := range t.entries {
			t.lookup[e] = uint32(j)
		}
	default:
		t.lookup[s] = i
	}
	return i
}

func (t *table) append(dst []byte, field int) []byte {
	for _, e := range t.entries {
		dst = wire.AppendStringAlways(dst, field, e)
	}
	return dst
}
