package wire

import (
	"encoding/binary"
	"math/bits"
)

// In a Go guest a jump and a call cost what a dozen other instructions do,
// because a function there is a row of basic blocks behind a dispatcher.
// To clear or copy a struct in one piece is dear as well: it becomes a call out
// of the guest. Hence three habits of the hot paths in this package, in abi and
// in the SDK:
//
//   - Varints of up to eight bytes are put together, and taken apart, in one
//     word, without the usual loop over their bytes.
//   - The common case is the body of an if that returns, and all the rest
//     comes after it: the compiler lays the body out without a jump.
//   - Structs of more than two words are filled field by field, and a literal
//     names all its fields, so that none is cleared before.

// MaxWord is beyond the numbers that Word takes.
const MaxWord = 1 << 49

// Word is a varint field: a tag of one byte (the field is below 16) and a
// number below MaxWord, in the low size bytes of a word. Write all eight and
// go on behind the size: one store is the cheapest.
func Word(tag Tag, v uint64) (word uint64, size int) {
	word, size = spread(v)
	return word<<8 | uint64(tag), size + 1
}

// The bits of a word that spread and Number move by four, by two, and by one.
const (
	low28 = 0x0000_0000_0fff_ffff
	low14 = 0x0000_3fff_0000_3fff
	low7  = 0x007f_007f_007f_007f
	more  = 0x8080_8080_8080_8080 // says that another byte follows
)

// spread is the varint of v, which is below 1<<56, in the low size bytes.
func spread(v uint64) (word uint64, size int) {
	size = (bits.Len64(v|1)*9 + 64) >> 6 // a byte for each 7 bits begun
	return apart(v) | more&(1<<((size-1)<<3&63)-1), size
}

// apart moves each 7 of the lower 56 bits into a byte of their own.
func apart(v uint64) uint64 {
	v = v&low28 | v&^low28<<4
	v = v&low14 | v&(low14<<14)<<2
	return v&low7 | v&(low7<<7)<<1
}

// together undoes apart, whatever the highest bit of each byte is.
func together(v uint64) uint64 {
	v &^= more
	v = v&low7 | v>>1&(low7<<7)
	v = v&low14 | v>>2&(low14<<14)
	return v&low28 | v>>4&^low28
}

// PutLong writes the varint of v, which is at least 1<<56 and below 1<<63, as
// times are that count from long ago: it has nine bytes.
func PutLong(dst []byte, v uint64) {
	_ = dst[8]
	binary.LittleEndian.PutUint64(dst, apart(v&(1<<56-1))|more)
	dst[8] = byte(v >> 56)
}

// Long undoes PutLong on a word of which Number found no end, and the byte behind
// it, which is below 0x80.
func Long(word uint64, last byte) uint64 { return together(word) | uint64(last)<<56 }

// Number undoes spread on the start of a word, and says how many bytes it was;
// 0 if a varint does not end in this word.
func Number(word uint64) (v uint64, size int) {
	last := ^word & more
	if last == 0 {
		return 0, 0
	}
	// Up to the first byte without the bit.
	return together(word & (last ^ (last - 1))), bits.TrailingZeros64(last)>>3 + 1
}
