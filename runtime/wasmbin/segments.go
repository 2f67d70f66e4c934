package wasmbin

func (r *reader) readGlobals(c *cursor) {
	r.info.Globals = c.count("globals", MaxGlobals)
	for range r.info.Globals {
		c.valueType()
		c.mutability()
		if c.constant(); c.err != nil {
			return
		}
	}
	r.globals += r.info.Globals
}

// readElements reads what fills tables. The bits of a segment's form say
// whether it is passive or declared (1), names a table or a type (2), and holds
// expressions instead of indexes (4).
func (r *reader) readElements(c *cursor) {
	entries := 0
	for range c.count("element segments", MaxElements) {
		at := c.pos
		form := c.u32()
		if form > 7 {
			c.fail(at, "byte %d: no element segment has the form %d", at, form)
		}
		if form&1 == 0 {
			if form&2 != 0 {
				r.index(c, "table", r.tables)
			}
			c.constant()
		}
		if form&3 != 0 {
			c.byte() // the kind or the type of its entries: the compiler's
		}
		n := c.count("entries of an element segment", MaxElements)
		if entries += n; entries > MaxElements {
			c.refuse(at, "byte %d: more than %d entries in element segments", at, MaxElements)
		}
		for range n {
			if form&4 != 0 {
				c.constant()
			} else {
				r.index(c, "function", r.funcs)
			}
			if c.err != nil {
				return
			}
		}
		if c.err != nil {
			return
		}
	}
}

// readData reads what fills memory. The form of a segment says whether it is
// passive (1) or names a memory (2).
func (r *reader) readData(c *cursor) {
	r.info.Segments = c.count("data segments", MaxSegments)
	for range r.info.Segments {
		at := c.pos
		form := c.u32()
		if form > 2 {
			c.fail(at, "byte %d: no data segment has the form %d", at, form)
		}
		if form == 2 {
			r.index(c, "memory", r.memories)
		}
		if form != 1 {
			c.constant()
		}
		if s := c.span("a data segment"); s.err != nil {
			return
		}
	}
}

// constant walks over an initial value, whose instructions the compiler
// checks.
func (c *cursor) constant() {
	for {
		at := c.pos
		switch op := c.byte(); op {
		case 0x0b: // end
			return
		case 0x41: // i32.const
			c.signed(32)
		case 0x42: // i64.const
			c.signed(64)
		case 0x43: // f32.const
			c.skip(4)
		case 0x44: // f64.const
			c.skip(8)
		case 0x23, 0xd2: // global.get, ref.func
			c.u32()
		case 0xd0: // ref.null
			c.byte()
		case 0xfd: // v128.const
			if c.byte() == 0x0c {
				c.skip(16)
				break
			}
			fallthrough
		default:
			if c.err == nil {
				c.fail(at, "byte %d: instruction %#x in an initial value", at, op)
			}
		}
		if c.err != nil {
			return
		}
	}
}
