package wasmbin

// segment is a data segment of the source.
type segment struct {
	at, end int // all of it
	data    int // where its bytes start
	passive bool
	active  bool // at a constant offset
	offset  uint32
}

func (s *segment) size() int    { return s.end - s.data }
func (s *segment) stop() uint64 { return uint64(s.offset) + uint64(s.size()) }

func (m *meter) loadData(c *cursor) {
	for n := c.u32(); n > 0 && c.err == nil; n-- {
		s := segment{at: c.pos}
		form := c.u32()
		if s.passive = form == 1; form == 2 {
			c.u32()
		}
		if !s.passive {
			s.active = true
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

// data copies the data segments. Go's linker emits one for each few bytes, tens
// of thousands of them, and each costs time and memory in each instance. So
// segments that follow each other are made one, with zeros between them where
// the memory is zero.
func (w *output) data() {
	c, n := w.section(idData)
	if w.usesData || w.sharedMemory {
		w.copy(idData)
		return
	}
	var list []byte
	if n > 0 {
		list = make([]byte, 0, c.end-c.pos+len(w.src)/100*zerosPercent)
	}
	n = 0
	w.runs(w.gap(), func(run []segment) {
		list = w.joined(list, run)
		n++
	})
	w.out = vector(w.out, idData, n, list)
}

// joined appends one segment in place of a run of them.
func (w *output) joined(list []byte, run []segment) []byte {
	if len(run) == 1 {
		return append(list, w.src[run[0].at:run[0].end]...)
	}
	first := &run[0]
	list = sleb(append(list, 0, byte(opI32Const)), int64(int32(first.offset))) //nolint:gosec // an address
	list = append(list, byte(opEnd))
	list = uleb(list, run[len(run)-1].stop()-uint64(first.offset))
	stop := uint64(first.offset)
	for i := range run {
		for ; stop < uint64(run[i].offset); stop++ {
			list = append(list, 0)
		}
		list = append(list, w.src[run[i].data:run[i].end]...)
		stop = run[i].stop()
	}
	return list
}

// runs calls visit for each run of segments that can be made one: those that
// touch, and those with no more than gap bytes between them that nothing was
// written to before.
func (m *meter) runs(gap uint64, visit func([]segment)) {
	var w written
	for i := 0; i < len(m.segments); {
		first := i
		w.add(&m.segments[i])
		for i++; i < len(m.segments) && m.segments[i-1].active && m.segments[i].active; i++ {
			stop, next := m.segments[i-1].stop(), uint64(m.segments[i].offset)
			if next < stop || next-stop > gap || !w.free(stop, next) {
				break
			}
			w.add(&m.segments[i])
		}
		visit(m.segments[first:i])
	}
}

// nearBytes is how far behind another a segment may lie and still belong to the
// same range.
const nearBytes = 64 << 10

// written is where segments were written to: a few ranges, which may be too
// wide. Segments mostly come in a few ascending series.
type written struct {
	ranges [8]struct{ from, to uint64 }
	n      int
}

func (w *written) add(s *segment) {
	from, to := uint64(s.offset), s.stop()
	switch {
	case s.passive:
		return
	case !s.active:
		from, to = 0, 1<<34 // it may be anywhere
	}
	if n := w.n - 1; n >= 0 && (from-w.ranges[n].to < nearBytes || w.n == len(w.ranges)) {
		w.ranges[n].from, w.ranges[n].to = min(w.ranges[n].from, from), max(w.ranges[n].to, to)
		return
	}
	w.ranges[w.n].from, w.ranges[w.n].to = from, to
	w.n++
}

// free says whether nothing was written between two addresses.
func (w *written) free(from, to uint64) bool {
	for _, r := range w.ranges[:w.n] {
		if from < r.to && r.from < to {
			return false
		}
	}
	return true
}

// gap is the widest gap, of a few that are tried, for which the zeros make the
// module no more than zerosPercent larger.
func (m *meter) gap() uint64 {
	c := m.sections[idData]
	most := c.end - c.pos + len(m.src)/100*zerosPercent
	for gap := uint64(64); gap > 0; gap /= 2 {
		size := uint64(0)
		m.runs(gap, func(run []segment) {
			const head = 6 // at most: the form, an address, the end, the size
			size += head + run[len(run)-1].stop() - uint64(run[0].offset)
		})
		if size <= uint64(most) {
			return gap
		}
	}
	return 0
}
