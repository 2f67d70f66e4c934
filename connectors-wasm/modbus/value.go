package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// The orders of bytes in a register, and of registers in a value.
const (
	big    = "BIG"
	little = "LITTLE"
)

// The types of values, and their aliases in a ThingsBoard gateway.
const (
	typeBool    = "bool"
	typeBits    = "bits"
	typeInt16   = "int16"
	typeUint16  = "uint16"
	typeInt32   = "int32"
	typeUint32  = "uint32"
	typeInt64   = "int64"
	typeUint64  = "uint64"
	typeFloat32 = "float32"
	typeFloat64 = "float64"
	typeString  = "string"
	typeBytes   = "bytes"
)

// sizeOf is how many registers a number takes; 0: it is none.
func sizeOf(t string) int {
	switch t {
	case typeInt16, typeUint16:
		return 1
	case typeInt32, typeUint32, typeFloat32:
		return 2
	case typeInt64, typeUint64, typeFloat64:
		return 4
	}
	return 0
}

func alias(t string) string {
	switch t {
	case "16int", "short", "int":
		return typeInt16
	case "16uint", "ushort", "uint":
		return typeUint16
	case "32int", "long":
		return typeInt32
	case "32uint":
		return typeUint32
	case "64int":
		return typeInt64
	case "64uint":
		return typeUint64
	case "32float", "float":
		return typeFloat32
	case "64float", "double":
		return typeFloat64
	}
	return t
}

// settleType finds out how much an item takes.
func (it *item) settleType() (field, why string) {
	it.Type = alias(it.Type)
	if it.Type == "" {
		it.Type = map[bool]string{true: typeBool, false: typeUint16}[it.ofBits()]
		if it.ofBits() && it.ObjectsCount > 1 {
			it.Type = typeBits
		}
	}
	numbers, most := sizeOf(it.Type), mostRegisters
	switch {
	case it.ofBits() && it.Type != typeBool && it.Type != typeBits:
		return "type", fmt.Sprintf("is %q: coils and discrete inputs are bool or bits", it.Type)
	case it.ofBits() && it.Type == typeBool, !it.ofBits() && (it.Type == typeBool || it.Type == typeBits):
		it.size = 1
	case it.Type == typeBits:
		it.size, most = max(it.ObjectsCount, 1), 64
	case numbers > 0:
		it.size = numbers
	case it.Type == typeString || it.Type == typeBytes:
		it.size = max(it.ObjectsCount, 1)
	default:
		return "type", fmt.Sprintf("is %q: want bool, bits, int16, uint16, int32, uint32, int64, uint64, float32, float64, string or bytes", it.Type)
	}
	switch {
	case it.ObjectsCount != 0 && it.ObjectsCount != it.size:
		return "objectsCount", fmt.Sprintf("is %d: %s takes %d", it.ObjectsCount, it.Type, it.size)
	case it.size > most:
		return "objectsCount", fmt.Sprintf("is %d: want at most %d", it.size, most)
	case it.Address < 0 || it.Address+it.size > 1<<16:
		return "address", fmt.Sprintf("is %d: want 0 to 65535, and room for the value", it.Address)
	}
	return it.settleScale(numbers)
}

func (it *item) settleScale(numbers int) (field, why string) {
	if it.Bit != nil && (it.ofBits() || it.Type != typeBool || *it.Bit < 0 || *it.Bit > 15) {
		return "bit", "is for the type bool in a register, and 0 to 15"
	}
	if !it.ofBits() && it.Type == typeBool && it.Bit == nil {
		it.Bit = new(0)
	}
	if (it.Multiplier != 0 || it.Divider != 0 || it.Offset != 0) && numbers == 0 {
		return "multiplier", "only numbers are scaled"
	}
	if it.Multiplier == 0 {
		it.Multiplier = 1
	}
	if it.Divider == 0 {
		it.Divider = 1
	}
	return "", ""
}

func (it *item) scaled() bool { return it.Multiplier != 1 || it.Divider != 1 || it.Offset != 0 }

// inOrder turns registers as they come into the order of a number, and back.
func (it *item) inOrder(data []byte) []byte {
	out := bytes.Clone(data)
	if it.ByteOrder == little {
		for i := 0; i+1 < len(out); i += 2 {
			out[i], out[i+1] = out[i+1], out[i]
		}
	}
	if it.WordOrder == little && sizeOf(it.Type) > 0 {
		for i, j := 0, len(out)-2; i < j; i, j = i+2, j-2 {
			out[i], out[i+1], out[j], out[j+1] = out[j], out[j+1], out[i], out[i+1]
		}
	}
	return out
}

// decode reads an item's registers, or its bits with the first one lowest.
func (it *item) decode(data []byte) abi.Value {
	if it.ofBits() {
		var bits uint64
		for i, b := range data {
			bits |= uint64(b) << (8 * i)
		}
		if it.Type == typeBool {
			return abi.Bool(bits&1 == 1)
		}
		return abi.Uint(bits)
	}
	data = it.inOrder(data)
	switch it.Type {
	case typeBool:
		return abi.Bool(binary.BigEndian.Uint16(data)>>*it.Bit&1 == 1)
	case typeBits:
		return abi.Uint(uint64(binary.BigEndian.Uint16(data)))
	case typeString:
		return abi.String(strings.ToValidUTF8(strings.TrimRight(string(data), "\x00 "), "\uFFFD"))
	case typeBytes:
		return abi.Bytes(data)
	}
	return it.number(data)
}

func (it *item) number(data []byte) abi.Value {
	var v abi.Value
	var f float64
	switch it.Type {
	case typeFloat32:
		f = float64(math.Float32frombits(binary.BigEndian.Uint32(data)))
		v = abi.Double(f)
	case typeFloat64:
		f = math.Float64frombits(binary.BigEndian.Uint64(data))
		v = abi.Double(f)
	case typeInt16, typeInt32, typeInt64:
		i := signed(data)
		f, v = float64(i), abi.Int(i)
	default:
		u := unsigned(data)
		f, v = float64(u), abi.Uint(u)
	}
	if it.scaled() {
		return abi.Double(f*it.Multiplier/it.Divider + it.Offset)
	}
	return v
}

func unsigned(data []byte) (u uint64) {
	for _, b := range data {
		u = u<<8 | uint64(b)
	}
	return u
}

func signed(data []byte) int64 {
	shift := 64 - 8*len(data)
	return int64(unsigned(data)<<shift) >> shift
}

// near reports whether a value is so close to another that it is not told.
func near(a, b abi.Value, deadband float64) bool {
	x, ok := numeric(a)
	y, also := numeric(b)
	if deadband > 0 && ok && also {
		return math.Abs(x-y) < deadband
	}
	return a == b || ok && also && math.IsNaN(x) && math.IsNaN(y)
}

func numeric(v abi.Value) (float64, bool) {
	switch v.Type() {
	case abi.ValueInt:
		return float64(v.Int()), true
	case abi.ValueUint:
		return float64(v.Uint()), true
	case abi.ValueDouble:
		return v.Double(), true
	default:
		return 0, false
	}
}

// encode is a value of JSON as it stands in the item's registers, or its bits with
// the first one lowest.
func (it *item) encode(raw json.RawMessage) ([]byte, error) {
	text := strings.TrimSpace(string(raw))
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, err
		}
	}
	switch it.Type {
	case typeBool:
		return boolean(text)
	case typeBits:
		return it.bits(text)
	case typeString, typeBytes:
		if len(text) > 2*it.size {
			return nil, fmt.Errorf("%d bytes do not fit into %d registers", len(text), it.size)
		}
		return it.inOrder(append([]byte(text), make([]byte, 2*it.size-len(text))...)), nil
	}
	data, err := it.numberOf(text)
	if err != nil {
		return nil, err
	}
	return it.inOrder(data), nil
}

func boolean(text string) ([]byte, error) {
	switch text {
	case "true", "1":
		return []byte{1}, nil
	case "false", "0":
		return []byte{0}, nil
	}
	return nil, fmt.Errorf("%.64q is neither true nor false", text)
}

func (it *item) bits(text string) ([]byte, error) {
	width := it.size
	if !it.ofBits() {
		width = 16
	}
	u, err := strconv.ParseUint(text, 0, width)
	if err != nil {
		return nil, fmt.Errorf("%.64q is no number of %d bits", text, width)
	}
	if !it.ofBits() {
		return it.inOrder(binary.BigEndian.AppendUint16(nil, uint16(u))), nil
	}
	return binary.LittleEndian.AppendUint64(nil, u)[:(width+7)/8], nil
}

// numberOf is a number without its scale, most significant byte first.
func (it *item) numberOf(text string) ([]byte, error) {
	width := 16 * it.size
	wrong := func(err error) error { return fmt.Errorf("%.64q is no %s: %w", text, it.Type, err) }
	switch {
	case it.Type == typeFloat32 || it.Type == typeFloat64:
		f, err := it.unscaled(text)
		if err != nil {
			return nil, wrong(err)
		}
		if width == 64 {
			return binary.BigEndian.AppendUint64(nil, math.Float64bits(f)), nil
		}
		if math.Abs(f) > math.MaxFloat32 {
			return nil, wrong(strconv.ErrRange)
		}
		return binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(f))), nil
	case it.scaled() || strings.ContainsAny(text, ".eE"):
		f, err := it.unscaled(text)
		if err != nil {
			return nil, wrong(err)
		}
		rounded := math.Round(f)
		if !it.scaled() && rounded != f {
			return nil, wrong(strconv.ErrSyntax)
		}
		if math.Abs(rounded) > 1<<53 {
			return nil, wrong(strconv.ErrRange)
		}
		text = strconv.FormatFloat(rounded, 'f', -1, 64)
	}
	var u uint64
	var err error
	if strings.HasPrefix(it.Type, "u") {
		u, err = strconv.ParseUint(text, 10, width)
	} else {
		var i int64
		i, err = strconv.ParseInt(text, 10, width)
		u = uint64(i)
	}
	if err != nil {
		return nil, wrong(err)
	}
	return binary.BigEndian.AppendUint64(nil, u)[8-2*it.size:], nil
}

func (it *item) unscaled(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
		err = strconv.ErrRange
	}
	return (f - it.Offset) * it.Divider / it.Multiplier, err
}
