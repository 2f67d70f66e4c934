package abi

import (
	"encoding/binary"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// room is what the fast ways below write at most: a tag and a length, a stub, a
// number with its tag, and what is left of the last word.
const room = 2 + 8 + 9 + 8

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
