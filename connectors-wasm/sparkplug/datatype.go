package main

import (
	"math"
	"strconv"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// datatype is the number of a type of values (specification, 6.4.16).
type datatype uint32

// The types that this node publishes and accepts. The others (data sets,
// templates, files, arrays) have no value of ours that they could be made of.
const (
	typeUnknown  datatype = 0
	typeInt8     datatype = 1
	typeInt16    datatype = 2
	typeInt32    datatype = 3
	typeInt64    datatype = 4
	typeUInt8    datatype = 5
	typeUInt16   datatype = 6
	typeUInt32   datatype = 7
	typeUInt64   datatype = 8
	typeFloat    datatype = 9
	typeDouble   datatype = 10
	typeBoolean  datatype = 11
	typeString   datatype = 12
	typeDateTime datatype = 13
	typeText     datatype = 14
	typeUUID     datatype = 15
	typeBytes    datatype = 17
)

// form says in which field of a metric the values of a type stand.
type form uint8

const (
	formNone form = iota
	formInt       // 32 bits; a negative number is cut to the type's width
	formLong
	formFloat
	formDouble
	formBool
	formString
	formBytes
)

// kind is what there is to know of a type.
type kind struct {
	name   string
	form   form
	bits   int // of a whole number
	signed bool
}

// kindOf is what there is to know of a type, or nothing.
func kindOf(t datatype) kind {
	switch t {
	case typeInt8:
		return kind{"Int8", formInt, 8, true}
	case typeInt16:
		return kind{"Int16", formInt, 16, true}
	case typeInt32:
		return kind{"Int32", formInt, 32, true}
	case typeInt64:
		return kind{"Int64", formLong, 64, true}
	case typeUInt8:
		return kind{"UInt8", formInt, 8, false}
	case typeUInt16:
		return kind{"UInt16", formInt, 16, false}
	case typeUInt32:
		return kind{"UInt32", formInt, 32, false}
	case typeUInt64:
		return kind{"UInt64", formLong, 64, false}
	case typeFloat:
		return kind{name: "Float", form: formFloat}
	case typeDouble:
		return kind{name: "Double", form: formDouble}
	case typeBoolean:
		return kind{name: "Boolean", form: formBool}
	case typeString:
		return kind{name: "String", form: formString}
	case typeDateTime:
		return kind{"DateTime", formLong, 64, false}
	case typeText:
		return kind{name: "Text", form: formString}
	case typeUUID:
		return kind{name: "UUID", form: formString}
	case typeBytes:
		return kind{name: "Bytes", form: formBytes}
	default:
		return kind{}
	}
}

// typeNamed is the type of a name, or typeUnknown.
func typeNamed(name string) datatype {
	for t := typeInt8; t <= typeBytes; t++ {
		if k := kindOf(t); k.form != formNone && k.name == name {
			return t
		}
	}
	return typeUnknown
}

// naturalType is the type that holds every value of a form of ours.
func naturalType(v abi.Value) datatype {
	switch v.Type() {
	case abi.ValueBool:
		return typeBoolean
	case abi.ValueInt:
		return typeInt64
	case abi.ValueUint:
		return typeUInt64
	case abi.ValueString:
		return typeString
	case abi.ValueBytes:
		return typeBytes
	default: // a double, or a value that is not there
		return typeDouble
	}
}

// fit makes v a value of a type, if it is one without loss: what comes out is a
// bool, an int or uint (by the sign of the type), a double, a string or bytes. A
// whole number is a double too, as long as it is exact.
func fit(t datatype, v abi.Value) (abi.Value, bool) {
	k := kindOf(t)
	switch k.form {
	case formInt, formLong:
		return fitWhole(k, v)
	case formFloat, formDouble:
		return fitReal(v)
	case formBool:
		return v, v.Type() == abi.ValueBool
	case formString:
		return v, v.Type() == abi.ValueString
	case formBytes:
		return v, v.Type() == abi.ValueBytes
	default:
		return v, false
	}
}

func fitWhole(k kind, v abi.Value) (abi.Value, bool) {
	if k.signed {
		n, ok := v.Int(), v.Type() == abi.ValueInt
		if v.Type() == abi.ValueUint {
			n, ok = int64(v.Uint()), v.Uint() <= math.MaxInt64
		}
		limit := int64(1)<<(k.bits-1) - 1
		return abi.Int(n), ok && n <= limit && n >= -limit-1
	}
	n, ok := v.Uint(), v.Type() == abi.ValueUint
	if v.Type() == abi.ValueInt {
		n, ok = uint64(v.Int()), v.Int() >= 0
	}
	return abi.Uint(n), ok && n <= math.MaxUint64>>(64-k.bits)
}

// exact bounds the whole numbers that a double holds without loss.
const exact = 1 << 53

func fitReal(v abi.Value) (abi.Value, bool) {
	switch v.Type() {
	case abi.ValueDouble:
		return v, true
	case abi.ValueInt:
		return abi.Double(float64(v.Int())), v.Int() >= -exact && v.Int() <= exact
	case abi.ValueUint:
		return abi.Double(float64(v.Uint())), v.Uint() <= exact
	default:
		return v, false
	}
}

// widen is the type for a metric that has values of one type and now gets one
// that does not fit it. It only ever goes up, so that a metric whose values take
// turns is not born again and again: a bool becomes a whole number, that a double,
// and what is of no use together a string.
func widen(have datatype, v abi.Value) datatype {
	from, to := rank(kindOf(have).form), naturalType(v)
	if from == rankText || rank(kindOf(to).form) == rankText || from == rankBytes || rank(kindOf(to).form) == rankBytes {
		return typeString
	}
	if have == typeBoolean && whole(kindOf(to).form) {
		return to
	}
	return typeDouble
}

const (
	rankBool = iota
	rankNumber
	rankBytes
	rankText
)

func rank(f form) int {
	switch f {
	case formBool:
		return rankBool
	case formString:
		return rankText
	case formBytes:
		return rankBytes
	default:
		return rankNumber
	}
}

func whole(f form) bool { return f == formInt || f == formLong }

// convert is a value as one of a type, if it is another form of the same: a bool
// is a whole number, and everything a text. Where the type was asked for, a whole
// number may also stand for a bool, and a double without a fraction for a whole
// number.
func convert(t datatype, v abi.Value, asked bool) abi.Value {
	switch k := kindOf(t); {
	case k.form == formString && v.Type() == abi.ValueBytes:
		return abi.String(base64Of(v.Bytes()))
	case k.form == formString && v.Type() != abi.ValueString:
		return abi.String(string(text(v)))
	case v.Type() == abi.ValueBool && (whole(k.form) || k.form == formFloat || k.form == formDouble):
		if v.Bool() {
			return abi.Uint(1)
		}
		return abi.Uint(0)
	case asked && k.form == formBool && v.Type() == abi.ValueInt && v.Int()&^1 == 0:
		return abi.Bool(v.Int() == 1)
	case asked && k.form == formBool && v.Type() == abi.ValueUint && v.Uint()&^1 == 0:
		return abi.Bool(v.Uint() == 1)
	case asked && whole(k.form) && v.Type() == abi.ValueDouble:
		return wholeOf(v)
	}
	return v
}

// wholeOf is a double without a fraction as a whole number, or itself.
func wholeOf(v abi.Value) abi.Value {
	d := v.Double()
	if d != math.Trunc(d) || d < -exact || d > exact {
		return v
	}
	return abi.Int(int64(d))
}

// text is a value as JSON has it.
func text(v abi.Value) []byte {
	switch v.Type() {
	case abi.ValueBool:
		return strconv.AppendBool(nil, v.Bool())
	case abi.ValueInt:
		return strconv.AppendInt(nil, v.Int(), 10)
	case abi.ValueUint:
		return strconv.AppendUint(nil, v.Uint(), 10)
	case abi.ValueDouble:
		if d := v.Double(); !math.IsNaN(d) && !math.IsInf(d, 0) {
			return strconv.AppendFloat(nil, d, 'g', -1, 64)
		}
	case abi.ValueString:
		return quoted(v.String())
	case abi.ValueBytes:
		return quoted(base64Of(v.Bytes()))
	case abi.ValueNone:
	}
	return []byte("null")
}
