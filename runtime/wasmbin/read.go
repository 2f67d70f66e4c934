package wasmbin

import (
	"math"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
)

// reservedPrefix starts the names of the meter's exports, which the host keeps
// for itself.
const reservedPrefix = "snaprail."

// CheckVersion is part of the key of everything that is kept of a module that
// Read has accepted, beside MeterVersion: what is kept is not read again. It
// changes with each change of what Read accepts.
const CheckVersion = 1

// Read is the admission check of a module: all of it, but for what the host
// offers and what the manifest says. Whatever it accepts is valid WebAssembly
// 2.0 within the bounds of this package, and compiles. Its errors are faults:
// NotWasm, WasmComponent, WasmMalformed, WasmInvalid, WasmFeature, WasmReserved
// and one kind for each bound, with the offset of the first wrong byte or of
// the instruction that is wrong.
func Read(src []byte) (*Info, error) { return read(src, false) }

// Outline reads what Read does of a module that Read has accepted before, and
// leaves the function bodies out, which take nine tenths of the time. What the
// Info holds of bodies is then but their size.
func Outline(src []byte) (*Info, error) { return read(src, true) }

func read(src []byte, outline bool) (*Info, error) {
	if len(src) > math.MaxInt32 {
		return nil, fault.New(fault.ModuleTooLarge, "a module of %d bytes", len(src))
	}
	r := reader{src: src, outline: outline, info: Info{MemoryMax: MaxPages}, exported: make(map[string]struct{})}
	if err := walk(src, r.section); err != nil {
		return nil, err
	}
	if err := r.counts(len(src)); err != nil {
		return nil, err
	}
	return &r.info, nil
}

// counts compares what the module declared with what came.
func (r *reader) counts(end int) error {
	what, declared, have := "functions and has %d bodies", r.info.Functions, r.bodies
	if declared == have && r.seenDataCount {
		what, declared, have = "data segments and has %d", r.declaredSegments, r.info.Segments
	}
	if declared == have {
		return nil
	}
	return fault.New(fault.WasmMalformed, "byte %d: the module declares %d "+what, end, declared, have).
		WithOffset(int64(end))
}

// reader is what is known while reading.
type reader struct {
	src             []byte
	outline         bool // the bodies are not looked into
	info            Info
	last            int // position of the last section
	types           []funcSpans
	funcs           []uint32     // types of the functions, imported ones first
	globals         []globalType // imported ones first
	importedGlobals int
	tables          int // imported and own
	tableType       valueType
	memories        int         // imported and own
	elements        []valueType // types of the element segments
	declared        []bool      // functions that code may take references to
	bodies          int

	seenDataCount    bool
	declaredSegments int
	seenNames        bool
	exported         map[string]struct{}
}

func (r *reader) section(s section) error {
	if s.id == idCustom {
		return r.custom(s)
	}
	p := position(s.id)
	if p <= r.last {
		return fault.New(fault.WasmMalformed, "byte %d: section %d is out of order or a second one", s.start, s.id).
			WithOffset(int64(s.start))
	}
	r.last = p
	c := s.body
	switch s.id {
	case idType:
		r.readTypes(&c)
	case idImport:
		r.readImports(&c)
	case idFunction:
		r.readFunctions(&c)
	case idTable:
		r.readTables(&c)
	case idMemory:
		r.readMemories(&c)
	case idGlobal:
		r.readGlobals(&c)
	case idExport:
		r.readExports(&c)
	case idStart:
		r.readStart(&c)
	case idElement:
		r.readElements(&c)
	case idDataCount:
		r.seenDataCount, r.declaredSegments = true, int(c.u32())
		r.info.features |= bulkMemory
	case idCode:
		r.readCode(&c)
	case idData:
		r.readData(&c)
	}
	return c.done("the section")
}

func (r *reader) custom(s section) error {
	if len(r.info.Custom) == MaxCustom {
		return fault.New(fault.WasmSections, "byte %d: more than %d custom sections", s.start, MaxCustom).
			WithOffset(int64(s.start))
	}
	switch {
	case s.name == nameSection && r.seenNames:
		return fault.New(fault.WasmMalformed, "byte %d: a second custom section %q", s.start, s.name).
			WithOffset(int64(s.start))
	case s.name == nameSection:
		r.seenNames = true
		if err := checkNames(s.body); err != nil {
			return err
		}
	case s.name == producersSection && r.info.Toolchain == nil:
		r.info.Toolchain = producers(s.body)
	}
	r.info.Custom = append(r.info.Custom, Custom{Name: s.name, Start: s.body.pos, End: s.body.end})
	return nil
}

func (r *reader) readImports(c *cursor) {
	for range c.count("imports", MaxImports, fault.WasmImports) {
		at := c.pos
		imp := Import{Module: c.name("an import's module"), Name: c.name("an import's name")}
		switch {
		case c.err != nil:
		case imp.Module == "":
			c.invalid(at, "byte %d: the module of import %q has no name", at, imp.Name)
		case imp.Module == MeterModule:
			c.refuse(fault.WasmReserved, at, "byte %d: an import from %q", at, imp.Module)
		}
		at = c.pos
		imp.Kind = Kind(c.byte())
		switch imp.Kind {
		case Function:
			t := r.index(c, "type", len(r.types))
			if c.err != nil {
				return
			}
			r.funcs = append(r.funcs, uint32(t))
			imp.Params, imp.Results = r.letters(t)
		case Table:
			r.table(c)
		case Memory:
			r.memory(c)
		case Global:
			g := c.globalType()
			r.globals = append(r.globals, g)
			r.importedGlobals++
		case tag:
			c.feature(at, "byte %d: import %q is of exceptions", at, imp.Name)
		default:
			c.fail(at, "byte %d: no import has the kind %d", at, imp.Kind)
		}
		if c.err != nil {
			return
		}
		r.info.HasExtism = r.info.HasExtism || strings.HasPrefix(imp.Module, extismModules)
		r.info.Imports = append(r.info.Imports, imp)
	}
}

func (r *reader) readFunctions(c *cursor) {
	n := c.count("functions", MaxFunctions, fault.WasmFunctions)
	for range n {
		t := r.index(c, "type", len(r.types))
		if c.err != nil {
			return
		}
		r.funcs = append(r.funcs, uint32(t))
	}
	r.info.Functions = n
}

func (r *reader) readTables(c *cursor) {
	for range c.count("tables", MaxTable, fault.WasmTable) {
		if r.table(c); c.err != nil {
			return
		}
	}
}

func (r *reader) readMemories(c *cursor) {
	for range c.count("memories", MaxImports, fault.WasmMemory) {
		if r.memory(c); c.err != nil {
			return
		}
	}
}

func (r *reader) readStart(c *cursor) {
	at := c.pos
	r.info.HasStart = true
	i := r.index(c, "function", len(r.funcs))
	if c.err != nil {
		return
	}
	if t := r.types[r.funcs[i]]; t.params.start != t.params.end || t.results.start != t.results.end {
		c.invalid(at, "byte %d: the start function takes or leaves values", at)
	}
}

func (r *reader) readExports(c *cursor) {
	for range c.count("exports", MaxExports, fault.WasmExports) {
		at := c.pos
		e := Export{Name: c.name("an export's name")}
		if c.err != nil {
			return
		}
		if _, twice := r.exported[e.Name]; twice {
			c.invalid(at, "byte %d: a second export %q", at, e.Name)
		}
		if strings.HasPrefix(e.Name, reservedPrefix) {
			c.refuse(fault.WasmReserved, at, "byte %d: export %q", at, e.Name)
		}
		r.exported[e.Name] = struct{}{}
		at = c.pos
		e.Kind = Kind(c.byte())
		switch e.Kind {
		case Function:
			if i := r.index(c, "function", len(r.funcs)); c.err == nil {
				r.declare(i)
				e.Params, e.Results = r.letters(int(r.funcs[i]))
			}
		case Table:
			r.index(c, "table", r.tables)
		case Memory:
			r.index(c, "memory", r.memories)
		case Global:
			r.index(c, "global", len(r.globals))
		case tag:
			c.feature(at, "byte %d: export %q is of exceptions", at, e.Name)
		default:
			c.fail(at, "byte %d: no export has the kind %d", at, e.Kind)
		}
		if c.err != nil {
			return
		}
		r.info.Exports = append(r.info.Exports, e)
	}
}
