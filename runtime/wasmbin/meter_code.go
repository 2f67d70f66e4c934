package wasmbin

// path is what a way through a function has cost.
type path struct {
	due   int  // units not charged yet
	since int  // units since the last check, charged or not
	late  int  // those of them behind a call that may have recursed
	call  bool // there was such a call since the last check
	held  bool // the local of the fuel holds what the global does
}

// add adds a cost.
func (p *path) add(units int) {
	p.due += units
	p.pass(units)
}

// pass brings the next check nearer.
func (p *path) pass(units int) {
	p.since += units
	if p.call {
		p.late += units
	}
}

// join makes it the costlier of two ways that meet.
func (p *path) join(q path) {
	p.due, p.since, p.held = max(p.due, q.due), max(p.since, q.since), p.held && q.held
	p.late, p.call = max(p.late, q.late), p.call || q.call
}

// frame is an open block, loop, if or function body.
type frame struct {
	op      opcode
	live    bool // its start can be reached
	hit     bool // its label is branched to from where code can be reached
	height  int  // operands below its parameters
	params  int
	results int
	start   path // the way to the if or to the loop
	label   path // the costliest branch to its label
	site    int  // of a loop's header; -1: it has none
	atBack  bool // a loop's round is charged and checked where it goes back
	wraps   int  // loops that were put around this frame's loop, and around the frames outside
	stale   int  // the last branch to it where the fuel is not held; -1: there is none
	held    bool // the fuel is held where some branch goes back to the loop
}

// step is an instruction without what the meter does not need. For a loop b
// says which branches go back to it; for a branch, whether it was shortened.
type step struct {
	at   uint32
	a, b uint32
	op   opcode
}

// What branches go back to a loop.
const (
	backPlain = 1 << iota // br
	backOther             // br_if, br_table
	backTable             // it is a dispatcher
)

// bodies walks over one function after the other and writes each anew. Its
// slices are used again for each.
type bodies struct {
	m          *meter
	src        []byte
	steps      []step
	loops      []int // the steps that opened the blocks; -1: the function
	open       []frame
	sites      []site
	tables     []byte // branch tables that are written anew
	dispatcher dispatcher

	path
	live      bool
	next      uint32 // offset behind the instruction
	height    int    // operands
	highest   int
	vectors   bool   // it handles values of two words
	calls     bool   // it can call a function of the module
	inside    int    // how many loops are open
	fuelAt    uint32 // the local of the fuel; behind it one for lengths
	lengths   bool   // that one is needed
	inline    int    // instructions on ranges that are done in place
	loopFirst int    // the site of a loop that is reached before anything else; -1: there is none
	first     int    // what is due before that
	straight  bool   // nothing but straight code was seen
	charges   bool   // something is charged inside
	mostLate  int    // so much may be late where the function calls or ends
	extra     int    // what a branch costs more, because it may move locals
}

// rewrite appends the metered body of a function of this type to out.
func (b *bodies) rewrite(out []byte, c *cursor, fn *funcType) []byte {
	locals := c.locals(fn.params)
	code := c.pos
	b.extra = (int(fn.words) + locals.words) / localsPerUnit
	b.mostLate = min(pathUnits, unwindUnits*(frameBase+int(fn.words)+locals.words))
	b.fuelAt, b.lengths, b.inline = locals.next, false, 0
	if b.read(c); c.err != nil {
		return out
	}
	b.walk(fn)
	exit := b.open[0]
	words := b.frameWords(fn, locals.words)
	groups := []byte{1, byte(i64), 1, byte(i32)}
	if !b.lengths {
		groups = groups[:2]
	}
	out = uleb(out, uint64(locals.groups)+uint64(len(groups)/2))
	out = append(out, c.src[locals.from:code]...)
	out = append(out, groups...)
	if b.loopFirst >= 0 {
		b.sites[b.loopFirst].stack = words > 0
	}
	if due := exit.label.due + b.first; due > 0 || words > 0 || b.charges {
		out = b.m.enter(out, due, words, b.loopFirst < 0)
	}
	wrapped := words > 0 && exit.hit
	if wrapped {
		out = append(out, byte(opBlock))
		out = b.m.resultType(out, fn)
	}
	out = b.emit(out, code, c.end-1)
	if wrapped {
		out = append(out, byte(opEnd))
	}
	if words > 0 && (b.live || exit.hit) {
		out = b.m.leave(out, words)
	}
	return append(out, byte(opEnd))
}

// frameWords is the cost of a call in words of the stack; 0 for a function
// that calls none, because it cannot recurse.
func (b *bodies) frameWords(fn *funcType, locals int) int {
	if !b.calls {
		return 0
	}
	operands := b.highest
	if b.vectors {
		operands *= 2
	}
	// The compiler keeps a place for each value that it has ever put aside.
	aside := max(0, len(b.steps)-freeSteps) / stepsPerWord
	return frameBase + int(fn.words) + locals + operands + aside
}

// localGroups is what a function declares.
type localGroups struct {
	from   int    // of the first group
	groups uint32 // a number and a type
	words  int    // that all locals take
	next   uint32 // the number of the next local
}

// locals reads the declarations of locals behind so many parameters.
func (c *cursor) locals(params uint32) localGroups {
	l := localGroups{groups: c.u32(), next: params}
	l.from = c.pos
	for n := l.groups; n > 0 && c.err == nil; n-- {
		count, t := c.u32(), valueType(c.byte())
		l.next += count
		l.words += int(count)
		if t == v128 {
			l.words += int(count)
		}
		if l.words > maxFrame {
			c.fail(c.pos, "byte %d: too many local variables", c.pos)
		}
	}
	return l
}

// read reads all instructions, and notes which loops are branched to: many are
// not, because compilers use them for blocks.
func (b *bodies) read(c *cursor) {
	b.src = c.src
	b.steps, b.sites, b.loops = b.steps[:0], b.sites[:0], append(b.loops[:0], -1)
	b.tables, b.dispatcher.loop = b.tables[:0], -1
	b.vectors, b.calls = false, false
	for len(b.loops) > 0 && c.more() {
		in := c.instruction()
		s := step{at: uint32(in.at), a: uint32(in.a), b: uint32(in.b), op: in.op} //nolint:gosec // indexes and offsets
		switch in.op {
		case opBlock, opIf, opLoop:
			b.loops = append(b.loops, len(b.steps))
		case opEnd:
			b.loops = b.loops[:len(b.loops)-1]
		case opBr:
			b.shorten(&s)
			b.mark(s.a, backPlain)
		case opBrIf:
			b.mark(s.a, backOther)
		case opBrTable:
			b.targets(&s, func(label uint32) { b.mark(label, backOther) })
			b.dispatch(&s)
		case opCall:
			b.calls = b.calls || s.a >= b.m.imported
		case opCallIndirect:
			b.calls = true
		case opMemoryInit, opDataDrop:
			b.m.usesData = true
		default:
			b.vectors = b.vectors || in.op&^0xff == prefixVector
		}
		b.steps = append(b.steps, s)
	}
	if c.err == nil && (len(b.loops) > 0 || c.pos != c.end) {
		c.fail(c.pos, "byte %d: a function and its body end at different places", c.pos)
	}
}

// mark notes a branch, if it goes back to a loop.
func (b *bodies) mark(label, how uint32) {
	if n := len(b.loops) - 1 - int(label); n > 0 && b.steps[b.loops[n]].op == opLoop {
		b.steps[b.loops[n]].b |= how
	}
}

// targets calls visit for each label of a branch table.
func (b *bodies) targets(s *step, visit func(uint32)) {
	list := cursor{src: b.src, pos: int(s.b), end: len(b.src)}
	for n := uint64(s.a) + 1; n > 0 && list.err == nil; n-- {
		visit(list.u32())
	}
}

// walk sums the costs up along all ways through the function, and notes what
// is to be put in where.
func (b *bodies) walk(fn *funcType) {
	b.path, b.live, b.height, b.highest, b.inside = path{}, true, 0, 0, 0
	b.loopFirst, b.first, b.straight, b.charges = -1, 0, true, false
	b.open = b.open[:0]
	b.push(frame{op: opNop, results: int(fn.results)})
	for i := range len(b.steps) - 1 {
		s := &b.steps[i]
		b.next = b.steps[i+1].at
		if b.live {
			b.step(s)
			b.highest = max(b.highest, b.height)
		} else {
			b.dead(s)
		}
	}
	if b.live {
		b.finish(b.steps[len(b.steps)-1].at)
	}
}

// finish takes the end of the body. Ways that return before do not pay for the
// last part of the others: what is due of it is charged where it ends.
func (b *bodies) finish(at uint32) {
	if b.open[0].hit && b.due > pathUnits {
		b.settle(at, false)
	}
	b.catchUp(at)
	b.open[0].label.join(b.path)
}

// catchUp charges and checks, before a call and where the function ends, if much
// was done behind another call. All of it would be charged at the entry else:
// while a recursion goes back, no fuel would be used, and nothing would yield.
func (b *bodies) catchUp(at uint32) {
	if b.late > b.mostLate {
		b.settle(at, true)
	}
}

// ends says whether a label is the end of the function.
func (b *bodies) ends(label uint32) bool { return int(label) == len(b.open)-1 }

// weigh adds a cost. Long code without branches is charged and checked inside.
func (b *bodies) weigh(s *step, units int) {
	b.add(units)
	if b.since > straightUnits {
		b.settle(s.at, true)
	}
}

// weighBranch adds the cost of an instruction behind which code goes several
// ways, or which meets another way, and charges what is due before it.
func (b *bodies) weighBranch(s *step, units int) {
	b.straight = false
	b.weigh(s, units)
	if b.due > pathUnits {
		b.settle(s.at, false)
	}
}

// settle charges what is due, and checks if it is to.
func (b *bodies) settle(at uint32, check bool) {
	b.straight, b.charges = false, true
	kind := siteCharge
	if check {
		kind, b.since, b.late, b.call = siteCheck, 0, 0, false
	}
	b.sites = append(b.sites, site{at: at, kind: kind, units: b.due, held: b.held, hold: b.inside > 0})
	b.due, b.held = 0, b.inside > 0
}

func (b *bodies) push(f frame) {
	f.live, f.height, f.site, f.stale = b.live, b.height-f.params, -1, -1
	if n := len(b.open); n > 0 {
		f.wraps += b.open[n-1].wraps
	}
	b.open = append(b.open, f)
}

// label is the frame that a branch goes to.
func (b *bodies) label(n uint32) *frame {
	if i := len(b.open) - 1 - int(n); i >= 0 {
		return &b.open[i]
	}
	return &b.open[0] // Read refuses such a label
}

// arity is how many values a branch takes along.
func (b *bodies) arity(n uint32) int {
	f := b.label(n)
	if f.op == opLoop {
		return f.params
	}
	return f.results
}

// jump brings what this way has cost to a label.
func (b *bodies) jump(n uint32) {
	f := b.label(n)
	if !f.hit {
		f.label, f.hit = b.path, true
	}
	f.label.join(b.path)
	f.held = f.held || b.held
}

// tableArity is the same for a branch table, whose targets all take as many.
func (b *bodies) tableArity(s *step) int {
	list := cursor{src: b.src, pos: int(s.b), end: len(b.src)}
	return b.arity(list.u32())
}
