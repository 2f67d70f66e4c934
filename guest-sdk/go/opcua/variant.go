package opcua

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Variant is a value in the binary encoding of OPC UA.
type Variant = []byte

// Status is a status code of the standard.
type Status uint32

// Bad reports whether there is no value to be used.
func (s Status) Bad() bool { return s&0x80000000 != 0 }

// Good reports whether nothing is to be said against a value.
func (s Status) Good() bool { return s&0xc0000000 == 0 }

// String is the code in hex, as the standard lists them.
func (s Status) String() string { return fmt.Sprintf("0x%08X", uint32(s)) }

// Kind is the type of what a variant holds.
type Kind byte

// The types that Value reads and New makes.
const (
	KindNull Kind = iota
	KindBoolean
	KindSByte
	KindByte
	KindInt16
	KindUInt16
	KindInt32
	KindUInt32
	KindInt64
	KindUInt64
	KindFloat
	KindDouble
	KindString
	KindDateTime
	KindGUID
	KindByteString
)

// KindOf is the type of a variant, and whether it is an array of it.
func KindOf(v Variant) (kind Kind, array bool) {
	if len(v) == 0 {
		return KindNull, false
	}
	return Kind(v[0] & 0x3f), v[0]&0x80 != 0
}

// Value is a single value as records have it: numbers, truth values and texts as
// such, a time in nanoseconds since 1970. It reports false for arrays,
// structures and null, which are their bytes.
func Value(v Variant) (abi.Value, bool) {
	kind, array := KindOf(v)
	if array || len(v) == 0 {
		return abi.Value{}, false
	}
	b := v[1:]
	if n := width(kind); n > 0 && len(b) != n {
		return abi.Value{}, false
	}
	switch kind {
	case KindBoolean:
		return abi.Bool(b[0] != 0), true
	case KindSByte:
		return abi.Int(int64(int8(b[0]))), true
	case KindByte:
		return abi.Uint(uint64(b[0])), true
	case KindInt16:
		return abi.Int(int64(int16(binary.LittleEndian.Uint16(b)))), true
	case KindUInt16:
		return abi.Uint(uint64(binary.LittleEndian.Uint16(b))), true
	case KindInt32:
		return abi.Int(int64(int32(binary.LittleEndian.Uint32(b)))), true
	case KindUInt32:
		return abi.Uint(uint64(binary.LittleEndian.Uint32(b))), true
	case KindInt64:
		return abi.Int(int64(binary.LittleEndian.Uint64(b))), true
	case KindUInt64:
		return abi.Uint(binary.LittleEndian.Uint64(b)), true
	case KindFloat:
		return abi.Double(float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))), true
	case KindDouble:
		return abi.Double(math.Float64frombits(binary.LittleEndian.Uint64(b))), true
	case KindDateTime:
		return abi.Int(UnixNS(binary.LittleEndian.Uint64(b))), true
	case KindString, KindByteString:
		return text(kind, b)
	default:
		return abi.Value{}, false
	}
}

// Number is the number of a variant that holds a single Double, which most do that
// come often: Value without its calls.
func Number(v Variant) (float64, bool) {
	if len(v) != 9 || v[0] != byte(KindDouble) {
		return 0, false
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(v[1:])), true
}

func text(kind Kind, b []byte) (abi.Value, bool) {
	if len(b) < 4 {
		return abi.Value{}, false
	}
	n, b := int32(binary.LittleEndian.Uint32(b)), b[4:]
	if n > 0 && int(n) != len(b) {
		return abi.Value{}, false
	}
	if kind == KindString {
		return abi.String(string(b)), true
	}
	return abi.Bytes(b), true
}

// width is how many bytes a value of a type has; 0: it varies.
func width(k Kind) int {
	switch k {
	case KindBoolean, KindSByte, KindByte:
		return 1
	case KindInt16, KindUInt16:
		return 2
	case KindInt32, KindUInt32, KindFloat:
		return 4
	case KindInt64, KindUInt64, KindDouble, KindDateTime:
		return 8
	default:
		return 0
	}
}

// Boolean makes a variant.
func Boolean(v bool) Variant {
	if v {
		return Variant{byte(KindBoolean), 1}
	}
	return Variant{byte(KindBoolean), 0}
}

// Int32 makes a variant.
func Int32(v int32) Variant { return number(KindInt32, uint64(v)) }

// Double makes a variant.
func Double(v float64) Variant { return number(KindDouble, math.Float64bits(v)) }

// String makes a variant.
func String(v string) Variant {
	return append(binary.LittleEndian.AppendUint32(Variant{byte(KindString)}, uint32(len(v))), v...)
}

// number makes a variant of the low bytes of v.
func number(k Kind, v uint64) Variant {
	return append(Variant{byte(k)}, binary.LittleEndian.AppendUint64(nil, v)[:width(k)]...)
}

// Parse makes a variant of a type out of a text, as JSON has numbers and truth
// values. The error says what does not fit.
func Parse(k Kind, s string) (Variant, error) {
	bits := 8 * width(k)
	switch k {
	case KindBoolean:
		v, err := strconv.ParseBool(s)
		return Boolean(v), err
	case KindSByte, KindInt16, KindInt32, KindInt64:
		v, err := strconv.ParseInt(s, 10, bits)
		return number(k, uint64(v)), err
	case KindByte, KindUInt16, KindUInt32, KindUInt64:
		v, err := strconv.ParseUint(s, 10, bits)
		return number(k, v), err
	case KindFloat:
		v, err := strconv.ParseFloat(s, 32)
		return number(k, uint64(math.Float32bits(float32(v)))), err
	case KindDouble:
		v, err := strconv.ParseFloat(s, 64)
		return Double(v), err
	case KindString:
		return String(s), nil
	default:
		return nil, fmt.Errorf("no text makes a value of type %d", k)
	}
}
