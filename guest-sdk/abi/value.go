package abi

import (
	"math"
	"unsafe"
)

// ValueType says which of a Value's forms is set.
type ValueType uint8

// The forms of a value. ValueNone is a point without a value.
const (
	ValueNone ValueType = iota
	ValueBool
	ValueInt
	ValueUint
	ValueDouble
	ValueString
	ValueBytes
)

// Value is a bool, int64, uint64, float64, string or byte string. The zero
// Value is none of them.
type Value struct {
	kind ValueType
	num  uint64
	str  string // or the bytes, because points are copied often: a slice would make them larger
}

// Bool is a value that holds v.
func Bool(v bool) Value {
	if v {
		return Value{kind: ValueBool, num: 1}
	}
	return Value{kind: ValueBool}
}

// Int is a value that holds v.
func Int(v int64) Value { return Value{kind: ValueInt, num: uint64(v)} }

// Uint is a value that holds v.
func Uint(v uint64) Value { return Value{kind: ValueUint, num: v} }

// Double is a value that holds v.
func Double(v float64) Value { return Value{kind: ValueDouble, num: math.Float64bits(v)} }

// String is a value that holds v.
func String(v string) Value { return Value{kind: ValueString, str: v} }

// Bytes is a value that holds v, which is not copied.
func Bytes(v []byte) Value { return Value{kind: ValueBytes, str: aliasing(v)} }

// Type says which form is set.
func (v Value) Type() ValueType { return v.kind }

// Bool is the value of a ValueBool, else false.
func (v Value) Bool() bool { return v.kind == ValueBool && v.num != 0 }

// Int is the value of a ValueInt, else 0.
func (v Value) Int() int64 {
	if v.kind != ValueInt {
		return 0
	}
	return int64(v.num)
}

// Uint is the value of a ValueUint, else 0.
func (v Value) Uint() uint64 {
	if v.kind != ValueUint {
		return 0
	}
	return v.num
}

// Double is the value of a ValueDouble, else 0.
func (v Value) Double() float64 {
	if v.kind != ValueDouble {
		return 0
	}
	return math.Float64frombits(v.num)
}

// String is the value of a ValueString, else "".
func (v Value) String() string {
	if v.kind != ValueString {
		return ""
	}
	return v.str
}

// Bytes is the value of a ValueBytes, else nil.
func (v Value) Bytes() []byte {
	if v.kind != ValueBytes {
		return nil
	}
	return unsafe.Slice(unsafe.StringData(v.str), len(v.str)) //nolint:gosec // what Bytes was given
}

// aliasing is b as a string that is b's memory.
func aliasing(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // taken apart in Bytes alone
}
