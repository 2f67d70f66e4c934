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
	rest []byte
	data []byte
	num  uint64
	tag  Tag
	err  error
}

// Read starts at the first field of src. Bytes that the Reader hands out
// alias src.
func Read(src []byte) Reader { return Reader{rest: src} }

// Next moves to the next field. It reports false at the end and after the
// first fault; Err tells them apart.
func (r *Reader) Next() bool {
	if len(r.rest) == 0 || r.err != nil {
		return false
	}
	tag, ok := r.uvarint()
	if field := tag >> 3; !ok || field == 0 || field > maxField {
		r.err = ErrMalformed
		return false
	}
	r.tag = Tag(tag)
	switch r.tag & 7 {
	case Varint:
		r.num, ok = r.uvarint()
	case Bytes:
		ok = r.bytes()
	case Fixed64:
		if ok = len(r.rest) >= 8; ok {
			r.num, r.rest = binary.LittleEndian.Uint64(r.rest), r.rest[8:]
		}
	case Fixed32:
		if ok = len(r.rest) >= 4; ok {
			r.num, r.rest = uint64(binary.LittleEndian.Uint32(r.rest)), r.rest[4:]
		}
	default:
		ok = false
	}
	if !ok {
		r.err = ErrMalformed
	}
	return ok
}

func (r *Reader) bytes() bool {
	n, ok := r.uvarint()
	if !ok || n > uint64(len(r.rest)) {
		return false
	}
	r.data, r.rest = r.rest[:n:n], r.rest[n:]
	return true
}

func (r *Reader) uvarint() (uint64, bool) {
	if len(r.rest) > 0 && r.rest[0] < 0x80 { // the common case: one byte
		v := uint64(r.rest[0])
		r.rest = r.rest[1:]
		return v, true
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		return 0, false
	}
	r.rest = r.rest[n:]
	return v, true
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
func (r *Reader) Bytes() []byte { return r.data }

// Text is the current length-delimited field as a string that does not alias
// the input. It is old itself when old says the same, which spares a copy.
// Bytes that are not UTF-8 are a fault, as proto3 has it, and give "".
func (r *Reader) Text(old string) string {
	if !r.CheckText() {
		return ""
	}
	if old == string(r.data) {
		return old
	}
	return string(r.data)
}

// CheckText reports whether the current length-delimited field is UTF-8, and
// makes it a fault when it is not.
func (r *Reader) CheckText() bool {
	if utf8.Valid(r.data) {
		return true
	}
	r.Fail(errText)
	return false
}

// Fail ends the walk with err; nil is not a fault. The first fault stays.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Err reports why Next stopped early, or nil.
func (r *Reader) Err() error { return r.err }
