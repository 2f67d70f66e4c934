package wasmtest

import (
	"bytes"
	"slices"
)

// Join is the concatenation of pieces of code.
func Join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// The instructions that tests need.

// Unreachable traps.
func Unreachable() []byte { return []byte{0x00} }

// I32 pushes an i32.
func I32(v int32) []byte { return append([]byte{0x41}, sleb(int64(v))...) }

// I64 pushes an i64.
func I64(v int64) []byte { return append([]byte{0x42}, sleb(v)...) }

// Get pushes a local; parameters come first.
func Get(local uint32) []byte { return append([]byte{0x20}, uleb(uint64(local))...) }

// Set pops a local.
func Set(local uint32) []byte { return append([]byte{0x21}, uleb(uint64(local))...) }

// GetGlobal pushes a global.
func GetGlobal(global uint32) []byte { return append([]byte{0x23}, uleb(uint64(global))...) }

// SetGlobal pops a global.
func SetGlobal(global uint32) []byte { return append([]byte{0x24}, uleb(uint64(global))...) }

// Call calls a function, imports numbered first.
func Call(function uint32) []byte { return append([]byte{0x10}, uleb(uint64(function))...) }

// Drop drops the top value.
func Drop() []byte { return []byte{0x1a} }

// Return leaves the function.
func Return() []byte { return []byte{0x0f} }

// Forever repeats its body without an end.
func Forever(body ...[]byte) []byte {
	return Join([]byte{0x03, 0x40}, Join(body...), []byte{0x0c, 0, 0x0b})
}

// While repeats its body, which leaves an i32, until that is 0.
func While(body ...[]byte) []byte {
	return Join([]byte{0x03, 0x40}, Join(body...), []byte{0x0d, 0, 0x0b})
}

// If runs its body if the popped i32 is not 0.
func If(body ...[]byte) []byte {
	return Join([]byte{0x04, 0x40}, Join(body...), []byte{0x0b})
}

// Block is a block of a type, as Loop and IfElse are: "" for none, or one letter
// for the value that it leaves. In a loop, a branch to 0 repeats it.
func Block(result string, body ...[]byte) []byte { return blockOf(0x02, result, body) }

// Loop is a block that a branch repeats.
func Loop(result string, body ...[]byte) []byte { return blockOf(0x03, result, body) }

// IfElse pops an i32 and runs one of two bodies.
func IfElse(result string, yes, no []byte) []byte {
	return blockOf(0x04, result, [][]byte{yes, {0x05}, no})
}

func blockOf(op byte, result string, body [][]byte) []byte {
	t := byte(0x40)
	for _, letter := range result {
		t = valueType(letter)
	}
	return Join([]byte{op, t}, Join(body...), []byte{0x0b})
}

// Nested is depth blocks in each other, around a body.
func Nested(depth int, body ...[]byte) []byte {
	return Join(bytes.Repeat([]byte{0x02, 0x40}, depth), Join(body...), bytes.Repeat([]byte{0x0b}, depth))
}

// Br leaves the blocks up to this one, 0 being the innermost.
func Br(label uint32) []byte { return append([]byte{0x0c}, uleb(uint64(label))...) }

// BrIf pops an i32 and leaves the blocks if it is not 0.
func BrIf(label uint32) []byte { return append([]byte{0x0d}, uleb(uint64(label))...) }

// BrTable pops an i32 and leaves the blocks that this target names; the last
// is the default.
func BrTable(labels ...uint32) []byte {
	out := append([]byte{0x0e}, uleb(uint64(len(labels)-1))...)
	for _, label := range labels {
		out = append(out, uleb(uint64(label))...)
	}
	return out
}

// CallIndirect pops an index and calls the function there in table 0.
func CallIndirect(typ uint32) []byte {
	return Join([]byte{0x11}, uleb(uint64(typ)), []byte{0})
}

// Repeat is n times the same code.
func Repeat(n int, body ...[]byte) []byte { return bytes.Repeat(Join(body...), n) }

// Select pops an i32 and two values, and pushes one of them.
func Select() []byte { return []byte{0x1b} }

// Nop does nothing.
func Nop() []byte { return []byte{0x01} }

// Fill pops a length, a byte and an address, and fills memory.
func Fill() []byte { return []byte{0xfc, 11, 0} }

// TableGrow pops how many entries and a reference, and pushes the size before,
// or -1.
func TableGrow() []byte { return []byte{0xfc, 15, 0} }

// TableSize pushes the number of entries of table 0.
func TableSize() []byte { return []byte{0xfc, 16, 0} }

// TableFill pops a length, a reference and an index, and fills table 0.
func TableFill() []byte { return []byte{0xfc, 17, 0} }

// NullFunc pushes the null reference to a function.
func NullFunc() []byte { return []byte{0xd0, 0x70} }

// Op is instructions without operands: 0x6a i32.add, 0x6b i32.sub, 0x7c
// i64.add, 0x84 i64.or, 0x86 i64.shl, 0xac i64.extend_i32_s, 0xad
// i64.extend_i32_u, 0xa7 i32.wrap_i64, 0x46 i32.eq, 0x45 i32.eqz.
func Op(codes ...byte) []byte { return codes }

// Store32 pops a value and an address.
func Store32(offset uint32) []byte { return append([]byte{0x36, 0}, uleb(uint64(offset))...) }

// Store64 pops a value and an address.
func Store64(offset uint32) []byte { return append([]byte{0x37, 0}, uleb(uint64(offset))...) }

// Load32 pops an address and pushes an i32.
func Load32(offset uint32) []byte { return append([]byte{0x28, 0}, uleb(uint64(offset))...) }

// Load64 pops an address and pushes an i64.
func Load64(offset uint32) []byte { return append([]byte{0x29, 0}, uleb(uint64(offset))...) }

// Grow pops pages and pushes the size before, or -1.
func Grow() []byte { return []byte{0x40, 0} }

// Copy pops a length, a source and a destination, and copies memory.
func Copy() []byte { return []byte{0xfc, 10, 0, 0} }

// Packed turns two i32 pushed by ptr and length into ptr<<32 | length.
func Packed(ptr, length []byte) []byte {
	return Join(ptr, Op(0xad), I64(32), Op(0x86), length, Op(0xad, 0x84))
}

func sleb(v int64) []byte {
	var out []byte
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && b&0x40 == 0) || (v == -1 && b&0x40 != 0) {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
