package wasmbin

import (
	"github.com/snaprail/snaprail/runtime/fault"
)

// MeterVersion is part of the key of everything that is kept of a metered
// module. It changes with each change of what Meter writes.
const MeterVersion = 1

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

// Meter rewrites a module that Read has accepted.
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
		scratch = b.rewrite(scratch[:0], &body, m.typeOf(m.imported+uint32(i))) //nolint:gosec // less than total
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
