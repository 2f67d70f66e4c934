package wasmbin

import "strings"

// valueType is the type of a value, as the binary writes it.
type valueType byte

// The types of values. unknown stands for whatever is needed, in code that
// cannot be reached.
const (
	unknown   valueType = 0
	i32       valueType = 0x7f
	i64       valueType = 0x7e
	f32       valueType = 0x7d
	f64       valueType = 0x7c
	v128      valueType = 0x7b
	funcref   valueType = 0x70
	externref valueType = 0x6f
)

func (t valueType) valid() bool {
	return t >= v128 && t <= i32 || t == funcref || t == externref
}

func (t valueType) reference() bool { return t == funcref || t == externref }

// String is the type's name.
func (t valueType) String() string {
	switch t {
	case i32:
		return "i32"
	case i64:
		return "i64"
	case f32:
		return "f32"
	case f64:
		return "f64"
	case v128:
		return "v128"
	case funcref:
		return "funcref"
	case externref:
		return "externref"
	default:
		return "unknown"
	}
}

// signature is what an instruction pops and pushes, for the instructions whose
// opcode alone decides it.
type signature struct {
	in     [3]valueType // the first n count, and the last of them is on top
	n      uint8
	out    valueType // unknown: nothing
	known  bool
	width  uint8 // of a memory access, in bytes as a power of two
	lanes  uint8 // of a vector; 0: the instruction names no lane
	effort uint8 // of the compiler; 0: a little
	check  byte  // the shape of the immediates, if they must be checked; or 0
	needs  features
}

// pops is how many values it takes.
func (s *signature) pops() int { return int(s.n) }

// pushes is how many values it leaves.
func (s *signature) pushes() int {
	if s.out == unknown {
		return 0
	}
	return 1
}

// signatures knows the plain instructions. It is filled once for each module,
// which takes a microsecond, because the package holds no variables.
type signatures struct {
	plain  [256]signature
	misc   [len(miscShapes)]signature
	vector [len(vectorShapes)]signature
}

// of is the signature of an instruction that instruction() has read; known is
// false for those that are more than it: control, parametric, locals, globals,
// tables and references.
func (s *signatures) of(op opcode) *signature {
	switch n := int(op & 0xff); op &^ 0xff {
	case prefixVector:
		return &s.vector[n]
	case prefixMisc:
		return &s.misc[n]
	default:
		return &s.plain[n]
	}
}

func newSignatures() *signatures {
	s := new(signatures)
	fill(s.plain[:], shapes, plainRows())
	fill(s.misc[:], miscShapes, miscRows())
	fill(s.vector[:], vectorShapes, vectorRows())
	for op := 0xc0; op <= 0xc4; op++ {
		s.plain[op].needs = signExtension
	}
	s.plain[opMemoryGrow].effort = indirectEffort
	for op := range s.misc {
		s.misc[op].needs = bulkMemory
		s.misc[op].effort = bulkEffort
		if op < 8 {
			s.misc[op].needs, s.misc[op].effort = saturation, callEffort
		}
	}
	for op := range s.vector {
		s.vector[op].needs = vectors
	}
	return s
}

// rows are instructions that follow each other and have the same signature:
// what is popped, a colon, what is pushed; i I f F v for i32 i64 f32 f64 v128.
type rows struct {
	first, last  int
	text         string
	width, lanes uint8
}

// fill writes rows into a table of signatures of instructions of these shapes.
func fill(table []signature, shapes string, all []rows) {
	for _, r := range all {
		sig := r.signature()
		for op := r.first; op <= r.last; op++ {
			table[op] = sig
			if strings.IndexByte("mMzZnxXlV", shapes[op]) >= 0 {
				table[op].check = shapes[op]
			}
		}
	}
}

func (r rows) signature() signature {
	sig := signature{known: true, width: r.width, lanes: r.lanes}
	pushes := false
	for _, letter := range r.text {
		switch {
		case letter == ':':
			pushes = true
		case pushes:
			sig.out = typeOf(letter)
		default:
			sig.in[sig.n] = typeOf(letter)
			sig.n++
		}
	}
	return sig
}

func typeOf(letter rune) valueType {
	switch letter {
	case 'i':
		return i32
	case 'I':
		return i64
	case 'f':
		return f32
	case 'F':
		return f64
	}
	return v128
}

func plainRows() []rows {
	return []rows{
		{0x01, 0x01, ":", 0, 0},
		// loads
		{0x28, 0x28, "i:i", 2, 0},
		{0x29, 0x29, "i:I", 3, 0},
		{0x2a, 0x2a, "i:f", 2, 0},
		{0x2b, 0x2b, "i:F", 3, 0},
		{0x2c, 0x2d, "i:i", 0, 0},
		{0x2e, 0x2f, "i:i", 1, 0},
		{0x30, 0x31, "i:I", 0, 0},
		{0x32, 0x33, "i:I", 1, 0},
		{0x34, 0x35, "i:I", 2, 0},
		// stores
		{0x36, 0x36, "ii:", 2, 0},
		{0x37, 0x37, "iI:", 3, 0},
		{0x38, 0x38, "if:", 2, 0},
		{0x39, 0x39, "iF:", 3, 0},
		{0x3a, 0x3a, "ii:", 0, 0},
		{0x3b, 0x3b, "ii:", 1, 0},
		{0x3c, 0x3c, "iI:", 0, 0},
		{0x3d, 0x3d, "iI:", 1, 0},
		{0x3e, 0x3e, "iI:", 2, 0},
		// memory.size, memory.grow, constants
		{0x3f, 0x3f, ":i", 0, 0},
		{0x40, 0x40, "i:i", 0, 0},
		{0x41, 0x41, ":i", 0, 0},
		{0x42, 0x42, ":I", 0, 0},
		{0x43, 0x43, ":f", 0, 0},
		{0x44, 0x44, ":F", 0, 0},
		// comparisons
		{0x45, 0x45, "i:i", 0, 0},
		{0x46, 0x4f, "ii:i", 0, 0},
		{0x50, 0x50, "I:i", 0, 0},
		{0x51, 0x5a, "II:i", 0, 0},
		{0x5b, 0x60, "ff:i", 0, 0},
		{0x61, 0x66, "FF:i", 0, 0},
		// arithmetic
		{0x67, 0x69, "i:i", 0, 0},
		{0x6a, 0x78, "ii:i", 0, 0},
		{0x79, 0x7b, "I:I", 0, 0},
		{0x7c, 0x8a, "II:I", 0, 0},
		{0x8b, 0x91, "f:f", 0, 0},
		{0x92, 0x98, "ff:f", 0, 0},
		{0x99, 0x9f, "F:F", 0, 0},
		{0xa0, 0xa6, "FF:F", 0, 0},
		// conversions
		{0xa7, 0xa7, "I:i", 0, 0},
		{0xa8, 0xa9, "f:i", 0, 0},
		{0xaa, 0xab, "F:i", 0, 0},
		{0xac, 0xad, "i:I", 0, 0},
		{0xae, 0xaf, "f:I", 0, 0},
		{0xb0, 0xb1, "F:I", 0, 0},
		{0xb2, 0xb3, "i:f", 0, 0},
		{0xb4, 0xb5, "I:f", 0, 0},
		{0xb6, 0xb6, "F:f", 0, 0},
		{0xb7, 0xb8, "i:F", 0, 0},
		{0xb9, 0xba, "I:F", 0, 0},
		{0xbb, 0xbb, "f:F", 0, 0},
		{0xbc, 0xbc, "f:i", 0, 0},
		{0xbd, 0xbd, "F:I", 0, 0},
		{0xbe, 0xbe, "i:f", 0, 0},
		{0xbf, 0xbf, "I:F", 0, 0},
		{0xc0, 0xc1, "i:i", 0, 0},
		{0xc2, 0xc4, "I:I", 0, 0},
	}
}

func miscRows() []rows {
	return []rows{
		{0, 1, "f:i", 0, 0},
		{2, 3, "F:i", 0, 0},
		{4, 5, "f:I", 0, 0},
		{6, 7, "F:I", 0, 0},
		{8, 8, "iii:", 0, 0},
		{9, 9, ":", 0, 0},
		{10, 12, "iii:", 0, 0},
		{13, 13, ":", 0, 0},
		{14, 14, "iii:", 0, 0},
		{16, 16, ":i", 0, 0},
	}
}

func vectorRows() []rows {
	return []rows{
		// loads and the store
		{0x00, 0x00, "i:v", 4, 0},
		{0x01, 0x06, "i:v", 3, 0},
		{0x07, 0x07, "i:v", 0, 0},
		{0x08, 0x08, "i:v", 1, 0},
		{0x09, 0x09, "i:v", 2, 0},
		{0x0a, 0x0a, "i:v", 3, 0},
		{0x0b, 0x0b, "iv:", 4, 0},
		{0x5c, 0x5c, "i:v", 2, 0},
		{0x5d, 0x5d, "i:v", 3, 0},
		{0x54, 0x54, "iv:v", 0, 16},
		{0x55, 0x55, "iv:v", 1, 8},
		{0x56, 0x56, "iv:v", 2, 4},
		{0x57, 0x57, "iv:v", 3, 2},
		{0x58, 0x58, "iv:", 0, 16},
		{0x59, 0x59, "iv:", 1, 8},
		{0x5a, 0x5a, "iv:", 2, 4},
		{0x5b, 0x5b, "iv:", 3, 2},
		// constants, lanes
		{0x0c, 0x0c, ":v", 0, 0},
		{0x0d, 0x0d, "vv:v", 0, 32},
		{0x0e, 0x0e, "vv:v", 0, 0},
		{0x0f, 0x11, "i:v", 0, 0},
		{0x12, 0x12, "I:v", 0, 0},
		{0x13, 0x13, "f:v", 0, 0},
		{0x14, 0x14, "F:v", 0, 0},
		{0x15, 0x16, "v:i", 0, 16},
		{0x17, 0x17, "vi:v", 0, 16},
		{0x18, 0x19, "v:i", 0, 8},
		{0x1a, 0x1a, "vi:v", 0, 8},
		{0x1b, 0x1b, "v:i", 0, 4},
		{0x1c, 0x1c, "vi:v", 0, 4},
		{0x1d, 0x1d, "v:I", 0, 2},
		{0x1e, 0x1e, "vI:v", 0, 2},
		{0x1f, 0x1f, "v:f", 0, 4},
		{0x20, 0x20, "vf:v", 0, 4},
		{0x21, 0x21, "v:F", 0, 2},
		{0x22, 0x22, "vF:v", 0, 2},
		// comparisons, bits
		{0x23, 0x4c, "vv:v", 0, 0},
		{0x4d, 0x4d, "v:v", 0, 0},
		{0x4e, 0x51, "vv:v", 0, 0},
		{0x52, 0x52, "vvv:v", 0, 0},
		{0x53, 0x53, "v:i", 0, 0},
		{0x5e, 0x5f, "v:v", 0, 0},
		// 8 lanes of 16 bits and the like: unary, tests, shifts, binary
		{0x60, 0x62, "v:v", 0, 0},
		{0x63, 0x64, "v:i", 0, 0},
		{0x65, 0x66, "vv:v", 0, 0},
		{0x67, 0x6a, "v:v", 0, 0},
		{0x6b, 0x6d, "vi:v", 0, 0},
		{0x6e, 0x73, "vv:v", 0, 0},
		{0x74, 0x75, "v:v", 0, 0},
		{0x76, 0x79, "vv:v", 0, 0},
		{0x7a, 0x7a, "v:v", 0, 0},
		{0x7b, 0x7b, "vv:v", 0, 0},
		{0x7c, 0x81, "v:v", 0, 0},
		{0x82, 0x82, "vv:v", 0, 0},
		{0x83, 0x84, "v:i", 0, 0},
		{0x85, 0x86, "vv:v", 0, 0},
		{0x87, 0x8a, "v:v", 0, 0},
		{0x8b, 0x8d, "vi:v", 0, 0},
		{0x8e, 0x93, "vv:v", 0, 0},
		{0x94, 0x94, "v:v", 0, 0},
		{0x95, 0x99, "vv:v", 0, 0},
		{0x9b, 0x9f, "vv:v", 0, 0},
		{0xa0, 0xa1, "v:v", 0, 0},
		{0xa3, 0xa4, "v:i", 0, 0},
		{0xa7, 0xaa, "v:v", 0, 0},
		{0xab, 0xad, "vi:v", 0, 0},
		{0xae, 0xae, "vv:v", 0, 0},
		{0xb1, 0xb1, "vv:v", 0, 0},
		{0xb5, 0xba, "vv:v", 0, 0},
		{0xbc, 0xbf, "vv:v", 0, 0},
		{0xc0, 0xc1, "v:v", 0, 0},
		{0xc3, 0xc4, "v:i", 0, 0},
		{0xc7, 0xca, "v:v", 0, 0},
		{0xcb, 0xcd, "vi:v", 0, 0},
		{0xce, 0xce, "vv:v", 0, 0},
		{0xd1, 0xd1, "vv:v", 0, 0},
		{0xd5, 0xdf, "vv:v", 0, 0},
		{0xe0, 0xe1, "v:v", 0, 0},
		{0xe3, 0xe3, "v:v", 0, 0},
		{0xe4, 0xeb, "vv:v", 0, 0},
		{0xec, 0xed, "v:v", 0, 0},
		{0xef, 0xef, "v:v", 0, 0},
		{0xf0, 0xf7, "vv:v", 0, 0},
		{0xf8, 0xff, "v:v", 0, 0},
	}
}
