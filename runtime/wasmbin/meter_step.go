package wasmbin

// step takes one instruction that can be reached.
func (b *bodies) step(s *step) {
	switch s.op {
	case opUnreachable:
		b.live = false
	case opBlock:
		params, results := b.m.blockType(s.a)
		b.push(frame{op: opBlock, params: params, results: results})
	case opLoop:
		b.loop(s)
	case opIf:
		b.height--
		b.weighBranch(s, 1+b.extra)
		params, results := b.m.blockType(s.a)
		b.push(frame{op: opIf, params: params, results: results, start: b.path})
	case opElse:
		b.weighBranch(s, 0)
		b.jump(0)
		b.otherwise()
	case opEnd:
		b.end(s)
	case opBr: // a shortened one is charged for the branch table too
		b.weighBranch(s, (1+b.extra)*(1+int(s.b))+b.arity(s.a)/valuesPerUnit)
		b.exit(s, b.ends(s.a))
		b.reload(s, s.a)
		b.back(s)
		b.jump(s.a)
		b.shift(s)
		b.live = false
	case opBrIf:
		b.height--
		b.weighBranch(s, 1+b.extra+b.arity(s.a)/valuesPerUnit)
		b.exit(s, b.ends(s.a))
		b.reload(s, s.a)
		b.jump(s.a)
		b.shift(s)
	case opBrTable:
		b.height--
		b.weighBranch(s, 1+b.extra+b.tableArity(s)/valuesPerUnit)
		b.targets(s, func(label uint32) { b.exit(s, b.ends(label)) })
		b.targets(s, func(label uint32) { b.reload(s, label) })
		b.targets(s, b.jump)
		b.shiftTable(s)
		b.live = false
	case opReturn:
		b.leave(s)
	default:
		b.plain(s)
	}
}

// leave takes a return. Where the stack is counted it becomes a branch to the
// end of the body, which gives the words back.
func (b *bodies) leave(s *step) {
	function := uint32(len(b.open) - 1)
	b.weighBranch(s, 1+b.extra+b.arity(function)/valuesPerUnit)
	b.exit(s, true)
	b.jump(function)
	b.live = false
	if b.calls {
		b.replace(s, byte(opBr), function+b.crossed(function))
	}
}

// exit takes a way that may leave the function.
func (b *bodies) exit(s *step, leaves bool) {
	if leaves {
		b.catchUp(s.at)
	}
}

// loop takes a loop. If a branch goes back to it, what is due at its header is
// known when its end is: it is noted as a site, and so is what is due before.
func (b *bodies) loop(s *step) {
	params, results := b.m.blockType(s.a)
	f := frame{op: opLoop, params: params, results: results}
	if s.b&^backTable == 0 {
		f.op = opBlock // of its label only the branches to it count, and there are none
		b.push(f)
		return
	}
	if b.straight {
		b.loopFirst = len(b.sites)
	}
	b.weighBranch(s, b.extra)
	if b.loopFirst >= 0 && b.loopFirst == len(b.sites)-1 {
		b.loopFirst++ // behind what is charged before it
	}
	f.start, f.wraps = b.path, 1
	if f.atBack = s.b == backPlain|backTable; f.atBack {
		b.aroundTable(s, f)
		return
	}
	b.push(f)
	b.inside++
	b.open[len(b.open)-1].site = len(b.sites) + 1
	b.sites = append(b.sites,
		site{at: s.at, kind: siteLoop, held: b.held, index: b.next},
		site{at: b.next, kind: siteHeader, held: true, hold: true, params: params > 0})
	b.path = path{due: b.extra, since: b.extra, held: true}
}

// aroundTable takes a dispatcher to which only plain branches go back. They are
// few once it is shortened, and each charges and checks what it costs: so its
// header, through which each call of the function comes, does neither.
func (b *bodies) aroundTable(s *step, f frame) {
	around := site{at: s.at, kind: siteLoop, held: b.held, index: b.next, units: b.due}
	if b.loopFirst == len(b.sites) {
		b.first, around.units = b.due, 0 // charged at the entry
	}
	b.push(f)
	b.sites = append(b.sites, around)
	b.path = path{due: b.extra, since: b.since + b.extra}
}

// back charges and checks a round of a dispatcher at a branch back to it.
func (b *bodies) back(s *step) {
	if !b.label(s.a).atBack {
		return
	}
	b.sites = append(b.sites, site{
		at: s.at, kind: siteBack, units: b.due, held: b.held,
		index: s.a + b.crossed(s.a) + 1, // the loop around
	})
	b.path = path{}
}

// header puts down what a loop's header charges: the most that is due where a
// branch goes back to it. What is due before the loop beyond that is charged
// before.
func (b *bodies) header(f *frame) {
	b.sites = append(b.sites, site{at: b.next, kind: siteEnd})
	if f.atBack {
		return
	}
	b.inside--
	before, header := &b.sites[f.site-1], &b.sites[f.site]
	header.units = f.label.due
	if f.start.due > header.units {
		before.units = f.start.due
	}
	if !f.hit { // nothing goes back: a header that charges nothing loads nothing
		before.load = true
		return
	}
	if !f.held || b.stale(f) > mostStale {
		header.held = false
		return
	}
	before.load = true
	for at := f.stale; at >= 0; at = b.sites[at].earlier {
		b.sites[at].load = true
	}
}

// stale is how many branches go back to a loop after a call: before each the
// local of the fuel would have to be loaded.
func (b *bodies) stale(f *frame) int {
	n := 0
	for at := f.stale; at >= 0; at = b.sites[at].earlier {
		n++
	}
	return n
}

// crossed is how many loops were put in that a branch goes out of.
func (b *bodies) crossed(label uint32) uint32 {
	return uint32(b.open[len(b.open)-1].wraps - b.label(label).wraps)
}

// shift mends the label of a branch that was shortened, or that goes out of
// loops that were put in.
func (b *bodies) shift(s *step) {
	if n := b.crossed(s.a); n > 0 || s.op == opBr && s.b > 0 {
		b.replace(s, byte(s.op), s.a+n) //nolint:gosec // a plain opcode
	}
}

func (b *bodies) shiftTable(s *step) {
	same := true
	b.targets(s, func(label uint32) { same = same && b.crossed(label) == 0 })
	if same {
		return
	}
	from := len(b.tables)
	b.tables = uleb(append(b.tables, byte(opBrTable)), uint64(s.a))
	b.targets(s, func(label uint32) { b.tables = uleb(b.tables, uint64(label+b.crossed(label))) })
	b.sites = append(b.sites, site{at: s.at, skip: b.next - s.at, kind: siteTable, units: from, index: uint32(len(b.tables))})
}

// reload notes, before a branch, that the local of the fuel is to be loaded
// if the branch goes back to a loop that needs it.
func (b *bodies) reload(s *step, label uint32) {
	f := b.label(label)
	if b.held || f.site < 0 || f.op != opLoop {
		return
	}
	b.sites = append(b.sites, site{at: s.at, kind: siteLoad, earlier: f.stale})
	f.stale = len(b.sites) - 1
}

// otherwise goes from the end of an if's first part to its second.
func (b *bodies) otherwise() {
	f := &b.open[len(b.open)-1]
	f.op = opElse
	b.path, b.live, b.height = f.start, f.live, f.height+f.params
}

// end closes a block where its end can be reached by falling through.
func (b *bodies) end(s *step) {
	f := &b.open[len(b.open)-1]
	if f.op != opLoop && (f.hit || f.op == opIf) {
		b.weighBranch(s, 0)
	}
	b.pop()
}

// pop closes a block. Behind it the ways meet that lead there: by its end, by
// branches to its label, and past an if without an else.
func (b *bodies) pop() {
	f := &b.open[len(b.open)-1]
	meet := func(p path) {
		if !b.live {
			b.path = p
		}
		b.join(p)
		b.live = true
	}
	ways := 0
	switch {
	case f.op == opLoop:
		b.header(f)
	case f.hit:
		meet(f.label)
		ways++
	}
	if f.op == opIf && f.live {
		meet(f.start)
		ways++
	}
	if ways > 0 {
		b.add(b.extra)
	}
	b.height = f.height + f.results
	b.open = b.open[:len(b.open)-1]
}

// dead takes one instruction that cannot be reached. It costs nothing, but the
// references to the moved function change there too.
func (b *bodies) dead(s *step) {
	switch s.op {
	case opBlock, opLoop:
		b.push(frame{op: opBlock})
	case opIf:
		b.push(frame{op: opIf})
	case opBr, opBrIf:
		b.shift(s)
	case opBrTable:
		b.shiftTable(s)
	case opElse:
		b.otherwise()
	case opEnd:
		b.pop()
	case opCall, opRefFunc:
		b.moved(s)
	default:
	}
}

// moved mends a reference to the function whose number the import took.
func (b *bodies) moved(s *step) {
	if s.a == b.m.imported {
		b.replace(s, byte(s.op), b.m.to) //nolint:gosec // a plain opcode
	}
}

func (b *bodies) replace(s *step, op byte, index uint32) {
	b.sites = append(b.sites, site{at: s.at, skip: b.next - s.at, kind: siteReplace, op: op, index: index})
}

// plain takes an instruction that goes on to the next.
func (b *bodies) plain(s *step) {
	switch s.op {
	case opCall:
		b.invoke(s, b.m.typeOf(s.a), 2, 0, s.a >= b.m.imported)
		b.moved(s)
	case opCallIndirect:
		b.invoke(s, b.m.typeAt(s.a), 6, 1, true)
	case opRefFunc:
		b.weigh(s, hostUnits)
		b.height++
		b.moved(s)
	case opMemoryCopy:
		b.bulkInline(s, helper{kind: copyMemory})
	case opMemoryFill:
		b.bulkInline(s, helper{kind: fillMemory})
	case opMemoryInit:
		b.memoryInit(s)
	case opTableInit, opTableCopy, opTableFill:
		b.before(s, helper{kind: chargeEntries})
		b.height -= 3
	case opTableGrow:
		b.bulk(s, 1, helper{kind: growTable, index: s.a})
	default:
		p := b.m.prices.of(s.op)
		if p.units > 0 {
			b.weigh(s, int(p.units))
		}
		b.height += int(p.grows)
	}
}

// invoke takes a call. Behind it the local of the fuel holds nothing, even if it
// was loaded right before it.
func (b *bodies) invoke(s *step, fn *funcType, units, pops int, own bool) {
	b.straight = false
	b.weigh(s, units+int(fn.params+fn.results)/valuesPerUnit)
	if own {
		b.catchUp(s.at)
		b.call = true
	}
	b.held = false
	b.height += int(fn.results) - int(fn.params) - pops
}

// bulk takes an instruction whose cost depends on an operand: a helper charges
// it and does it.
func (b *bodies) bulk(s *step, pops int, h helper) {
	b.weigh(s, 2)
	b.height -= pops
	b.held, b.straight = false, false
	b.replace(s, byte(opCall), b.m.helper(h))
}

// bulkInline takes one that is mostly short: a short one is charged and done in
// place, and checked with what follows. A function with very many of them gets
// no more than calls, because branches are what compiling takes long for.
func (b *bodies) bulkInline(s *step, h helper) {
	if b.inline++; b.inline > mostInline {
		b.bulk(s, 3, h)
		return
	}
	b.pass(wholeSince)
	b.weigh(s, bulkUnits+2)
	b.height -= 3
	b.held, b.straight, b.lengths = false, false, true
	word := []byte{byte(i32), byte(i32), byte(i32)}
	b.sites = append(b.sites, site{
		at: s.at, skip: b.next - s.at, kind: siteBulk,
		index: b.m.helper(h), units: int(b.m.addType(word, nil)),
	})
}

// before takes one that is done in place, after a helper has charged it.
func (b *bodies) before(s *step, h helper) {
	b.weigh(s, 2)
	b.held = false
	b.sites = append(b.sites, site{at: s.at, kind: siteReplace, op: byte(opCall), index: b.m.helper(h)})
}

// memoryInit takes a copy from a data segment; only a large one can be long.
func (b *bodies) memoryInit(s *step) {
	if b.m.segmentSize(s.a) > wholeBytes {
		b.bulk(s, 3, helper{kind: initMemory, index: s.a})
		return
	}
	b.before(s, helper{kind: chargeBytes})
	b.height -= 3
}
