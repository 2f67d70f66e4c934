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
	tables                []byte // encoded
	// again says that tables, device and points are still those of the first
	// record of the batch before.
	again       bool
	contentType string // of that record

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
	if len(b.Records) == 0 {
		return dst
	}
	e, first := &b.enc, &b.Records[0]
	if !e.again || !e.looksLike(first) {
		e.learn(first)
	}
	start, known := len(dst), e.known()
	dst = append(dst, e.tables...)
	mark, base := len(dst), first.Time
	dst = wire.AppendFixed64(dst, 4, uint64(base))
	for rest := b.Records; len(rest) > 0; {
		var n, m int
		dst, n = e.plain(dst, rest, base)
		dst, m = e.payloads(dst, rest[n:], base)
		if rest = rest[n+m:]; n+m == 0 {
			dst = e.record(dst, &rest[0], base)
			rest = rest[1:]
		}
	}
	if e.known() != known {
		dst = e.replaceTables(dst, start, mark)
	}
	return dst
}

// looksLike reports whether the record points to what the first record of the
// batch before did.
func (e *encoder) looksLike(r *Record) bool {
	if !identical(r.Device, e.device.text) || !identical(r.ContentType, e.contentType) || len(r.Points) != len(e.points) {
		return false
	}
	for i := range r.Points {
		if !e.knows(i, &r.Points[i]) {
			return false
		}
	}
	return true
}

// learn takes in what the first record points to: what most of the batch does.
func (e *encoder) learn(r *Record) {
	e.devices.reset()
	e.types.reset()
	e.names.reset()
	e.points = e.points[:0]
	e.learnDevice(r.Device)
	e.types.optional(r.ContentType, 1)
	for i := range r.Points {
		e.learnPoint(i, &r.Points[i])
	}
	e.tables = e.appendTables(e.tables[:0])
	e.contentType, e.again = r.ContentType, true
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
	e.tables, e.again = e.appendTables(e.tables[:0]), false
	written := len(dst)
	dst = append(dst, e.tables[:start+len(e.tables)-end]...) // for the length
	copy(dst[start+len(e.tables):], dst[end:written])
	copy(dst[start:], e.tables)
	return dst
}

// record writes a record of any form.
func (e *encoder) record(dst []byte, r *Record, base int64) []byte {
	mark := len(dst) + 1
	dst = e.lead(dst, r, wire.Zigzag(r.Time-base))
	for i := 0; i < len(r.Points); i++ {
		var n int
		if dst, n = e.knownPoints(dst, r, i); n == len(r.Points) {
			break
		}
		i = n
		dst = e.point(dst, &r.Points[i], i, r.Time)
	}
	dst = wire.AppendBytes(dst, 7, r.Key)
	dst = appendHeaders(dst, 8, r.Headers)
	dst = wire.AppendString(dst, 9, r.SourceKey)
	return wire.End(dst, mark)
}

// plain writes records that are as most are, up to the first that is not, and
// answers how many: telemetry of the same device as before, of good numbers
// under the names that the record before had.
func (e *encoder) plain(dst []byte, records []Record, base int64) ([]byte, int) {
	lead, leadSize := e.device.word, e.device.size
	for i := range records {
		r := &records[i]
		n, after, count := len(dst), wire.Zigzag(r.Time-base), len(r.Points)
		if cap(dst)-n < (1+count)*room || after >= wire.MaxWord || !identical(r.Device, e.device.text) ||
			int(r.Kind)|len(r.ContentType)|len(r.Payload)|len(r.Key)|len(r.Headers)|len(r.SourceKey) != 0 ||
			count > len(e.points) {
			return dst, i
		}
		out := dst[:n+(1+count)*room]
		out[n] = 5<<3 | wire.Bytes
		binary.LittleEndian.PutUint64(out[n+2:], lead)
		at := n + 2 + leadSize
		word, size := wire.Word(3<<3|wire.Varint, after)
		if after == 0 {
			size = 0
		}
		binary.LittleEndian.PutUint64(out[at:], word)
		end := e.numbers(out, at+size, r.Points)
		if size := end - n - 2; 0 <= size && size < 0x80 {
			out[n+1] = byte(size)
			dst = out[:end]
			continue
		}
		return dst, i
	}
	return dst, len(records)
}

// payloadRoom is what payloads writes of a record beside its payload: two tags with
// lengths of two bytes, a stub, a time, a content type, and what is left of the last
// word.
const payloadRoom = 3 + 8 + 8 + 2 + 3 + 8

// payloads is plain for records of a payload alone, of the first record's content
// type.
func (e *encoder) payloads(dst []byte, records []Record, base int64) ([]byte, int) {
	lead, leadSize, typeSize := e.device.word, e.device.size, 0
	if len(e.contentType) > 0 {
		typeSize = 2
	}
	for i := range records {
		r := &records[i]
		n, after, size := len(dst), wire.Zigzag(r.Time-base), len(r.Payload)
		if size == 0 || size >= 1<<13 || cap(dst)-n < size+payloadRoom || after >= wire.MaxWord ||
			!identical(r.Device, e.device.text) || !identical(r.ContentType, e.contentType) ||
			int(r.Kind)|len(r.Points)|len(r.Key)|len(r.Headers)|len(r.SourceKey) != 0 {
			return dst, i
		}
		out := dst[:n+size+payloadRoom]
		word, wordSize := wire.Word(3<<3|wire.Varint, after)
		if after == 0 {
			wordSize = 0
		}
		length, lengthSize := wire.Word(5<<3|wire.Bytes, uint64(size))
		body := leadSize + wordSize + typeSize + lengthSize + size
		head, at := wire.Word(5<<3|wire.Bytes, uint64(body))
		binary.LittleEndian.PutUint64(out[n:], head)
		at += n
		binary.LittleEndian.PutUint64(out[at:], lead)
		at += leadSize
		binary.LittleEndian.PutUint64(out[at:], word)
		at += wordSize
		out[at], out[at+1] = 4<<3|wire.Varint, 1
		at += typeSize
		binary.LittleEndian.PutUint64(out[at:], length)
		at += lengthSize
		dst = out[:at+size]
		copy(dst[at:], r.Payload)
	}
	return dst, len(records)
}

// numbers writes points that are good numbers under the names that the record
// before had, and answers where they end; 0 if they are not all so.
func (e *encoder) numbers(out []byte, at int, points []Point) int {
	stubs := e.points[:len(points)]
	for i := range points {
		p, s := &points[i], &stubs[i]
		if !identical(p.Name, s.text) || !identical(p.Unit, s.unit) || uint64(p.Quality)|uint64(p.SourceTime) != 0 {
			return 0
		}
		out[at] = 6<<3 | wire.Bytes
		binary.LittleEndian.PutUint64(out[at+2:], s.word)
		value := at + 2 + s.size
		if num := p.Value.varint(); p.Value.isVarint() && num < wire.MaxWord {
			word, size := wire.Word(p.Value.kind.tag(), num)
			binary.LittleEndian.PutUint64(out[value:], word)
			out[at+1] = byte(s.size + size)
			at = value + size
			continue
		}
		if p.Value.kind != ValueDouble {
			return 0
		}
		out[value] = 6<<3 | wire.Fixed64
		binary.LittleEndian.PutUint64(out[value+1:], p.Value.num)
		out[at+1] = byte(s.size + 9)
		at = value + 9
	}
	return at
}

// lead begins a record with what comes before its points.
func (e *encoder) lead(dst []byte, r *Record, after uint64) []byte {
	if !identical(r.Device, e.device.text) {
		e.learnDevice(r.Device)
	}
	dst = slices.Grow(dst, (1+len(r.Points))*room+len(r.Payload))
	dst = append(dst, 5<<3|wire.Bytes, 0)
	dst = wire.AppendUint(dst, 1, uint64(e.device.textIndex))
	dst = wire.AppendUint(dst, 2, uint64(r.Kind))
	dst = wire.AppendUint(dst, 3, after)
	// Batches have few content types, and most have one: the first.
	dst = wire.AppendUint(dst, 4, uint64(e.types.optional(r.ContentType, 1)))
	return wire.AppendBytes(dst, 5, r.Payload)
}

// point writes the record's point number i.
func (e *encoder) point(dst []byte, p *Point, i int, recordTime int64) []byte {
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

// pointRoom is what knownPoints writes of one at most: a tag and a length, a stub,
// a value, a quality, and a time of a tag and nine bytes.
const pointRoom = 2 + 8 + 9 + 8 + 10

// knownPoints writes points of a record, from number i on, up to the first that has
// another name than the one at its place in the record before, or that is no
// number, and answers its number.
func (e *encoder) knownPoints(dst []byte, r *Record, i int) ([]byte, int) {
	at, out := len(dst), dst[:cap(dst)]
	last := min(len(r.Points), len(e.points))
	for ; i < last && at <= len(out)-pointRoom; i++ {
		p, s := &r.Points[i], &e.points[i]
		if !identical(p.Name, s.text) || !identical(p.Unit, s.unit) {
			break
		}
		binary.LittleEndian.PutUint64(out[at+2:], s.word)
		end := at + 2 + s.size
		if p.Value.kind == ValueDouble {
			out[end] = 6<<3 | wire.Fixed64
			binary.LittleEndian.PutUint64(out[end+1:], p.Value.num)
			end += 9
		} else {
			num := p.Value.varint()
			if !p.Value.isVarint() || num >= wire.MaxWord {
				break
			}
			word, size := wire.Word(p.Value.kind.tag(), num)
			binary.LittleEndian.PutUint64(out[end:], word)
			end += size
		}
		if p.Quality != 0 {
			word, size := wire.Word(9<<3|wire.Varint, uint64(p.Quality))
			binary.LittleEndian.PutUint64(out[end:], word)
			end += size
		}
		if p.SourceTime != 0 && p.SourceTime != r.Time {
			after := wire.Zigzag(p.SourceTime - r.Time)
			switch {
			case after < wire.MaxWord:
				word, size := wire.Word(10<<3|wire.Varint, after)
				binary.LittleEndian.PutUint64(out[end:], word)
				end += size
			case 1<<56 <= after && after < 1<<63:
				out[end] = 10<<3 | wire.Varint
				wire.PutLong(out[end+1:], after)
				end += 10
			default:
				return out[:at], i
			}
		}
		out[at], out[at+1] = 6<<3|wire.Bytes, byte(end-at-2)
		at = end
	}
	return out[:at], i
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
		return wire.AppendStringAlways(dst, 8, v.str)
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
	e.again = false
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
