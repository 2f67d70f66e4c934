package wasmbin

import (
	"github.com/snaprail/snaprail/runtime/fault"
)

// MeterVersion is part of the key of everything that is kept of a metered
// module. It changes with each change of what Meter writes.
const MeterVersion = 6

// The names that a metered module has beside its own; Read refuses modules that
// use them.
const (
	MeterModule = "snaprail:meter"
	MeterYield  = "yield"          // imported, (i64) -> i64
	MeterFuel   = "snaprail.fuel"  // global, mutable i64
	MeterStack  = "snaprail.stack" // global, mutable i64
	MeterTable  = "snaprail.table" // global, mutable i32
	MeterStart  = "snaprail.start" // function, if the module has a start function
)

// Meter rewrites a module that Read has accepted, so that it counts what it
// does: the result does the same as the module, and asks the host for fuel
// whenever it has used up what it had. The same module gives the same bytes.
//
// # What it adds
//
//   - the import snaprail:meter yield (fuel i64) -> fuel i64. It is called with
//     the fuel that is left, which is negative: that much was used beyond what
//     was there. What it answers is what the guest goes on with; less than 0 and
//     it yields again at the next check. It may be ended there by a panic.
//   - the mutable global snaprail.fuel (i64): units left. What a call used is
//     what the host handed out less what is left.
//   - the mutable global snaprail.stack (i64): words of call stack left. A call
//     that takes it below 0 traps with unreachable and leaves it there; after a
//     trap it is not what it was before, so the host sets it for each call.
//   - the mutable global snaprail.table (i32): the most entries of a table. A
//     table.grow beyond it answers -1, as one beyond the table's own maximum
//     does, which is 65,536 if the module names none or a larger one.
//   - the function snaprail.start, if the module has a start function: that is
//     not run when the module is instantiated, but when the host calls it, once,
//     before anything else.
//
// All globals are 0 at first.
//
// # What is charged
//
// These are units of fuel, and a promise: quotas count in them.
//
//	constants, local.get, drop, nop, ref.null,             0
//	block, loop, else, end, unreachable
//	any other instruction                                  1
//	br, br_if, br_table, if, return, and the meeting       1 (meeting: 0)
//	of ways behind a block or an if                        + (params + locals) / 32
//	br, br_if, br_table, return with n values              + n / 8
//	vector instructions                                    2
//	division, remainder, square root                       4
//	call                                                   2 + (params + results) / 8
//	call_indirect                                          6 + (params + results) / 8
//	ref.func, which leaves compiled code                   250
//	memory.grow                                            1,000
//	memory.copy, .fill, .init of n bytes                   10 + n / 4, and 8 for each piece of a long one
//	table.copy, .fill, .init of n entries                  10 + 2 n
//	table.grow by n entries                                1,010 + 32 n
//
// (A vector of 128 bits counts as two locals, and two words of stack.) The
// costs are summed along each way through a function and charged together, when
// more than 64 units are due and where functions end and loops go round, at
// their start, for the costliest way (of a dispatcher at the branches that go
// back, each for its own): so a run is charged what its instructions
// cost or more, by at most 64 units for each of these charges. It
// depends on nothing but the module and its input. Only a trap is not charged
// for what it ran since the last charge, less than 4,100 units.
//
// # Where it is checked
//
// At the entry of each function, at each round of a loop, and inside code
// without either every 4,096 units. Behind a call of a function of the module
// also at the next one and where the function ends, if more than 4 units for
// each word of its parameters and locals and the 8 of a call, or more than 64,
// were done since: so a recursion that goes back is charged and checked too. An instruction on more than 64 KiB of memory
// is done in pieces of 256 KiB with a check before each, after its whole range
// was checked: it traps as the instruction itself does, with nothing written. A
// piece costs 65,544 units, an instruction on a table at most 131,082; what is
// done in one function between two checks is no more than one of them and four
// short ones of 16,394 each. So between two yields lies no more than the fuel that
// was handed out, 270,000 units, and four for each word of the stack that a call
// may take.
//
// # What a call takes of the stack
//
// 8 words, and one for each parameter, each local and each operand that the
// function holds at once, and one for each 8 instructions beyond 1,024. A function
// that calls none takes none: it cannot recurse.
//
// # What else changes
//
// A branch back to a loop that starts with a branch table goes at once to where
// the table leads, if that is known and lies ahead; it is charged as both.
//
// Custom sections go, except the names of functions, for traps. Data segments
// go into a custom section, from which Image takes them, because each costs time
// and memory in each instance: the host writes them into the memory before it
// calls anything. They stay where that would not do the same: if the memory is
// imported, if code names them, or if they overlap.
func Meter(src []byte) ([]byte, error) {
	m := meter{src: src, prices: newPrices(), helperAt: make(map[helper]uint32), addedAt: make(map[string]uint32)}
	if err := walk(src, m.keep); err != nil {
		return nil, err
	}
	return m.rewrite()
}

// meter is what is known of a module while it is rewritten.
type meter struct {
	src      []byte
	prices   *prices
	sections [sectionIDs]cursor // src is nil: there is none
	names    cursor

	types        []funcType
	funcs        []uint32 // the types of all functions, imported ones first
	imported     uint32   // functions; the import that is added takes this number
	total        uint32   // functions
	to           uint32   // the number that the function that had it gets
	tables       []byte   // the types of all tables, imported ones first
	globals      uint32   // imported and own
	segments     []segment
	usesData     bool // the code names data segments
	sharedMemory bool // the memory is imported

	code
	added    [][]byte // types
	addedAt  map[string]uint32
	helpers  []helper
	helperAt map[helper]uint32
}

// funcType is a function's type.
type funcType struct {
	params, results uint32
	words           uint32 // of the parameters
	at, end         int    // of the vector of results in the source
}

// keep remembers a section.
func (m *meter) keep(s section) error {
	switch {
	case s.id != idCustom && m.sections[s.id].src != nil:
		return fault.New(fault.WasmMalformed, "byte %d: a second section %d", s.start, s.id).WithOffset(int64(s.start))
	case s.id != idCustom:
		m.sections[s.id] = s.body
	case s.name == nameSection:
		m.names = s.body
	}
	return nil
}

// rewrite writes the module anew, section by section. The code comes first,
// because it decides which types and functions are added.
func (m *meter) rewrite() ([]byte, error) {
	if err := m.load(); err != nil {
		return nil, err
	}
	m.code = newCode(m.globals, m.helper(helper{kind: pause}))
	bodies, err := m.writeBodies()
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(m.helpers); i++ { // writing one may add another
		body := m.helperBody(m.helpers[i])
		bodies = uleb(bodies, uint64(len(body)))
		bodies = append(bodies, body...)
	}
	w := output{meter: m, out: append(make([]byte, 0, len(m.src)+len(m.src)/16+1024), m.src[:header]...)}
	w.types()
	w.imports()
	w.functions()
	w.tables()
	w.copy(idMemory)
	w.globals()
	w.exports()
	w.elements()
	w.dataCount()
	w.out = vector(w.out, idCode, int(m.total-m.imported)+len(m.helpers), bodies)
	w.data()
	w.names()
	return w.out, w.err
}

// writeBodies meters the functions of the module. The first comes last, because
// the import has taken its number.
func (m *meter) writeBodies() ([]byte, error) {
	c := m.sections[idCode]
	if c.src == nil {
		return nil, nil
	}
	n := int(c.u32())
	if n != int(m.total-m.imported) {
		return nil, fault.New(fault.WasmMalformed, "byte %d: %d bodies of %d functions", c.pos, n, m.total-m.imported).
			WithOffset(int64(c.pos))
	}
	b := bodies{m: m}
	var first []byte
	out := make([]byte, 0, len(m.src)/16+(c.end-c.pos)/16*17)
	var scratch []byte
	for i := range n {
		body := c.span("a function body")
		if body.err != nil {
			return nil, body.err
		}
		scratch = b.rewrite(scratch[:0], &body, m.typeOf(m.imported+uint32(i)))
		if body.err != nil {
			return nil, body.err
		}
		if i == 0 {
			first = append(uleb(nil, uint64(len(scratch))), scratch...)
			continue
		}
		out = append(uleb(out, uint64(len(scratch))), scratch...)
	}
	return append(out, first...), nil
}
