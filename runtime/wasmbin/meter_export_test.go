package wasmbin

// Counted is the module with a count of what it executes, at each instruction
// for itself: the plainest of all cost models, and a check of the one that is
// used. The count is the exported global "count". What depends on lengths is
// not counted.
func Counted(src []byte) ([]byte, error) {
	m := meter{src: src, prices: newPrices(), helperAt: make(map[helper]uint32), addedAt: make(map[string]uint32)}
	if err := walk(src, m.keep); err != nil {
		return nil, err
	}
	if err := m.load(); err != nil {
		return nil, err
	}
	out := append([]byte{}, src[:header]...)
	err := walk(src, func(s section) error {
		c := s.body
		switch s.id {
		case idGlobal:
			n := c.u32()
			out = vector(out, s.id, int(n)+1, c.rest(), []byte{byte(i64), 1, byte(opI64Const), 0, byte(opEnd)})
		case idExport:
			n := c.u32()
			out = vector(out, s.id, int(n)+1, c.rest(), uleb(append(text(nil, "count"), byte(Global)), uint64(m.globals)))
		case idCode:
			var bodies []byte
			n := c.u32()
			for range n {
				body := m.counted(c.span("a body"))
				bodies = append(uleb(bodies, uint64(len(body))), body...)
			}
			out = vector(out, s.id, int(n), bodies)
		default:
			out = uleb(append(out, s.id), uint64(c.end-c.pos))
			out = append(out, c.rest()...)
		}
		return nil
	})
	return out, err
}

func (m *meter) counted(c cursor) []byte {
	from := c.pos
	c.locals(0)
	out := append([]byte{}, c.src[from:c.pos]...)
	count := newCode(m.globals, 0)
	for c.more() {
		in := c.instruction()
		if units := m.unitsOf(in); units > 0 {
			out = append(out, count.getFuel...)
			out = sleb(append(out, byte(opI64Const)), int64(units))
			out = append(append(out, i64Add), count.setFuel...)
		}
		out = append(out, c.src[in.at:in.end]...)
	}
	return out
}

// unitsOf is what the promise says of one instruction.
func (m *meter) unitsOf(in instruction) int {
	switch in.op {
	case opUnreachable, opBlock, opLoop, opElse, opEnd:
		return 0
	case opIf, opBr, opBrIf, opBrTable, opReturn:
		return 1
	case opCall:
		return 2
	case opCallIndirect:
		return 6
	case opRefFunc:
		return hostUnits
	case opMemoryCopy, opMemoryFill, opMemoryInit, opTableCopy, opTableFill, opTableInit:
		return bulkUnits
	case opTableGrow:
		return growUnits
	default:
		return int(m.prices.of(in.op).units)
	}
}
