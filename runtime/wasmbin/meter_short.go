package wasmbin

// dispatcher is a loop that starts with a branch table:
//
//	loop block block ... block local.get x br_table ... end ... end ... end
//
// A branch back to it behind a constant that is stored in x is one to the end
// of a block inside, which is known; if that block is still open, the branch can
// go there at once. Go's compiler writes all jumps in a function in this way,
// forward ones too, and a jump that does not pass the loop's header is neither
// checked nor sent through the table.
type dispatcher struct {
	loop   int      // its step, behind which are those of the blocks; -1: there is none
	depth  int      // of its frame
	blocks int      // how many
	local  uint32   // that the table branches by
	labels []uint32 // of the table; the last is the default
}

// dispatch notes the loop that a branch table is at the start of.
func (b *bodies) dispatch(s *step) {
	at := len(b.steps) - 1
	if at < 1 || b.steps[at].op != opLocalGet {
		return
	}
	first := at
	for first > 0 && b.steps[first-1].plainBlock(opBlock) {
		first--
	}
	if first == 0 || !b.steps[first-1].plainBlock(opLoop) {
		return
	}
	d := &b.dispatcher
	d.loop, d.blocks, d.local = first-1, at-first, b.steps[at].a
	d.depth = len(b.loops) - 1 - d.blocks
	d.labels = d.labels[:0]
	b.steps[d.loop].b |= backTable
	b.targets(s, func(label uint32) { d.labels = append(d.labels, label) })
}

// plainBlock says whether a step opens a block of this kind that has no
// parameters and no results.
func (s *step) plainBlock(op opcode) bool {
	return s.op == op && int32(s.a) == blockEmpty //nolint:gosec // as it was read
}

// shorten gives a branch to a dispatcher the label that it comes to.
func (b *bodies) shorten(s *step) {
	d, n := &b.dispatcher, len(b.steps)
	if d.loop < 0 || n < 2 || len(b.loops)-1-int(s.a) != d.depth || b.loops[d.depth] != d.loop {
		return
	}
	value, set := &b.steps[n-2], &b.steps[n-1]
	if value.op != opI32Const || set.op != opLocalSet || set.a != d.local {
		return
	}
	label := d.labels[min(uint64(value.a), uint64(len(d.labels)-1))]
	to := d.depth + d.blocks - int(label)
	if to <= d.depth || to >= len(b.loops) || b.loops[to] != d.loop+to-d.depth {
		return // the block is closed: the branch goes back
	}
	s.a, s.b = uint32(len(b.loops)-1-to), 1
}
