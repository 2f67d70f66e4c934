package abi

import (
	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

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
