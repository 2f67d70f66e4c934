package wasmbin

import "github.com/snaprail/snaprail/runtime/fault"

// funcSpans is where the types of a function's parameters and results lie.
type funcSpans struct {
	params, results extent
}

type extent struct{ start, end uint32 }

func (e extent) size() uint32 { return e.end - e.start }

type globalType struct {
	of      valueType
	mutable bool
}

func (r *reader) params(t funcSpans) []byte  { return r.src[t.params.start:t.params.end] }
func (r *reader) results(t funcSpans) []byte { return r.src[t.results.start:t.results.end] }

func (r *reader) readTypes(c *cursor) {
	values := uint32(0)
	for range c.count("types", MaxTypes, fault.WasmTypes) {
		at := c.pos
		switch form := c.byte(); form {
		case 0x60:
		case 0x4e, 0x4f, 0x50, 0x5e, 0x5f:
			c.feature(at, "byte %d: a type of garbage collection", at)
		default:
			c.fail(at, "byte %d: form %#x of a type, and only functions are known", at, form)
		}
		t := funcSpans{c.valueTypes("parameters"), c.valueTypes("results")}
		if c.err != nil {
			return
		}
		if values += t.params.size() + t.results.size(); values > MaxValues {
			c.refuse(fault.WasmTypes, at, "byte %d: more than %d parameters and results of all types", at, MaxValues)
			return
		}
		if t.results.size() > 1 {
			r.info.features |= multiValue
		}
		r.types = append(r.types, t)
	}
}

func (c *cursor) valueTypes(what string) extent {
	n := c.count(what, MaxSignature, fault.WasmTypes)
	start := c.pos
	for range n {
		if c.valueType(); c.err != nil {
			return extent{}
		}
	}
	return extent{uint32(start), uint32(c.pos)}
}

// index reads an index into a space of n things.
func (r *reader) index(c *cursor, what string, n int) int {
	at := c.pos
	i := c.u32()
	if c.err == nil && int64(i) >= int64(n) {
		c.invalid(at, "byte %d: %s %d, and the module has %d", at, what, i, n)
	}
	return int(i)
}

// table reads a table's type. One table is enough for every toolchain; more,
// or a large one, would take memory of the host that no limit counts.
func (r *reader) table(c *cursor) {
	at := c.pos
	t := valueType(c.byte())
	switch {
	case c.err != nil:
	case t == 0x40 || t == 0x63 || t == 0x64:
		c.feature(at, "byte %d: a table of typed references", at)
	case !t.reference():
		c.fail(at, "byte %d: %#x is no type of a reference", at, byte(t))
	}
	lo, hi := c.limits(1<<32-1, MaxTable)
	r.tables++
	switch {
	case c.err != nil:
	case r.tables > 1:
		c.refuse(fault.WasmTable, at, "byte %d: a second table, and one is allowed", at)
	case lo > MaxTable || hi > MaxTable:
		c.refuse(fault.WasmTable, at, "byte %d: a table of %d entries, and %d are allowed", at, max(lo, hi), MaxTable)
	}
	r.tableType = t
	r.info.HasTable, r.info.TableMin, r.info.TableMax = true, lo, hi
}

func (r *reader) memory(c *cursor) {
	at := c.pos
	lo, hi := c.limits(MaxPages, MaxPages)
	if r.memories++; r.memories > 1 {
		c.refuse(fault.WasmMemory, at, "byte %d: a second memory, and one is allowed", at)
	}
	r.info.HasMemory, r.info.MemoryMin, r.info.MemoryMax = true, lo, hi
}

// limits reads a minimum and a maximum, which is without if there is none.
func (c *cursor) limits(bound, without uint32) (lo, hi uint32) {
	at := c.pos
	flag := c.byte()
	switch {
	case c.err != nil:
	case flag > 7:
		c.fail(at, "byte %d: limits of form %#x", at, flag)
	case flag > 1:
		c.feature(at, "byte %d: limits of form %#x, and shared or 64-bit ones are not supported", at, flag)
	}
	lo, hi = c.u32(), without
	if flag == 1 {
		hi = c.u32()
	}
	if c.err == nil && (flag == 1 && lo > hi || lo > bound || hi > bound) {
		c.invalid(at, "byte %d: limits from %d to %d, and the most is %d", at, lo, hi, bound)
	}
	return lo, hi
}

func (c *cursor) valueType() valueType {
	at := c.pos
	t := valueType(c.byte())
	switch {
	case t.valid() || c.err != nil:
	case t == 0x63 || t == 0x64 || t == 0x69:
		c.feature(at, "byte %d: %#x is a type of a proposal (references or exceptions)", at, byte(t))
	default:
		c.fail(at, "byte %d: %#x is no type of a value", at, byte(t))
	}
	return t
}

func (c *cursor) globalType() globalType {
	g := globalType{of: c.valueType()}
	at := c.pos
	m := c.byte()
	if m > 1 {
		c.fail(at, "byte %d: %#x says neither constant nor mutable", at, m)
	}
	g.mutable = m == 1
	return g
}

// letters writes a function's type as an Import and an Export have it.
func (r *reader) letters(t int) (params, results string) {
	spans := r.types[t]
	return letters(r.params(spans)), letters(r.results(spans))
}

func letters(types []byte) string {
	out := make([]byte, len(types))
	for i, t := range types {
		switch valueType(t) {
		case i32:
			out[i] = 'i'
		case i64:
			out[i] = 'I'
		case f32:
			out[i] = 'f'
		case f64:
			out[i] = 'F'
		case v128:
			out[i] = 'v'
		default:
			out[i] = 'r'
		}
	}
	return string(out)
}
