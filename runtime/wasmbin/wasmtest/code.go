package wasmtest

import "slices"

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
