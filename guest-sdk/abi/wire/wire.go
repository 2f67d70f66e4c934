// Package wire reads and writes the protobuf wire format (protobuf.dev,
// "Encoding") with the standard library alone and without reflection, because
// a guest pays for both. It knows nothing of any message: package abi and the
// outbox build theirs from it.
//
// Append functions leave a field out when it holds its zero value, as proto3
// does for fields without presence. A Reader walks the fields of one message;
// it never allocates except for the strings it hands out, never panics and
// never reads beyond its input, whatever the input holds.
package wire

import "encoding/binary"

// Tag is what starts a field: its number shifted left by three, and its wire
// type. A decoder switches on both at once, so that a known number with
// another wire type is skipped as an unknown field, as generated code does:
//
//	for r.Next() {
//		switch r.Tag() {
//		case 1<<3 | wire.Varint:
//			m.Count = uint32(r.Uint())
//		case 2<<3 | wire.Bytes:
//			m.Name = r.Text("")
//		}
//	}
//	return r.Err()
type Tag uint32

// The wire types that occur. Groups (3, 4) are refused: nothing in the
// contract is or will be one.
const (
	Varint  = 0
	Fixed64 = 1
	Bytes   = 2
	Fixed32 = 5
)

// maxField is the highest field number of protobuf.
const maxField = 1<<29 - 1

// AppendTag starts a field of wire type t.
func AppendTag(dst []byte, field int, t Tag) []byte {
	return appendUvarint(dst, uint64(field)<<3|uint64(t))
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
	return appendUvarint(AppendTag(dst, field, Varint), v)
}

// appendUvarint is binary.AppendUvarint, most often without its loop.
func appendUvarint(dst []byte, v uint64) []byte {
	if n := len(dst); v < 1<<56 && cap(dst)-n >= 8 {
		word, size := spread(v)
		binary.LittleEndian.PutUint64(dst[n:n+8], word)
		return dst[:n+size]
	}
	if n := len(dst); v < 1<<63 && cap(dst)-n >= 9 {
		PutLong(dst[n:n+9], v)
		return dst[:n+9]
	}
	return binary.AppendUvarint(dst, v)
}

// AppendSint writes a zigzag varint field (sint64) unless it is 0.
func AppendSint(dst []byte, field int, v int64) []byte {
	return AppendUint(dst, field, Zigzag(v)) // 0 stays 0
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
	dst = appendUvarint(AppendTag(dst, field, Bytes), uint64(len(v)))
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
	dst = appendUvarint(AppendTag(dst, field, Bytes), uint64(len(v)))
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
	if n := len(dst) - mark - 1; n < 0x80 {
		dst[mark] = byte(n)
		return dst
	}
	return endLong(dst, mark)
}

func endLong(dst []byte, mark int) []byte {
	n := uint64(len(dst) - mark - 1)
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
