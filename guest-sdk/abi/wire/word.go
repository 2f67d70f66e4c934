package wire

import (
	"encoding/binary"
	"math/bits"
)

// A Go guest pays for a jump and for a call what a dozen other instructions
// cost, because its functions are made of basic blocks behind a dispatcher.
// Varints of up to eight bytes are therefore put together, and taken apart, in
// one word, without the usual loop over their bytes.

// MaxWord is beyond the numbers that Word takes.
const MaxWord = 1 << 49

// Word is a varint field, ready for AppendWord: a tag of one byte (the field
// is below 16) and a number below MaxWord, in the low size bytes of a word.
func Word(tag Tag, v uint64) (word uint64, size int) {
	word, size = spread(v)
	return word<<8 | uint64(tag), size + 1
}

// AppendWord writes the low size bytes of word, which are up to eight. It
// wants room for eight: what dst holds beyond its length may be overwritten
// that far.
func AppendWord(dst []byte, word uint64, size int) []byte {
	return binary.LittleEndian.AppendUint64(dst, word)[:len(dst)+size]
}

// The bits of a word that spread and gather move by four, by two, and by one.
const (
	low28 = 0x0000_0000_0fff_ffff
	low14 = 0x0000_3fff_0000_3fff
	low7  = 0x007f_007f_007f_007f
	more  = 0x8080_8080_8080_8080 // says that another byte follows
)

// spread is the varint of v, which is below 1<<56, in the low size bytes.
func spread(v uint64) (word uint64, size int) {
	size = (bits.Len64(v|1)*9 + 64) >> 6 // a byte for each 7 bits begun
	v = v&low28 | v&^low28<<4
	v = v&low14 | v&(low14<<14)<<2
	v = v&low7 | v&(low7<<7)<<1
	return v | more&(1<<((size-1)<<3&63)-1), size
}

// gather undoes spread on the start of a word, and says how many bytes it
// was; 0 if a varint does not end in this word.
func gather(word uint64) (v uint64, size int) {
	last := ^word & more
	if last == 0 {
		return 0, 0
	}
	v = word & (last ^ (last - 1)) &^ more // up to the first byte without the bit
	v = v&low7 | v>>1&(low7<<7)
	v = v&low14 | v>>2&(low14<<14)
	v = v&low28 | v>>4&^low28
	return v, bits.TrailingZeros64(last)>>3 + 1
}
