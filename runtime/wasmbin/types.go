package wasmbin

// index reads an index into a space of n things.
func (r *reader) index(c *cursor, what string, n int) {
	at := c.pos
	if i := c.u32(); c.err == nil && int64(i) >= int64(n) {
		c.fail(at, "byte %d: %s %d, and the module has %d", at, what, i, n)
	}
}

// table reads a table's type. One table is enough for every toolchain; more,
// or a large one, would take memory of the host that no limit counts.
func (r *reader) table(c *cursor) {
	at := c.pos
	if t := c.byte(); c.err == nil && t != 0x70 && t != 0x6f {
		c.fail(at, "byte %d: %#x is no type of a reference", at, t)
	}
	lo, _ := c.limits(1<<32 - 1)
	r.tables++
	switch {
	case c.err != nil:
	case r.tables > 1:
		c.refuse(at, "byte %d: a second table, and one is allowed", at)
	case lo > MaxTable:
		c.refuse(at, "byte %d: a table of %d entries, and %d are allowed", at, lo, MaxTable)
	}
}

func (r *reader) memory(c *cursor) {
	at := c.pos
	lo, hi := c.limits(MaxPages)
	if r.memories++; r.memories > 1 && c.err == nil {
		c.refuse(at, "byte %d: a second memory, and one is allowed", at)
	}
	r.info.HasMemory, r.info.MemoryMin, r.info.MemoryMax = true, lo, hi
}

// limits reads a minimum and a maximum, which is bound if there is none.
func (c *cursor) limits(bound uint32) (lo, hi uint32) {
	at := c.pos
	flag := c.byte()
	if c.err == nil && flag > 1 {
		c.fail(at, "byte %d: limits of form %#x, and shared or 64-bit ones are not supported", at, flag)
	}
	lo, hi = c.u32(), bound
	if flag == 1 {
		hi = c.u32()
	}
	if c.err == nil && (lo > hi || hi > bound) {
		c.fail(at, "byte %d: limits from %d to %d, and the most is %d", at, lo, hi, bound)
	}
	return lo, hi
}

func (c *cursor) valueType() {
	at := c.pos
	switch t := c.byte(); t {
	case 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f: // i32 i64 f32 f64 v128 funcref externref
	default:
		if c.err == nil {
			c.fail(at, "byte %d: %#x is no type of a value", at, t)
		}
	}
}

func (c *cursor) mutability() {
	at := c.pos
	if m := c.byte(); m > 1 && c.err == nil {
		c.fail(at, "byte %d: %#x says neither constant nor mutable", at, m)
	}
}
