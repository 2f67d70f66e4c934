package wasmbin

import (
	"github.com/snaprail/snaprail/runtime/fault"
)

// Read reads the frame of a module. Its errors are faults: NotWasm,
// WasmComponent, WasmMalformed with the offset of the first wrong byte, and
// ModuleTooLarge for a module beyond one of the bounds.
func Read(src []byte) (*Info, error) {
	r := reader{info: Info{MemoryMax: MaxPages}, exported: make(map[string]struct{})}
	if err := walk(src, r.section); err != nil {
		return nil, err
	}
	if r.bodies != r.info.Functions {
		return nil, fault.New(fault.WasmMalformed,
			"byte %d: the module declares %d functions and has %d bodies", len(src), r.info.Functions, r.bodies).
			WithOffset(int64(len(src)))
	}
	if r.seenDataCount && r.declaredSegments != r.info.Segments {
		return nil, fault.New(fault.WasmMalformed,
			"byte %d: the module declares %d data segments and has %d", len(src), r.declaredSegments, r.info.Segments).
			WithOffset(int64(len(src)))
	}
	return &r.info, nil
}

// reader is what is known while reading.
type reader struct {
	info     Info
	last     int // position of the last section
	types    int
	funcs    int // imported and own
	tables   int // imported and own
	memories int // imported and own
	globals  int // imported and own
	bodies   int

	seenDataCount    bool
	declaredSegments int
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
		r.info.HasStart = true
		r.index(&c, "function", r.funcs)
	case idElement:
		r.readElements(&c)
	case idDataCount:
		r.seenDataCount, r.declaredSegments = true, int(c.u32())
	case idCode:
		r.bodies = checkBodies(&c)
	case idData:
		r.readData(&c)
	}
	return c.done("the section")
}

func (r *reader) custom(s section) error {
	if len(r.info.Custom) == MaxCustom {
		return fault.New(fault.ModuleTooLarge, "byte %d: more than %d custom sections", s.start, MaxCustom).
			WithOffset(int64(s.start)).WithHint("Strip the module.")
	}
	if s.name == nameSection {
		if err := checkNames(s.body); err != nil {
			return err
		}
	}
	r.info.Custom = append(r.info.Custom, Custom{Name: s.name, Start: s.body.pos, End: s.body.end})
	return nil
}

func (r *reader) readTypes(c *cursor) {
	r.types = c.count("types", MaxTypes)
	for range r.types {
		at := c.pos
		if form := c.byte(); form != 0x60 && c.err == nil {
			c.fail(at, "byte %d: form %#x of a type, and only functions are known", at, form)
		}
		for _, what := range []string{"parameters", "results"} {
			for range c.count(what, MaxSignature) {
				c.valueType()
			}
		}
		if c.err != nil {
			return
		}
	}
}

func (r *reader) readImports(c *cursor) {
	for range c.count("imports", MaxImports) {
		imp := Import{Module: c.name("an import's module"), Name: c.name("an import's name")}
		at := c.pos
		imp.Kind = Kind(c.byte())
		switch imp.Kind {
		case Function:
			r.index(c, "type", r.types)
			r.funcs++
		case Table:
			r.table(c)
		case Memory:
			r.memory(c)
		case Global:
			c.valueType()
			c.mutability()
			r.globals++
		default:
			c.fail(at, "byte %d: no import has the kind %d", at, imp.Kind)
		}
		if c.err != nil {
			return
		}
		r.info.Imports = append(r.info.Imports, imp)
	}
}

func (r *reader) readFunctions(c *cursor) {
	r.info.Functions = c.count("functions", MaxFunctions)
	r.funcs += r.info.Functions
	for range r.info.Functions {
		r.index(c, "type", r.types)
	}
}

func (r *reader) readTables(c *cursor) {
	for range c.count("tables", MaxTable) {
		if r.table(c); c.err != nil {
			return
		}
	}
}

func (r *reader) readMemories(c *cursor) {
	for range c.count("memories", MaxImports) {
		if r.memory(c); c.err != nil {
			return
		}
	}
}

func (r *reader) readExports(c *cursor) {
	for range c.count("exports", MaxExports) {
		at := c.pos
		e := Export{Name: c.name("an export's name")}
		if _, twice := r.exported[e.Name]; twice && c.err == nil {
			c.fail(at, "byte %d: a second export %q", at, e.Name)
		}
		r.exported[e.Name] = struct{}{}
		at = c.pos
		e.Kind = Kind(c.byte())
		switch e.Kind {
		case Function:
			r.index(c, "function", r.funcs)
		case Table:
			r.index(c, "table", r.tables)
		case Memory:
			r.index(c, "memory", r.memories)
		case Global:
			r.index(c, "global", r.globals)
		default:
			c.fail(at, "byte %d: no export has the kind %d", at, e.Kind)
		}
		if c.err != nil {
			return
		}
		r.info.Exports = append(r.info.Exports, e)
	}
}
