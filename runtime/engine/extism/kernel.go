package extism

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Kernel is the memory that a guest shares with the host: blocks that it
// allocates, the input and output of the call, its error, its config and its
// variables. Offsets are what guests name its bytes by; 0 is none. A Kernel is
// used by one goroutine at a time, and allocates nothing itself once it has
// grown to what calls need.
//
// It behaves as the kernel of the reference implementation does, except that
// it lays blocks out in another way: a guest that prints an offset prints
// another number.
type Kernel struct {
	room Room

	bytes  []byte // by offset; those below firstOffset are never used
	used   uint64 // end of the last block
	dirty  uint64 // end of what may hold old bytes
	blocks []block
	free   [classes]uint32 // a list of free blocks for each class, by number + 1
	quiet  int             // calls in a row that needed little of bytes

	input, output span
	failure       uint64 // offset of the error

	settings Settings
	vars     map[string]*variable
	varBytes uint64 // as MaxVars counts them
	inVars   uint64 // bytes that vars hold
}

// span is a range of the kernel's bytes.
type span struct{ at, n uint64 }

// block is a range that was allocated. Blocks lie one behind the other, so
// they are in the order of their offsets.
type block struct {
	at, size uint32 // what it may hold
	used     uint32 // what was asked for; 0: free
	next     uint32 // of the list of free blocks
}

const (
	firstOffset = 64
	blockBytes  = 16 // of a block in memory
	minBlock    = 16 // bytes
	maxBlock    = 1 << 31
	// The sizes of blocks are 16, 20, 24, 28, 32, 40, ...: four for each
	// doubling, so that a block that was freed can be used again for another
	// request of about its size, and at most a quarter is lost.
	classes = 4 * 30
	minRoom = 4 << 10 // bytes that are taken first
	// keptRoom is what a kernel keeps in any case; what is more goes back after
	// some calls that did not need it.
	keptRoom = 256 << 10
	patience = 64
)

// Room is asked before a kernel takes or gives back memory. It answers how many
// bytes the kernel may hold in all: at most most, and less than least if that
// is too much, which changes nothing.
type Room func(least, most uint64) uint64

// NewKernel makes the kernel of one guest.
func NewKernel(s Settings, room Room) *Kernel {
	return &Kernel{room: room, settings: s, used: firstOffset, dirty: firstOffset}
}

// Begin makes the kernel ready for a call with this input: all blocks of the
// last call are gone, config and variables stay. It reports false if there is
// no room for the input.
func (k *Kernel) Begin(in []byte) bool {
	k.recycle()
	k.Reset()
	if len(in) == 0 {
		return true
	}
	at, ok := k.take(uint64(len(in)))
	if !ok {
		return false
	}
	copy(k.bytes[at:], in)
	k.input = span{at, uint64(len(in))}
	return true
}

// recycle gives memory back that one call has needed and many others have not.
func (k *Kernel) recycle() {
	const little = keptRoom / 2
	if len(k.bytes) <= keptRoom || k.used > little || len(k.blocks) > little/blockBytes {
		k.quiet = 0
		return
	}
	if k.quiet++; k.quiet >= patience {
		k.bytes, k.blocks, k.dirty, k.quiet = nil, nil, firstOffset, 0
		k.hold(0)
	}
}

// Reset frees all blocks and forgets input, output and error.
func (k *Kernel) Reset() {
	k.dirty = max(k.dirty, k.used)
	k.used = firstOffset
	k.blocks = k.blocks[:0]
	k.free = [classes]uint32{}
	k.input, k.output, k.failure = span{}, span{}, 0
}

// Alloc makes a block of n bytes and answers its offset; 0 if n is 0 or there
// is no room.
func (k *Kernel) Alloc(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	fresh := k.used
	at, ok := k.take(n)
	if !ok {
		return 0
	}
	if at >= fresh && at < k.dirty { // a guest may rely on zeros
		clear(k.bytes[at:min(k.used, k.dirty)])
	}
	return at
}

// take makes a block of n bytes that holds whatever was there.
func (k *Kernel) take(n uint64) (at uint64, ok bool) {
	if n > maxBlock {
		return 0, false
	}
	class, size := classOf(n)
	if number := k.free[class]; number != 0 {
		b := &k.blocks[number-1]
		k.free[class] = b.next
		b.used = uint32(n)
		return uint64(b.at), true
	}
	at = k.used
	if at+size > math.MaxUint32 || !k.grow(at+size, len(k.blocks)+1) {
		return 0, false
	}
	k.used = at + size
	k.blocks = append(k.blocks, block{at: uint32(at), size: uint32(size), used: uint32(n)}) //nolint:gosec // both ends are below 1<<32
	return at, true
}

// classOf is the class of blocks that hold n bytes, and their size.
func classOf(n uint64) (class int, size uint64) {
	if n <= minBlock {
		return 0, minBlock
	}
	// n-1 is at least 16: its leading bit, and the two behind it.
	shift := bits.Len64(n-1) - 3
	quarter := (n - 1) >> shift // 4..7
	return 4*(shift-2) + int(quarter&3) + 1, (quarter + 1) << shift
}

// grow sees that there are so many bytes and room for so many blocks. What it
// takes beyond that is a part of what there is, so that a guest that asks for
// little again and again does not have everything copied each time.
func (k *Kernel) grow(bytes uint64, blocks int) bool {
	return (bytes <= uint64(len(k.bytes)) || k.growBytes(bytes)) &&
		(blocks <= cap(k.blocks) || k.growBlocks(uint64(blocks)))
}

func (k *Kernel) growBytes(need uint64) bool {
	have := uint64(len(k.bytes))
	rest := k.holds() - have
	granted := k.room(rest+need, rest+max(need, have+have/2, minRoom))
	if granted < rest+need {
		return false
	}
	grown := make([]byte, granted-rest)
	copy(grown, k.bytes[:min(k.used, have)])
	k.bytes, k.dirty = grown, k.used
	return true
}

func (k *Kernel) growBlocks(need uint64) bool {
	have := uint64(cap(k.blocks))
	rest := k.holds() - have*blockBytes
	granted := k.room(rest+need*blockBytes, rest+max(need, have+have/2, minRoom/blockBytes)*blockBytes)
	if granted < rest+need*blockBytes {
		return false
	}
	k.blocks = append(make([]block, 0, (granted-rest)/blockBytes), k.blocks...)
	return true
}

// holds is what the kernel holds now.
func (k *Kernel) holds() uint64 {
	return uint64(len(k.bytes)) + uint64(cap(k.blocks))*blockBytes + k.inVars
}

// find is the number of the block at this offset, if one is in use there.
func (k *Kernel) find(at uint64) (number int, ok bool) {
	low, high := 0, len(k.blocks)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if uint64(k.blocks[mid].at) < at {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == len(k.blocks) || uint64(k.blocks[low].at) != at || k.blocks[low].used == 0 {
		return 0, false
	}
	return low, true
}

// Free gives a block back. What is no block stays as it is.
func (k *Kernel) Free(at uint64) {
	number, ok := k.find(at)
	if !ok {
		return
	}
	if at == k.input.at {
		k.input.n = 0
	}
	b := &k.blocks[number]
	class, _ := classOf(uint64(b.size))
	b.used, b.next = 0, k.free[class]
	k.free[class] = uint32(number) + 1
}

// Length is the length of a block; 0 if there is none.
func (k *Kernel) Length(at uint64) uint64 { return uint64(len(k.Block(at))) }

// Block is the content of a block; nil if there is none. It is valid until the
// next use of the kernel.
func (k *Kernel) Block(at uint64) []byte {
	number, ok := k.find(at)
	if !ok {
		return nil
	}
	return k.bytes[at : at+uint64(k.blocks[number].used)]
}

// Put makes a block with this content, which must not be the kernel's own, and
// answers its offset: 0 for no bytes. It reports false if there is no room.
func (k *Kernel) Put(content []byte) (at uint64, ok bool) {
	if len(content) == 0 {
		return 0, true
	}
	if at, ok = k.take(uint64(len(content))); ok {
		copy(k.bytes[at:], content)
	}
	return at, ok
}

// Memory is how many bytes the kernel's memory has.
func (k *Kernel) Memory() uint64 { return max(uint64(len(k.bytes)), firstOffset) - firstOffset }

// inside reports whether n bytes from at lie in blocks that were allocated.
func (k *Kernel) inside(at, n uint64) bool {
	return at >= firstOffset && at < k.used && n <= k.used-at
}

// Load8 is the byte at an offset; 0 outside.
func (k *Kernel) Load8(at uint64) byte {
	if !k.inside(at, 1) {
		return 0
	}
	return k.bytes[at]
}

// Load64 is the little-endian number at an offset; 0 outside.
func (k *Kernel) Load64(at uint64) uint64 {
	if !k.inside(at, 8) {
		return 0
	}
	return binary.LittleEndian.Uint64(k.bytes[at:])
}

// Store8 writes a byte; nothing outside.
func (k *Kernel) Store8(at uint64, v byte) {
	if k.inside(at, 1) {
		k.bytes[at] = v
	}
}

// Store64 writes a little-endian number; nothing outside.
func (k *Kernel) Store64(at, v uint64) {
	if k.inside(at, 8) {
		binary.LittleEndian.PutUint64(k.bytes[at:], v)
	}
}
