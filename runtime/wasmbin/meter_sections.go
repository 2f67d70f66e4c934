package wasmbin

import "slices"

// load reads what the other parts need to know of the sections.
func (m *meter) load() error {
	for _, s := range []struct {
		id   int
		read func(*cursor)
	}{
		{idType, m.loadTypes},
		{idImport, m.loadImports},
		{idFunction, m.loadFunctions},
		{idTable, m.loadTables},
		{idGlobal, func(c *cursor) { m.globals += c.u32() }},
		{idData, m.loadData},
	} {
		c := m.sections[s.id] // a copy: it is read again when it is written
		if c.src == nil {
			continue
		}
		if s.read(&c); c.err != nil {
			return c.err
		}
	}
	m.total = uint32(len(m.funcs))
	m.to = m.total
	return nil
}

func (m *meter) loadTypes(c *cursor) {
	for n := c.u32(); n > 0 && c.err == nil; n-- {
		var t funcType
		c.byte()
		t.params, t.words = c.values()
		t.at = c.pos
		t.results, _ = c.values()
		t.end = c.pos
		m.types = append(m.types, t)
	}
}

// values reads a vector of types: how many, and how many words they take.
func (c *cursor) values() (n, words uint32) {
	list := c.span("a list of types")
	for list.more() {
		n, words = n+1, words+1
		if valueType(list.byte()) == v128 {
			words++
		}
	}
	return n, words
}

func (m *meter) loadImports(c *cursor) {
	for n := c.u32(); n > 0 && c.err == nil; n-- {
		c.span("a module's name")
		c.span("a name")
		switch Kind(c.byte()) {
		case Function:
			m.funcs = append(m.funcs, c.u32())
			m.imported++
		case Table:
			m.tables = append(m.tables, c.byte())
			c.bounds()
		case Memory:
			m.sharedMemory = true
			c.bounds()
		case Global:
			c.skip(2)
			m.globals++
		default:
			c.fail(c.pos, "byte %d: an import of no kind", c.pos)
		}
	}
}

// bounds reads a minimum, and a maximum if there is one.
func (c *cursor) bounds() (least, most uint32, bounded bool) {
	bounded = c.byte()&1 != 0
	least = c.u32()
	if bounded {
		most = c.u32()
	}
	return least, most, bounded
}

func (m *meter) loadFunctions(c *cursor) {
	for n := c.u32(); n > 0 && c.err == nil; n-- {
		m.funcs = append(m.funcs, c.u32())
	}
}

func (m *meter) loadTables(c *cursor) {
	for n := c.u32(); n > 0 && c.err == nil; n-- {
		m.tables = append(m.tables, c.byte())
		c.bounds()
	}
}

// typeAt is the type of this number. Of a number that Read would refuse it is
// an empty one.
func (m *meter) typeAt(n uint32) *funcType {
	if int(n) < len(m.types) {
		return &m.types[n]
	}
	return &funcType{}
}

// typeOf is the type of a function.
func (m *meter) typeOf(function uint32) *funcType {
	if int(function) < len(m.funcs) {
		return m.typeAt(m.funcs[function])
	}
	return &funcType{}
}

// blockType is how many values a block takes and leaves.
func (m *meter) blockType(t uint32) (params, results int) {
	switch n := int32(t); { //nolint:gosec // as it was read
	case n >= 0:
		fn := m.typeAt(t)
		return int(fn.params), int(fn.results)
	case n == blockEmpty:
		return 0, 0
	}
	return 0, 1
}

func (m *meter) tableType(n uint32) byte {
	if int(n) < len(m.tables) {
		return m.tables[n]
	}
	return byte(funcref)
}

// mended is the number of a function in the metered module.
func (m *meter) mended(function uint32) uint32 {
	if function == m.imported {
		return m.to
	}
	return function
}

// addType is the number of a type of the meter's own.
func (m *meter) addType(params, results []byte) uint32 {
	t := uleb([]byte{0x60}, uint64(len(params)))
	t = append(t, params...)
	t = uleb(t, uint64(len(results)))
	return m.addRawType(append(t, results...))
}

func (m *meter) addRawType(t []byte) uint32 {
	n, ok := m.addedAt[string(t)]
	if !ok {
		n = uint32(len(m.types) + len(m.added))
		m.addedAt[string(t)] = n
		m.added = append(m.added, t)
	}
	return n
}

// resultType appends the type of a block that leaves what a function does.
func (m *meter) resultType(out []byte, fn *funcType) []byte {
	switch fn.results {
	case 0:
		return append(out, blockNothing)
	case 1:
		return append(out, m.src[fn.end-1])
	}
	t := append([]byte{0x60, 0}, m.src[fn.at:fn.end]...)
	return sleb(out, int64(m.addRawType(t)))
}

// vector appends a section of n entries: of the entries of the source, from
// behind their number, and of what is added.
func vector(out []byte, id byte, n int, entries ...[]byte) []byte {
	if n == 0 {
		return out
	}
	size := 0
	for _, e := range entries {
		size += len(e)
	}
	count := uleb(nil, uint64(n))
	out = uleb(append(out, id), uint64(len(count)+size))
	out = append(out, count...)
	return append(out, slices.Concat(entries...)...)
}
