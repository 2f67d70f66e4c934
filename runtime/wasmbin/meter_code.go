package wasmbin

// path is what a way through a function has cost.
type path struct {
	due   int // units not charged yet
	since int // units since the last check, charged or not
}

// join makes it the costlier of two ways that meet.
func (p *path) join(q path) {
	p.due, p.since = max(p.due, q.due), max(p.since, q.since)
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
}

// step is an instruction without what the meter does not need. For a loop b
// says whether a branch goes back to it.
type step struct {
	at   uint32
	a, b uint32
	op   opcode
}

// bodies walks over one function after the other and writes each anew. Its
// slices are used again for each.
type bodies struct {
	m     *meter
	src   []byte
	steps []step
	loops []int // of open blocks: the step of a loop, else -1
	open  []frame
	sites []site

	path
	live    bool
	next    uint32 // offset behind the instruction
	height  int    // operands
	highest int
	vectors bool // it handles values of two words
	calls   bool // it can call a function of the module
	extra   int  // what a branch costs more, because it may move locals
}

// rewrite appends the metered body of a function of this type to out.
func (b *bodies) rewrite(out []byte, c *cursor, fn *funcType) []byte {
	start := c.pos
	locals := c.locals()
	code := c.pos
	b.extra = (int(fn.words) + locals) / localsPerUnit
	if b.read(c); c.err != nil {
		return out
	}
	b.walk(fn)
	exit := b.open[0]
	words := b.frameWords(fn, locals)
	out = append(out, c.src[start:code]...)
	out = b.m.enter(out, exit.label.due, words)
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
	return frameBase + int(fn.words) + locals + operands
}

// locals reads the declarations of locals and answers how many words they take.
func (c *cursor) locals() int {
	words := 0
	for n := c.u32(); n > 0 && c.err == nil; n-- {
		count, t := int(c.u32()), valueType(c.byte())
		if t == v128 {
			count *= 2
		}
		if words += count; words > maxFrame {
			c.fail(c.pos, "byte %d: too many local variables", c.pos)
		}
	}
	return words
}

// read reads all instructions, and notes which loops are branched to: many are
// not, because compilers use them for blocks.
func (b *bodies) read(c *cursor) {
	b.src = c.src
	b.steps, b.sites, b.loops = b.steps[:0], b.sites[:0], append(b.loops[:0], -1)
	b.vectors, b.calls = false, false
	for len(b.loops) > 0 && c.more() {
		in := c.instruction()
		s := step{at: uint32(in.at), a: uint32(in.a), b: uint32(in.b), op: in.op}
		switch in.op {
		case opBlock, opIf:
			b.loops = append(b.loops, -1)
		case opLoop:
			b.loops = append(b.loops, len(b.steps))
		case opEnd:
			b.loops = b.loops[:len(b.loops)-1]
		case opBr, opBrIf:
			b.mark(s.a)
		case opBrTable:
			b.targets(&s, b.mark)
		case opCall:
			b.calls = b.calls || s.a >= b.m.imported
		case opCallIndirect:
			b.calls = true
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
func (b *bodies) mark(label uint32) {
	if n := len(b.loops) - 1 - int(label); n >= 0 && b.loops[n] >= 0 {
		b.steps[b.loops[n]].b = 1
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
	b.path, b.live, b.height, b.highest = path{}, true, 0, 0
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
		b.open[0].label.join(b.path)
	}
}

// weigh adds a cost. Long code without branches is charged and checked inside.
func (b *bodies) weigh(s *step, units int) {
	b.due += units
	b.since += units
	if b.since > straightUnits {
		b.settle(s.at)
	}
}

// weighBranch adds the cost of an instruction behind which code goes several
// ways, or which meets another way, and charges what is due before it.
func (b *bodies) weighBranch(s *step, units int) {
	b.weigh(s, units)
	if b.due > pathUnits {
		b.settle(s.at)
	}
}

// settle charges what is due, with a check if the last one is far away.
func (b *bodies) settle(at uint32) {
	kind := siteCharge
	if b.since > straightUnits {
		kind, b.since = siteCheck, 0
	}
	b.sites = append(b.sites, site{at: at, kind: kind, units: b.due})
	b.due = 0
}

func (b *bodies) push(f frame) {
	f.live, f.height, f.site = b.live, b.height-f.params, -1
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
	f.label.join(b.path)
	f.hit = true
}

// tableArity is the same for a branch table, whose targets all take as many.
func (b *bodies) tableArity(s *step) int {
	list := cursor{src: b.src, pos: int(s.b), end: len(b.src)}
	return b.arity(list.u32())
}
