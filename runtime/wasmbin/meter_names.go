package wasmbin

// names keeps the names of the module and of its functions, which traps show.
// The function that was moved is named under its new number, behind all others;
// the names of locals are left out.
func (w *output) names() {
	c := w.meter.names
	if c.src == nil || w.err != nil {
		return
	}
	body := text(nil, nameSection)
	for c.more() {
		id := c.byte()
		sub := c.span("a subsection of names")
		switch {
		case sub.err != nil:
			return
		case id == namesModule:
			body = append(uleb(append(body, id), uint64(sub.end-sub.pos)), sub.rest()...)
		case id == namesFunctions:
			list := w.functionNames(&sub)
			body = append(uleb(append(body, id), uint64(len(list))), list...)
		}
	}
	w.out = append(uleb(append(w.out, idCustom), uint64(len(body))), body...)
}

func (w *output) functionNames(c *cursor) []byte {
	n := c.u32()
	var list, moved []byte
	list = uleb(list, uint64(n))
	kept := c.pos
	for ; n > 0 && c.err == nil; n-- {
		at := c.pos
		index := c.u32()
		name := c.span("a name")
		if index == w.imported && c.err == nil {
			list = append(list, c.src[kept:at]...)
			kept = c.pos
			moved = text(uleb(moved, uint64(w.to)), string(name.src[name.pos:name.end]))
		}
	}
	list = append(list, c.src[kept:c.pos]...)
	return append(list, moved...)
}
