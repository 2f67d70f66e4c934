package wasmbin

import "github.com/snaprail/snaprail/runtime/fault"

func (r *reader) readGlobals(c *cursor) {
	r.info.Globals = c.count("globals", MaxGlobals, fault.WasmGlobals)
	for range r.info.Globals {
		g := c.globalType()
		if r.constant(c, g.of); c.err != nil {
			return
		}
		r.globals = append(r.globals, g)
	}
}

// readElements reads what fills tables. The bits of a segment's form say
// whether it is passive or declared (1), names a table or a type (2), and holds
// expressions instead of indexes (4).
func (r *reader) readElements(c *cursor) {
	entries := 0
	for range c.count("element segments", MaxElements, fault.WasmElements) {
		at := c.pos
		form := c.u32()
		if form > 7 {
			c.fail(at, "byte %d: no element segment has the form %d", at, form)
		}
		if form != 0 {
			r.info.features |= bulkMemory
		}
		if form&1 == 0 {
			r.activeElements(c, at, form)
		}
		t := elementType(c, form)
		if form&1 == 0 && t != r.tableType {
			c.invalid(at, "byte %d: an element segment of %v for a table of %v", at, t, r.tableType)
		}
		n := c.count("entries of an element segment", MaxElements, fault.WasmElements)
		if entries += n; entries > MaxElements {
			c.refuse(fault.WasmElements, at, "byte %d: more than %d entries in element segments", at, MaxElements)
		}
		r.entries(c, form, n, t)
		if c.err != nil {
			return
		}
		r.elements = append(r.elements, t)
	}
}

// activeElements reads the table and the place that a segment is for.
func (r *reader) activeElements(c *cursor, at int, form uint32) {
	table := 0
	if form&2 != 0 {
		table = r.index(c, "table", r.tables)
	}
	if table >= r.tables {
		c.invalid(at, "byte %d: an element segment, and no table", at)
	}
	r.constant(c, i32)
}

// elementType reads the kind or the type of a segment's entries.
func elementType(c *cursor, form uint32) valueType {
	if form&3 == 0 {
		return funcref
	}
	at := c.pos
	b := valueType(c.byte())
	switch {
	case form&4 == 0:
		if b != 0 {
			c.fail(at, "byte %d: %#x is no kind of an element", at, byte(b))
		}
		return funcref
	case b == 0x63 || b == 0x64:
		c.feature(at, "byte %d: a segment of typed references", at)
	case !b.reference():
		c.fail(at, "byte %d: %#x is no type of a reference", at, byte(b))
	}
	return b
}

func (r *reader) entries(c *cursor, form uint32, n int, t valueType) {
	for range n {
		if form&4 != 0 {
			r.constant(c, t)
		} else if i := r.index(c, "function", len(r.funcs)); c.err == nil {
			r.declare(i)
		}
		if c.err != nil {
			return
		}
	}
}

// declare says that code may take a reference to this function.
func (r *reader) declare(function int) {
	if r.declared == nil {
		r.declared = make([]bool, len(r.funcs))
	}
	r.declared[function] = true
}

// readData reads what fills memory. The form of a segment says whether it is
// passive (1) or names a memory (2).
func (r *reader) readData(c *cursor) {
	r.info.Segments = c.count("data segments", MaxSegments, fault.WasmSegments)
	for range r.info.Segments {
		at := c.pos
		form := c.u32()
		if form > 2 {
			c.fail(at, "byte %d: no data segment has the form %d", at, form)
		}
		if form == 2 {
			r.index(c, "memory", r.memories)
		}
		if form != 0 {
			r.info.features |= bulkMemory
		}
		if form != 1 {
			if r.memories == 0 {
				c.invalid(at, "byte %d: a data segment, and no memory", at)
			}
			r.constant(c, i32)
		}
		if s := c.span("a data segment"); s.err != nil {
			return
		}
	}
}

// constant reads an initial value of this type: in WebAssembly 2.0 that is one
// instruction and an end.
func (r *reader) constant(c *cursor, want valueType) {
	at := c.pos
	in := c.instruction()
	if c.err != nil {
		return
	}
	have := unknown
	switch in.op {
	case opI32Const:
		have = i32
	case opI64Const:
		have = i64
	case opF32Const:
		have = f32
	case opF64Const:
		have = f64
	case opV128Const:
		have = v128
		r.info.features |= vectors
	case opRefNull:
		have = valueType(in.a) //nolint:gosec // a byte
		r.info.features |= referenceTypes
	case opRefFunc:
		if i := int(in.a); i < len(r.funcs) { //nolint:gosec // 32 bits
			r.declare(i)
		} else {
			c.invalid(at, "byte %d: function %d, and the module has %d", at, in.a, len(r.funcs))
		}
		have = funcref
		r.info.features |= referenceTypes
	case opGlobalGet:
		have = r.imported(c, &in)
	case opEnd:
		c.invalid(at, "byte %d: an initial value is missing", at)
	default:
		c.invalid(at, "byte %d: instruction %#x in an initial value", at, c.src[at])
	}
	if have != want {
		c.invalid(at, "byte %d: an initial value is %v where %v is needed", at, have, want)
	}
	end := c.pos
	if b := c.byte(); b != byte(opEnd) {
		c.extended(end, b)
	}
}

// imported is the type of the imported constant global that a global.get names.
func (r *reader) imported(c *cursor, in *instruction) valueType {
	switch i := int(in.a); { //nolint:gosec // 32 bits
	case i >= r.importedGlobals:
		c.invalid(in.at, "byte %d: an initial value takes global %d, and %d are imported", in.at, i, r.importedGlobals)
	case r.globals[i].mutable:
		c.invalid(in.at, "byte %d: an initial value takes global %d, which can change", in.at, i)
	default:
		return r.globals[i].of
	}
	return unknown
}

// extended fails at a second instruction of an initial value.
func (c *cursor) extended(at int, op byte) {
	switch op {
	case 0x41, 0x42, 0x23, 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e:
		c.feature(at, "byte %d: an initial value of several instructions", at)
	default:
		c.invalid(at, "byte %d: instruction %#x in an initial value", at, op)
	}
}
