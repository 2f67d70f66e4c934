package wasmbin

// output writes the sections of the metered module.
type output struct {
	*meter
	out []byte
	err error
}

// section is a copy of a section of the source, its number of entries, and
// whether it can be read; a section that is not there has none.
func (w *output) section(id int) (c cursor, n int) {
	c = w.sections[id]
	if c.src == nil || w.err != nil {
		return cursor{}, 0
	}
	return c, int(c.u32())
}

// rest is what a cursor has not read.
func (c *cursor) rest() []byte { return c.src[c.pos:c.end] }

// close notes what went wrong.
func (w *output) close(c *cursor) {
	if w.err == nil {
		w.err = c.err
	}
}

func (w *output) copy(id byte) {
	if c := w.sections[id]; c.src != nil {
		w.out = uleb(append(w.out, id), uint64(c.end-c.pos))
		w.out = append(w.out, c.rest()...)
	}
}

func (w *output) types() {
	// The types of imports and helpers are added here, so that they are there
	// when they are asked for again below.
	w.addType([]byte{byte(i64)}, []byte{byte(i64)})
	for _, h := range w.helpers {
		w.addType(w.helperType(h))
	}
	c, n := w.section(idType)
	var added []byte
	for _, t := range w.added {
		added = append(added, t...)
	}
	w.out = vector(w.out, idType, n+len(w.added), c.rest(), added)
}

func (w *output) imports() {
	c, n := w.section(idImport)
	yield := text(text(nil, MeterModule), MeterYield)
	yield = append(yield, byte(Function))
	yield = uleb(yield, uint64(w.addType([]byte{byte(i64)}, []byte{byte(i64)})))
	w.out = vector(w.out, idImport, n+1, c.rest(), yield)
}

func text(out []byte, s string) []byte { return append(uleb(out, uint64(len(s))), s...) }

func (w *output) functions() {
	var list []byte
	own := w.funcs[w.imported:]
	if len(own) > 0 {
		for _, t := range own[1:] {
			list = uleb(list, uint64(t))
		}
		list = uleb(list, uint64(own[0]))
	}
	for _, h := range w.helpers {
		list = uleb(list, uint64(w.addType(w.helperType(h))))
	}
	w.out = vector(w.out, idFunction, len(own)+len(w.helpers), list)
}

// tables gives each table a maximum.
func (w *output) tables() {
	c, n := w.section(idTable)
	var list []byte
	for range n {
		list = append(list, c.byte())
		least, most, bounded := c.bounds()
		if !bounded || most > MaxTable {
			most = max(MaxTable, least)
		}
		list = uleb(append(list, 1), uint64(least))
		if list = uleb(list, uint64(most)); c.err != nil {
			break
		}
	}
	w.close(&c)
	w.out = vector(w.out, idTable, n, list)
}

func (w *output) globals() {
	c, n := w.section(idGlobal)
	var list []byte
	for range n {
		list = append(list, c.byte(), c.byte())
		if list = w.constant(list, &c); c.err != nil {
			break
		}
	}
	w.close(&c)
	own := []byte{
		byte(i64), 1, byte(opI64Const), 0, byte(opEnd),
		byte(i64), 1, byte(opI64Const), 0, byte(opEnd),
		byte(i32), 1, byte(opI32Const), 0, byte(opEnd),
	}
	w.out = vector(w.out, idGlobal, n+3, list, own)
}

// constant copies an initial value.
func (w *output) constant(out []byte, c *cursor) []byte {
	for c.err == nil {
		in := c.instruction()
		if in.op == opRefFunc {
			out = uleb(append(out, byte(opRefFunc)), uint64(w.mended(uint32(in.a)))) //nolint:gosec // read as one
		} else {
			out = append(out, c.src[in.at:max(in.at, c.pos)]...)
		}
		if in.op == opEnd {
			break
		}
	}
	return out
}

func (w *output) exports() {
	c, n := w.section(idExport)
	var list []byte
	add := func(name string, kind Kind, index uint32) {
		list = uleb(append(text(list, name), byte(kind)), uint64(index))
		n++
	}
	for range n {
		at := c.pos
		c.span("a name")
		kind := Kind(c.byte())
		list = append(list, c.src[at:c.pos]...)
		index := c.u32()
		if kind == Function {
			index = w.mended(index)
		}
		if list = uleb(list, uint64(index)); c.err != nil {
			break
		}
	}
	w.close(&c)
	add(MeterFuel, Global, w.fuel)
	add(MeterStack, Global, w.stack)
	add(MeterTable, Global, w.table)
	if s := w.sections[idStart]; s.src != nil {
		add(MeterStart, Function, w.mended(s.u32()))
	}
	w.out = vector(w.out, idExport, n, list)
}

func (w *output) elements() {
	c, n := w.section(idElement)
	var list []byte
	for range n {
		if list = w.element(list, &c); c.err != nil {
			break
		}
	}
	w.close(&c)
	w.out = vector(w.out, idElement, n, list)
}

// element copies one segment; readElements says what the bits of its form mean.
func (w *output) element(out []byte, c *cursor) []byte {
	form := c.u32()
	out = uleb(out, uint64(form))
	if form&1 == 0 {
		if form&2 != 0 {
			out = uleb(out, uint64(c.u32()))
		}
		out = w.constant(out, c)
	}
	if form&3 != 0 {
		out = append(out, c.byte())
	}
	n := c.u32()
	out = uleb(out, uint64(n))
	for ; n > 0 && c.err == nil; n-- {
		if form&4 != 0 {
			out = w.constant(out, c)
		} else {
			out = uleb(out, uint64(w.mended(c.u32())))
		}
	}
	return out
}
