package wasmbin

// segment is a data segment of the source.
type segment struct {
	data, end int  // its bytes
	active    bool // at a constant offset
	offset    uint32
}

func (s *segment) size() int    { return s.end - s.data }
func (s *segment) stop() uint64 { return uint64(s.offset) + uint64(s.size()) }

func (m *meter) loadData(c *cursor) {
	for n := c.u32(); n > 0 && c.err == nil; n-- {
		var s segment
		form := c.u32()
		if form == 2 {
			c.u32()
		}
		if s.active = form != 1; s.active {
			s.offset = m.offset(c, &s.active)
		}
		bytes := c.span("a data segment")
		s.data, s.end = bytes.pos, bytes.end
		m.segments = append(m.segments, s)
	}
}

// offset reads where a segment goes, and whether that is a constant.
func (m *meter) offset(c *cursor, constant *bool) uint32 {
	in := c.instruction()
	end := c.instruction()
	if in.op == opI32Const && end.op == opEnd {
		return uint32(in.a) //nolint:gosec // an address
	}
	*constant = false
	for end.op != opEnd && c.err == nil {
		end = c.instruction()
	}
	return 0
}

// segmentSize is the size of a data segment.
func (m *meter) segmentSize(n uint32) int {
	if int(n) < len(m.segments) {
		return m.segments[n].size()
	}
	return 0
}

func (w *output) dataCount() {
	if w.usesData {
		w.copy(idDataCount)
	}
}
