// Package wire reads and writes the protobuf wire format (protobuf.dev,
// "Encoding") with the standard library alone and without reflection, because
// a guest pays for both. It knows nothing of any message: package abi and the
// outbox build theirs from it.
//
// Append functions leave a field out when it holds its zero value, as proto3
// does for fields without presence. A Reader walks the fields of one message;
// it never allocates, never panics and never reads beyond its input, whatever
// the input holds.
package wire

import (
	"encoding/binary"
	"errors"
	"math"
)

// Type is a protobuf wire type.
type Type uint8

// The wire types that occur; groups (3, 4) are refused.
const (
	Varint  Type = 0
	Fixed64 Type = 1
	Bytes   Type = 2
	Fixed32 Type = 5
)

// ErrMalformed is what a Reader reports for input that is not a message.
var ErrMalformed = errors.New("malformed message")

// AppendTag starts a field.
func AppendTag(dst []byte, field int, t Type) []byte {
	return binary.AppendUvarint(dst, uint64(field)<<3|uint64(t))
}

// AppendUint writes an unsigned varint field unless it is 0.
func AppendUint(dst []byte, field int, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return AppendUintAlways(dst, field, v)
}

// AppendUintAlways writes an unsigned varint field, also when it is 0: for
// members of a oneof and for optional fields that are set.
func AppendUintAlways(dst []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(AppendTag(dst, field, Varint), v)
}

// AppendSint writes a zigzag varint field (sint64) unless it is 0.
func AppendSint(dst []byte, field int, v int64) []byte {
	if v == 0 {
		return dst
	}
	return AppendUintAlways(dst, field, Zigzag(v))
}

// AppendBool writes a bool field unless it is false.
func AppendBool(dst []byte, field int, v bool) []byte {
	if !v {
		return dst
	}
	return AppendUintAlways(dst, field, 1)
}

// AppendFixed64 writes a little-endian 64-bit field unless it is 0.
func AppendFixed64(dst []byte, field int, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return AppendFixed64Always(dst, field, v)
}

// AppendFixed64Always writes a little-endian 64-bit field.
func AppendFixed64Always(dst []byte, field int, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(AppendTag(dst, field, Fixed64), v)
}

// AppendString writes a string field unless it is empty.
func AppendString(dst []byte, field int, v string) []byte {
	if v == "" {
		return dst
	}
	return AppendStringAlways(dst, field, v)
}

// AppendStringAlways writes a string field, also when it is empty: for
// elements of a repeated field.
func AppendStringAlways(dst []byte, field int, v string) []byte {
	dst = binary.AppendUvarint(AppendTag(dst, field, Bytes), uint64(len(v)))
	return append(dst, v...)
}

// AppendBytes writes a bytes field unless it is empty.
func AppendBytes(dst []byte, field int, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	return AppendBytesAlways(dst, field, v)
}

// AppendBytesAlways writes a bytes field, also when it is empty.
func AppendBytesAlways(dst []byte, field int, v []byte) []byte {
	dst = binary.AppendUvarint(AppendTag(dst, field, Bytes), uint64(len(v)))
	return append(dst, v...)
}

// Begin starts an embedded message whose length is not known yet. Write its
// fields, then call End with the mark that Begin returned.
func Begin(dst []byte, field int) (out []byte, mark int) {
	dst = AppendTag(dst, field, Bytes)
	return append(dst, 0), len(dst)
}

// End closes the embedded message that Begin started. One byte was kept for
// the length; a longer length moves the message up, which small messages,
// the common case, never pay for.
func End(dst []byte, mark int) []byte {
	n := uint64(len(dst) - mark - 1)
	if n < 0x80 {
		dst[mark] = byte(n)
		return dst
	}
	var length [binary.MaxVarintLen64]byte
	w := binary.PutUvarint(length[:], n)
	dst = append(dst, length[:w-1]...)
	copy(dst[mark+w:], dst[mark+1:len(dst)-(w-1)])
	copy(dst[mark:], length[:w])
	return dst
}

// Zigzag maps a signed number to the unsigned one that sint64 fields carry.
func Zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

// Unzigzag undoes Zigzag.
func Unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// Reader walks the fields of one encoded message. The zero value is an empty
// message.
type Reader struct {
	rest []byte
	num  uint64
	data []byte
	err  error
}

// Read starts at the first field of src. Bytes that the Reader hands out
// alias src.
func Read(src []byte) Reader { return Reader{rest: src} }

// Next moves to the next field. It reports false at the end and at the first
// fault; Err tells them apart.
func (r *Reader) Next() (field int, t Type, ok bool) {
	if len(r.rest) == 0 || r.err != nil {
		return 0, 0, false
	}
	tag, ok := r.uvarint()
	if !ok || tag>>3 == 0 || tag>>3 > math.MaxInt32>>2 {
		r.err = ErrMalformed
		return 0, 0, false
	}
	t = Type(tag & 7)
	switch t {
	case Varint:
		r.num, ok = r.uvarint()
	case Fixed64:
		if ok = len(r.rest) >= 8; ok {
			r.num, r.rest = binary.LittleEndian.Uint64(r.rest), r.rest[8:]
		}
	case Fixed32:
		if ok = len(r.rest) >= 4; ok {
			r.num, r.rest = uint64(binary.LittleEndian.Uint32(r.rest)), r.rest[4:]
		}
	case Bytes:
		var n uint64
		if n, ok = r.uvarint(); ok {
			if ok = n <= uint64(len(r.rest)); ok {
				r.data, r.rest = r.rest[:n:n], r.rest[n:]
			}
		}
	default:
		ok = false
	}
	if !ok {
		r.err = ErrMalformed
		return 0, 0, false
	}
	return int(tag >> 3), t, true
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

// Uint is the current varint or fixed field.
func (r *Reader) Uint() uint64 { return r.num }

// Sint is the current field as a zigzag number.
func (r *Reader) Sint() int64 { return Unzigzag(r.num) }

// Bool is the current field as a bool.
func (r *Reader) Bool() bool { return r.num != 0 }

// Double is the current 64-bit field as a floating-point number.
func (r *Reader) Double() float64 { return math.Float64frombits(r.num) }

// Bytes is the current length-delimited field; it aliases the input.
func (r *Reader) Bytes() []byte { return r.data }

// String is a copy of the current length-delimited field.
func (r *Reader) String() string { return string(r.data) }

// Err reports why Next stopped early, or nil.
func (r *Reader) Err() error { return r.err }
