package abi

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// encoder is what Batch.Append keeps between calls. Records of one batch look
// alike, and so do batches: what was written for the one before is tried
// first.
type encoder struct {
	devices, types, names table
	tables                []byte // as they are written a second time

	device stub   // of the record before
	points []stub // of the records before, by their place in the record
}

// stub is what a record or a point points to, with its encoded fields in the
// low size bytes of a word (see wire.Word). An index has at most three bytes there: a batch
// with more strings than that is beyond MaxBatch.
type stub struct {
	text, unit           string
	textIndex, unitIndex uint32

	word uint64
	size int
}

// room is what the fast ways below write at most: a tag and a length, a stub, a
// number with its tag, and what is left of the last word.
const room = 2 + 8 + 9 + 8

// Append adds the encoded batch to dst and returns the longer slice. It
// allocates nothing when dst has room, for some bytes more than are written,
// and the Batch has encoded a batch of this shape before. It does not look at
// the bounds of a crossing: the caller counts records and bytes, and the other
// side refuses what is beyond.
func (b *Batch) Append(dst []byte) []byte {
	e := &b.enc
	e.devices.reset()
	e.types.reset()
	e.names.reset()
	e.points = e.points[:0]
	if len(b.Records) == 0 {
		return dst
	}
	e.learn(&b.Records[0])
	start, known := len(dst), e.known()
	dst = e.appendTables(dst)
	mark, base := len(dst), b.Records[0].Time
	dst = wire.AppendFixed64(dst, 4, uint64(base))
	for i := range b.Records {
		dst = e.record(dst, &b.Records[i], base)
	}
	if e.known() != known {
		dst = e.replaceTables(dst, start, mark)
	}
	return dst
}

// learn takes in what the first record points to: what most of the batch does.
func (e *encoder) learn(r *Record) {
	e.learnDevice(r.Device)
	e.types.optional(r.ContentType, 1)
	for i := range r.Points {
		e.learnPoint(i, &r.Points[i])
	}
}

// known is how many strings the tables hold.
func (e *encoder) known() int {
	return len(e.devices.entries) + len(e.types.entries) + len(e.names.entries)
}

func (e *encoder) appendTables(dst []byte) []byte {
	dst = e.devices.append(dst, 1)
	dst = e.types.append(dst, 2)
	return e.names.append(dst, 3)
}

// replaceTables writes the tables anew, which have grown since they were
// written from start to end. To move what follows, once in a batch, is less
// than a pass over all records before.
func (e *encoder) replaceTables(dst []byte, start, end int) []byte {
	e.tables = e.appendTables(e.tables[:0])
	written := len(dst)
	dst = append(dst, e.tables[:start+len(e.tables)-end]...) // for the length
	copy(dst[start+len(e.tables):], dst[end:written])
	copy(dst[start:], e.tables)
	return dst
}

// record writes one record.
func (e *encoder) record(dst []byte, r *Record, base int64) []byte {
	mark := len(dst) + 1
	dst = e.lead(dst, r, base)
	for i := range r.Points {
		dst = e.point(dst, &r.Points[i], i, r.Time)
	}
	if n := len(dst) - mark - 1; n < 0x80 && len(r.Key)|len(r.Headers)|len(r.SourceKey) == 0 {
		dst[mark] = byte(n)
		return dst
	}
	dst = wire.AppendBytes(dst, 7, r.Key)
	dst = appendHeaders(dst, 8, r.Headers)
	dst = wire.AppendString(dst, 9, r.SourceKey)
	return wire.End(dst, mark)
}

// lead begins a record with what comes before its points. The fast way is
// telemetry of the same device as before, without a payload.
func (e *encoder) lead(dst []byte, r *Record, base int64) []byte {
	after := wire.Zigzag(r.Time - base)
	n := len(dst)
	if cap(dst)-n >= room && after < wire.MaxWord && identical(r.Device, e.device.text) &&
		int(r.Kind)|len(r.ContentType)|len(r.Payload) == 0 {
		dst = dst[:n+room]
		dst[n], dst[n+1] = 5<<3|wire.Bytes, 0
		binary.LittleEndian.PutUint64(dst[n+2:], e.device.word)
		n += 2 + e.device.size
		word, size := wire.Word(3<<3|wire.Varint, after)
		if after == 0 {
			size = 0
		}
		binary.LittleEndian.PutUint64(dst[n:], word)
		return dst[:n+size]
	}
	return e.slowLead(dst, r, after)
}

func (e *encoder) slowLead(dst []byte, r *Record, after uint64) []byte {
	if !identical(r.Device, e.device.text) {
		e.learnDevice(r.Device)
	}
	dst = slices.Grow(dst, room+len(r.Payload))
	dst = append(dst, 5<<3|wire.Bytes, 0)
	dst = wire.AppendUint(dst, 1, uint64(e.device.textIndex))
	dst = wire.AppendUint(dst, 2, uint64(r.Kind))
	dst = wire.AppendUint(dst, 3, after)
	// Batches have few content types, and most have one: the first.
	dst = wire.AppendUint(dst, 4, uint64(e.types.optional(r.ContentType, 1)))
	return wire.AppendBytes(dst, 5, r.Payload)
}

// point writes the record's point number i. The fast way is a number under the
// names that the point number i of the record before had.
func (e *encoder) point(dst []byte, p *Point, i int, recordTime int64) []byte {
	n := len(dst)
	if cap(dst)-n >= room && e.knows(i, p) {
		s := &e.points[i]
		if uint64(p.Quality)|uint64(p.SourceTime) == 0 {
			dst := dst[:n+room]
			dst[n] = 6<<3 | wire.Bytes
			binary.LittleEndian.PutUint64(dst[n+2:], s.word)
			at := n + 2 + s.size
			if num := p.Value.varint(); p.Value.isVarint() && num < wire.MaxWord {
				word, size := wire.Word(p.Value.kind.tag(), num)
				dst[n+1] = byte(s.size + size)
				binary.LittleEndian.PutUint64(dst[at:], word)
				return dst[:at+size]
			}
			if p.Value.kind == ValueDouble {
				dst[n+1] = byte(s.size + 9)
				dst[at] = 6<<3 | wire.Fixed64
				binary.LittleEndian.PutUint64(dst[at+1:], p.Value.num)
				return dst[:at+9]
			}
		}
	}
	return e.slowPoint(dst, p, i, recordTime)
}

func (e *encoder) slowPoint(dst []byte, p *Point, i int, recordTime int64) []byte {
	if !e.knows(i, p) {
		e.learnPoint(i, p)
	}
	mark := len(dst) + 1
	dst = append(slices.Grow(dst, room), 6<<3|wire.Bytes, 0)
	dst = wire.AppendUint(dst, 1, uint64(e.points[i].textIndex))
	dst = wire.AppendUint(dst, 2, uint64(e.points[i].unitIndex))
	dst = p.Value.append(dst)
	dst = wire.AppendUint(dst, 9, uint64(p.Quality))
	if p.SourceTime != 0 {
		dst = wire.AppendSint(dst, 10, p.SourceTime-recordTime)
	}
	return wire.End(dst, mark)
}

// isVarint reports whether the value is written as one.
func (v *Value) isVarint() bool { return v.kind-ValueBool <= ValueUint-ValueBool }

// tag is that of a value of which isVarint is true: these kinds are in the
// order of their fields, of which ValueBool's is the third.
func (k ValueType) tag() wire.Tag { return wire.Tag(k-ValueBool+3)<<3 | wire.Varint }

// varint is what is written for such a value: zigzag for an int, without a
// jump.
func (v *Value) varint() uint64 {
	zigzag := uint64(0)
	if v.kind == ValueInt {
		zigzag = 1
	}
	return v.num<<zigzag ^ uint64(int64(v.num)>>63)&-zigzag
}

func (v *Value) append(dst []byte) []byte {
	switch v.kind {
	case ValueNone:
		return dst
	case ValueDouble:
		return wire.AppendFixed64Always(dst, 6, v.num)
	case ValueString:
		return wire.AppendStringAlways(dst, 7, v.str)
	case ValueBytes:
		return wire.AppendBytesAlways(dst, 8, v.raw)
	default:
		return wire.AppendUintAlways(dst, int(v.kind.tag()>>3), v.varint())
	}
}

// identical reports whether a and b are one string in memory: a test without
// a call, after which equal strings may still differ.
func identical(a, b string) bool {
	return len(a) == len(b) && unsafe.StringData(a) == unsafe.StringData(b) //nolint:gosec // addresses are compared only
}

func (e *encoder) learnDevice(device string) {
	s := &e.device
	s.text = device
	s.set(e.devices.index(device, s.textIndex), 0)
}

// knows reports whether the stub of point number i is that of p.
func (e *encoder) knows(i int, p *Point) bool {
	return i < len(e.points) && identical(p.Name, e.points[i].text) && identical(p.Unit, e.points[i].unit)
}

// learnPoint makes the stub of point number i, of which all before have one.
func (e *encoder) learnPoint(i int, p *Point) {
	switch {
	case i < len(e.points):
	case i < cap(e.points):
		e.points = e.points[:i+1] // that of an earlier batch: a good guess
	default:
		e.points = append(e.points, stub{})
	}
	s := &e.points[i]
	s.text, s.unit = p.Name, p.Unit
	s.set(e.names.index(p.Name, s.textIndex), e.names.optional(p.Unit, s.unitIndex))
}

// set encodes the indexes, unless they are what they were.
func (s *stub) set(text, unit uint32) {
	if text == s.textIndex && unit == s.unitIndex {
		return
	}
	s.textIndex, s.unitIndex = text, unit
	s.word, s.size = 0, 0
	s.add(1, text)
	s.add(2, unit)
}

// add puts a field behind those that s has.
func (s *stub) add(field int, index uint32) {
	if index == 0 {
		return
	}
	word, size := wire.Word(wire.Tag(field)<<3|wire.Varint, uint64(index))
	s.word |= word << (8 * s.size)
	s.size += size
}
