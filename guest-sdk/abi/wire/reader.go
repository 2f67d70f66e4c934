package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"
)

// ErrMalformed is what a Reader reports for input that is not a message.
var ErrMalformed = errors.New("malformed message")

// errText is ErrMalformed with the reason that authors meet in practice.
var errText error = textError{}

type textError struct{}

func (textError) Error() string { return "malformed message: a string is not UTF-8" }
func (textError) Unwrap() error { return ErrMalformed }

// Reader walks the fields of one encoded message. The zero value is an empty
// message.
type Reader struct {
	src  []byte
	next int // where the next field starts in src; its end after a fault
	num  uint64
	tag  Tag
	err  error

	// Where a length-delimited field's bytes stand in src: no slice, because
	// storing a pointer makes a jump around the write barrier.
	from, to int
}

// Read starts at the first field of src. Bytes that the Reader hands out
// alias src.
func Read(src []byte) Reader { return Reader{src: src} }

// Reset makes r what Read answers. For a Reader that is kept, it spares a guest
// to clear a new one (see word.go).
func (r *Reader) Reset(src []byte) {
	r.src, r.err = src, nil
	r.next, r.num, r.tag, r.from, r.to = 0, 0, 0, 0, 0
}

// Next moves to the next field. It reports false at the end and after the
// first fault; Err tells them apart.
func (r *Reader) Next() bool {
	src, at := r.src, r.next
	if at < len(src)-1 && (src[at]|src[at+1])&0x80 == 0 { // a tag and a number of one byte each
		tag, n := Tag(src[at]), uint64(src[at+1])
		from, size := at+2, 0 // a varint is taken for empty bytes, which spares a jump
		if tag&7 == Bytes {
			size = int(n)
		}
		if tag >= 1<<3 && tag&7&^Bytes == 0 && size <= len(src)-from {
			r.tag, r.num, r.next = tag, n, from+size
			r.from, r.to = from, from+size
			return true
		}
	}
	if at < len(src)-8 && 1<<3 <= src[at] && src[at] < 0x80 { // room for a longer number
		tag, word := Tag(src[at]), binary.LittleEndian.Uint64(src[at+1:])
		v, size := word, 8
		if tag&7 == Varint {
			v, size = Number(word)
		}
		if tag&7&^Fixed64 == 0 && size > 0 {
			r.tag, r.num, r.next = tag, v, at+1+size
			r.from, r.to = r.next, r.next
			return true
		}
	}
	if at >= len(src) {
		return false
	}
	return r.slowNext()
}

// slowNext is Next for fields of all forms, of which there is one.
func (r *Reader) slowNext() bool {
	src := r.src
	tag, at := uint64(src[r.next]), r.next+1
	if tag >= 0x80 {
		tag, at = uvarint(src, r.next)
	}
	if field := tag >> 3; at == 0 || field == 0 || field > maxField {
		return r.malformed()
	}
	r.tag = Tag(tag)
	switch r.tag & 7 {
	case Varint:
		if r.num, at = uvarint(src, at); at == 0 {
			return r.malformed()
		}
	case Bytes:
		var n uint64
		if n, at = uvarint(src, at); at == 0 || n > uint64(len(src)-at) {
			return r.malformed()
		}
		r.from, r.to = at, at+int(n)
		at = r.to
	case Fixed64:
		if len(src)-at < 8 {
			return r.malformed()
		}
		r.num = binary.LittleEndian.Uint64(src[at:])
		at += 8
	case Fixed32:
		if len(src)-at < 4 {
			return r.malformed()
		}
		r.num = uint64(binary.LittleEndian.Uint32(src[at:]))
		at += 4
	default:
		return r.malformed()
	}
	r.next = at
	return true
}

// malformed ends the walk. It is false, for Next.
func (r *Reader) malformed() bool {
	r.Fail(ErrMalformed)
	return false
}

// uvarint reads the number at src[at] and says where the next thing starts,
// or 0 if there is none.
func uvarint(src []byte, at int) (v uint64, next int) {
	if len(src)-at >= 8 {
		word := binary.LittleEndian.Uint64(src[at:])
		if v, n := Number(word); n > 0 {
			return v, at + n
		}
		if len(src)-at >= 9 && src[at+8] < 0x80 {
			return Long(word, src[at+8]), at + 9
		}
	}
	if v, n := binary.Uvarint(src[at:]); n > 0 {
		return v, at + n
	}
	return 0, 0
}

// Tag is the current field's number and wire type.
func (r *Reader) Tag() Tag { return r.tag }

// Uint is the current varint or fixed field.
func (r *Reader) Uint() uint64 { return r.num }

// Sint is the current varint as a zigzag number (sint64).
func (r *Reader) Sint() int64 { return Unzigzag(r.num) }

// Bool is the current varint as a bool.
func (r *Reader) Bool() bool { return r.num != 0 }

// Double is the current 64-bit field as a floating-point number.
func (r *Reader) Double() float64 { return math.Float64frombits(r.num) }

// Bytes is the current length-delimited field; it aliases the input and is
// never nil, so that an empty field can be told from an absent one.
func (r *Reader) Bytes() []byte { return r.src[r.from:r.to:r.to] }

// Span is where the current length-delimited field stands in the input.
func (r *Reader) Span() (from, to int) { return r.from, r.to }

// Seek makes the next field the one at this place of the input, beyond the
// current one.
func (r *Reader) Seek(at int) { r.next = at }

// Text is the current length-delimited field as a string that does not alias
// the input. It is old itself when old says the same, which spares a copy.
// Bytes that are not UTF-8 are a fault, as proto3 has it, and give "".
func (r *Reader) Text(old string) string {
	data := r.Bytes()
	switch {
	case !r.CheckText():
		return ""
	case old == string(data):
		return old
	default:
		return string(data)
	}
}

// CheckText reports whether the current length-delimited field is UTF-8, and
// makes it a fault when it is not.
func (r *Reader) CheckText() bool {
	if utf8.Valid(r.Bytes()) {
		return true
	}
	r.Fail(errText)
	return false
}

// Fail ends the walk with err; nil is not a fault. The first fault stays.
func (r *Reader) Fail(err error) {
	if err != nil && r.err == nil {
		r.err, r.next = err, len(r.src)
	}
}

// Err reports why Next stopped early, or nil.
func (r *Reader) Err() error { return r.err }
