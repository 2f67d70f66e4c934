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
	tables                []byte // as they are written

	device stub   // of the record before
	points []stub // of the records before, by their place in the record
}

// stub is what a record or a point points to, with its encoded fields as
// wire.AppendWord takes them. An index has at most three bytes there: a batch
// with more strings than that is beyond MaxBatch.
type stub struct {
	text, unit           string
	textIndex, unitIndex uint32

	word uint64
	size int
}

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
	start := len(dst)
	var base int64
	if len(b.Records) > 0 {
		base = b.Records[0].Time
	}
	dst = wire.AppendFixed64(dst, 4, uint64(base))
	for i := range b.Records {
		dst = e.record(dst, &b.Records[i], base)
	}
	// The tables come first, and are known last: one move for a whole batch is
	// less than a pass of its own over all records.
	e.tables = e.devices.append(e.tables[:0], 1)
	e.tables = e.types.append(e.tables, 2)
	e.tables = e.names.append(e.tables, 3)
	return slices.Insert(dst, start, e.tables...)
}

// record writes one record. Fields that few records have are written by
// functions of their own: the way without them is then the one without jumps.
func (e *encoder) record(dst []byte, r *Record, base int64) []byte {
	if len(e.devices.entries) == 0 || !identical(r.Device, e.device.text) {
		e.learnDevice(r.Device)
	}
	mark := len(dst) + 1
	dst = append(dst, 5<<3|wire.Bytes, 0)
	dst = wire.AppendWord(dst, e.device.word, e.device.size)
	if r.Kind != 0 {
		dst = wire.AppendUintAlways(dst, 2, uint64(r.Kind))
	}
	if after := wire.Zigzag(r.Time - base); after >= wire.MaxWord {
		dst = wire.AppendUintAlways(dst, 3, after)
	} else if after != 0 {
		word, size := wire.Word(3<<3|wire.Varint, after)
		dst = wire.AppendWord(dst, word, size)
	}
	if len(r.ContentType)|len(r.Payload) != 0 {
		dst = e.payload(dst, r)
	}
	for i := range r.Points {
		dst = e.point(dst, &r.Points[i], i, r.Time)
	}
	if len(r.Key)|len(r.Headers)|len(r.SourceKey) != 0 {
		dst = r.appendRest(dst)
	}
	return wire.End(dst, mark)
}

func (e *encoder) payload(dst []byte, r *Record) []byte {
	// Batches have few content types, and most have one: the first.
	dst = wire.AppendUint(dst, 4, uint64(e.types.optional(r.ContentType, 1)))
	return wire.AppendBytes(dst, 5, r.Payload)
}

func (r *Record) appendRest(dst []byte) []byte {
	dst = wire.AppendBytes(dst, 7, r.Key)
	dst = appendHeaders(dst, 8, r.Headers)
	return wire.AppendString(dst, 9, r.SourceKey)
}

// point writes the record's point number i.
func (e *encoder) point(dst []byte, p *Point, i int, recordTime int64) []byte {
	if i >= len(e.points) || !identical(p.Name, e.points[i].text) || !identical(p.Unit, e.points[i].unit) {
		e.learnPoint(i, p)
	}
	s := &e.points[i]
	mark := len(dst) + 1
	dst = append(dst, 6<<3|wire.Bytes, 0)
	dst = wire.AppendWord(dst, s.word, s.size)
	dst = p.Value.append(dst)
	if uint64(p.Quality)|uint64(p.SourceTime) != 0 {
		dst = p.appendQuality(dst, recordTime)
	}
	return wire.End(dst, mark)
}

func (p *Point) appendQuality(dst []byte, recordTime int64) []byte {
	dst = wire.AppendUint(dst, 9, uint64(p.Quality))
	if p.SourceTime != 0 {
		dst = wire.AppendSint(dst, 10, p.SourceTime-recordTime)
	}
	return dst
}

// append writes the value: numbers here, the rest apart.
func (v *Value) append(dst []byte) []byte {
	num := v.num
	if v.kind == ValueInt {
		num = wire.Zigzag(int64(num))
	}
	switch {
	case v.kind-ValueBool <= ValueUint-ValueBool && num < wire.MaxWord:
		word, size := wire.Word(v.kind.tag(), num)
		return wire.AppendWord(dst, word, size)
	case v.kind == ValueDouble:
		dst = append(dst, 6<<3|wire.Fixed64)
		return binary.LittleEndian.AppendUint64(dst, num)
	default:
		return v.appendSlow(dst, num)
	}
}

// tag is that of a value written as a varint: the kinds are in the order of
// their fields, of which ValueBool's is the third.
func (k ValueType) tag() wire.Tag { return wire.Tag(k-ValueBool+3)<<3 | wire.Varint }

func (v *Value) appendSlow(dst []byte, num uint64) []byte {
	switch v.kind {
	case ValueNone:
		return dst
	case ValueString:
		return wire.AppendStringAlways(dst, 7, v.str)
	case ValueBytes:
		return wire.AppendBytesAlways(dst, 8, v.raw)
	default:
		return wire.AppendUintAlways(dst, int(v.kind.tag()>>3), num)
	}
}

// identical reports whether a and b are one string in memory: a test without
// a call, after which equal strings may still differ.
func identical(a, b string) bool {
	return len(a) == len(b) && unsafe.StringData(a) == unsafe.StringData(b)
}

func (e *encoder) learnDevice(device string) {
	s := &e.device
	*s = stub{text: device, textIndex: e.devices.index(device, s.textIndex)}
	s.add(1, s.textIndex)
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
	*s = stub{
		text: p.Name, textIndex: e.names.index(p.Name, s.textIndex),
		unit: p.Unit, unitIndex: e.names.optional(p.Unit, s.unitIndex),
	}
	s.add(1, s.textIndex)
	s.add(2, s.unitIndex)
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
