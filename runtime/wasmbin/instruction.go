package wasmbin

// opcode is the number of an instruction: its byte, or for the instructions
// behind a prefix the prefix in the upper byte and the number in the lower.
type opcode uint16

// The opcodes that are more than their signature.
const (
	opUnreachable  opcode = 0x00
	opNop          opcode = 0x01
	opBlock        opcode = 0x02
	opLoop         opcode = 0x03
	opIf           opcode = 0x04
	opElse         opcode = 0x05
	opEnd          opcode = 0x0b
	opBr           opcode = 0x0c
	opBrIf         opcode = 0x0d
	opBrTable      opcode = 0x0e
	opReturn       opcode = 0x0f
	opCall         opcode = 0x10
	opCallIndirect opcode = 0x11
	opDrop         opcode = 0x1a
	opSelect       opcode = 0x1b
	opSelectTyped  opcode = 0x1c
	opLocalGet     opcode = 0x20
	opLocalSet     opcode = 0x21
	opLocalTee     opcode = 0x22
	opGlobalGet    opcode = 0x23
	opGlobalSet    opcode = 0x24
	opTableGet     opcode = 0x25
	opTableSet     opcode = 0x26
	opMemorySize   opcode = 0x3f
	opMemoryGrow   opcode = 0x40
	opI32Const     opcode = 0x41
	opI64Const     opcode = 0x42
	opF32Const     opcode = 0x43
	opF64Const     opcode = 0x44
	opRefNull      opcode = 0xd0
	opRefIsNull    opcode = 0xd1
	opRefFunc      opcode = 0xd2
	opMemoryInit   opcode = 0xfc08
	opDataDrop     opcode = 0xfc09
	opMemoryCopy   opcode = 0xfc0a
	opMemoryFill   opcode = 0xfc0b
	opTableInit    opcode = 0xfc0c
	opElemDrop     opcode = 0xfc0d
	opTableCopy    opcode = 0xfc0e
	opTableGrow    opcode = 0xfc0f
	opTableSize    opcode = 0xfc10
	opTableFill    opcode = 0xfc11
	opV128Const    opcode = 0xfd0c
	opShuffle      opcode = 0xfd0d

	prefixMisc   opcode = 0xfc00
	prefixVector opcode = 0xfd00
)

// instruction is one instruction with its immediates.
type instruction struct {
	at  int // offset of the opcode
	imm int // offset of the first immediate
	end int // offset behind the last
	op  opcode
	// a and b are the immediates:
	//   an index (local, global, function, label, type, table, segment): a;
	//   two (call_indirect type, table; table.init and memory.init segment,
	//   table; table.copy to, from): a, b;
	//   a block's type: a as int64, an index of a type or a negative (blockEmpty,
	//   or a value type minus 128);
	//   memory access: a is the alignment, b the offset; a lane is the last byte;
	//   a lane alone, a reference type: a;
	//   a constant: a, its bits; those of v128 and shuffle lie at imm;
	//   br_table: a targets beside the default, which lie at b, the default last;
	//   select with types: a types, which lie at b.
	a, b uint64
}

// blockEmpty is the type of a block without parameters and results.
const blockEmpty = -64

// shapes says for each opcode what follows it:
//
//   - nothing            x  an index           X  two indexes
//     b  a block's type     t  a branch table     s  types
//     m  a memory access    z  the memory         r  a reference type
//     i I f F  a constant   c v  a prefix
//     e T R G a  instructions of proposals: exceptions, tail calls, function
//     references, garbage collection, threads
//     ?  no instruction
const shapes = "" +
	"--bbb-eeeee-xxt-" + // 0x00
	"xXTTRR??ee--s??e" + // 0x10
	"xxxxxxx?mmmmmmmm" + // 0x20
	"mmmmmmmmmmmmmmmz" + // 0x30
	"ziIfF-----------" + // 0x40
	"----------------" + // 0x50
	"----------------" + // 0x60
	"----------------" + // 0x70
	"----------------" + // 0x80
	"----------------" + // 0x90
	"----------------" + // 0xa0
	"----------------" + // 0xb0
	"-----???????????" + // 0xc0
	"r-xGRRR?????????" + // 0xd0
	"????????????????" + // 0xe0
	"???????????Gcva?" //   0xf0

// miscShapes is the same for the instructions behind 0xfc; Z is two memories,
// n an index and the memory.
const miscShapes = "" + "--------" + "nxZzXxXxxx"

// vectorShapes is the same for the instructions behind 0xfd: l is a lane, M a
// memory access and a lane, V 16 bytes.
const vectorShapes = "" +
	"mmmmmmmmmmmmVV--" + // 0x0
	"-----lllllllllll" + // 0x10
	"lll-------------" + // 0x20
	"----------------" + // 0x30
	"----------------" + // 0x40
	"----MMMMMMMMmm--" + // 0x50
	"----------------" + // 0x60
	"----------------" + // 0x70
	"----------------" + // 0x80
	"----------?-----" + // 0x90
	"--?--??--------?" + // 0xa0
	"?-???------?----" + // 0xb0
	"--?--??--------?" + // 0xc0
	"?-???-----------" + // 0xd0
	"--?-----------?-" + // 0xe0
	"----------------" // 0xf0

// instruction reads the next instruction. Of those that are not WebAssembly 2.0
// it reads none: it fails with WasmFeature where it knows the proposal. Numbers
// are read as strictly as the specification says; the number of a vector
// instruction must moreover be as short as it can be, because wazero takes no
// other for what it is.
func (c *cursor) instruction() instruction {
	in := instruction{at: c.pos}
	op := c.byte()
	in.op, in.imm = opcode(op), c.pos
	c.immediates(&in, shapes[op])
	in.end = c.pos
	return in
}

func (c *cursor) immediates(in *instruction, shape byte) {
	switch shape {
	case '-':
	case 'x', 'l', 'r', 'z':
		c.single(in, shape)
	case 'X':
		in.a, in.b = uint64(c.u32()), uint64(c.u32())
	case 'm', 'M':
		c.memarg(in, shape)
	case 'b':
		in.a = uint64(c.s33())
	case 'i':
		in.a = uint64(c.signed(32))
	case 'I':
		in.a = uint64(c.signed(64))
	case 'f':
		in.a = c.bits(4)
	case 'F':
		in.a = c.bits(8)
	case 't', 's':
		c.list(in, shape)
	case 'V':
		c.skip(16)
	case 'n', 'Z':
		c.memories(in, shape)
	case 'c':
		c.misc(in)
	case 'v':
		c.vector(in)
	default:
		c.unsupported(in, shape)
	}
}

// single reads one small immediate.
func (c *cursor) single(in *instruction, shape byte) {
	switch shape {
	case 'x':
		in.a = uint64(c.u32())
	case 'l':
		in.a = uint64(c.byte())
	case 'z':
		c.zero()
	case 'r':
		t := valueType(c.byte())
		if in.a = uint64(t); !t.reference() {
			c.unsupported(in, 'R')
		}
	}
}

func (c *cursor) memarg(in *instruction, shape byte) {
	in.a, in.b = uint64(c.u32()), uint64(c.u32())
	switch {
	case c.err != nil:
	case in.a&0x40 != 0 && in.a < 0x80:
		c.feature(in.at, "byte %d: an access to another memory than the first", in.at)
	case in.a >= 32:
		c.fail(in.imm, "byte %d: an alignment of 2^%d bytes", in.imm, in.a)
	case shape == 'M':
		c.byte()
	}
}

// list walks over a branch table, or the types of a select.
func (c *cursor) list(in *instruction, shape byte) {
	in.a = uint64(c.u32())
	in.b = uint64(c.pos)
	switch {
	case c.err != nil:
	case in.a >= uint64(c.end-c.pos):
		c.fail(in.imm, "byte %d: a list of %d in %d bytes", in.imm, in.a, c.end-c.pos)
	case shape == 's':
		c.skip(int(in.a)) //nolint:gosec // less than what is left
	default:
		for n := in.a + 1; n > 0 && c.err == nil; n-- {
			c.u32()
		}
	}
}

func (c *cursor) memories(in *instruction, shape byte) {
	if shape == 'n' {
		in.a = uint64(c.u32())
	} else {
		c.zero()
	}
	c.zero()
}

// zero reads the index of a memory, which is one byte.
func (c *cursor) zero() {
	at := c.pos
	if b := c.byte(); b != 0 {
		c.feature(at, "byte %d: memory %d, and one is allowed", at, b)
	}
}

func (c *cursor) misc(in *instruction) {
	n := c.prefixed(in, prefixMisc)
	switch {
	case c.err != nil:
	case n >= len(miscShapes):
		c.unsupported(in, '?')
	default:
		c.immediates(in, miscShapes[n])
	}
}

func (c *cursor) vector(in *instruction) {
	n := c.prefixed(in, prefixVector)
	switch {
	case c.err != nil:
	case n >= len(vectorShapes):
		c.unsupported(in, 'V')
	default:
		c.immediates(in, vectorShapes[n])
	}
}

// prefixed reads the number behind a prefix.
func (c *cursor) prefixed(in *instruction, prefix opcode) int {
	n := c.u32()
	if size := c.pos - in.imm; prefix == prefixVector && size > 1 && n>>(7*(size-1)) == 0 {
		c.invalid(in.at, "byte %d: the number of an instruction is longer than it need be", in.at)
	}
	in.op, in.imm = prefix|opcode(n&0xff), c.pos
	return int(n)
}

// unsupported fails at an instruction that is not WebAssembly 2.0.
func (c *cursor) unsupported(in *instruction, shape byte) {
	proposal := ""
	switch shape {
	case 'e':
		proposal = "exceptions"
	case 'T':
		proposal = "tail calls"
	case 'R':
		proposal = "typed function references"
	case 'G':
		proposal = "garbage collection"
	case 'a':
		proposal = "threads"
	case 'V':
		proposal = "relaxed vectors"
	}
	switch {
	case c.err != nil: // the file ended
	case proposal != "":
		c.feature(in.at, "byte %d: instruction %#x is of a proposal (%s)", in.at, c.src[in.at], proposal)
	default:
		c.invalid(in.at, "byte %d: no instruction is %#x", in.at, c.src[in.at:c.pos])
	}
}
