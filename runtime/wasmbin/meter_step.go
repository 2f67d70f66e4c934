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
	case opBr:
		b.weighBranch(s, 1+b.extra+b.arity(s.a)/valuesPerUnit)
		b.jump(s.a)
		b.live = false
	case opBrIf:
		b.height--
		b.weighBranch(s, 1+b.extra+b.arity(s.a)/valuesPerUnit)
		b.jump(s.a)
	case opBrTable:
		b.height--
		b.weighBranch(s, 1+b.extra+b.tableArity(s)/valuesPerUnit)
		b.targets(s, b.jump)
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
	b.jump(function)
	b.live = false
	if b.calls {
		b.replace(s, byte(opBr), function)
	}
}

// loop takes a loop. If a branch goes back to it, what is due at its header is
// known when its end is: it is noted as a site, and so is what is due before.
func (b *bodies) loop(s *step) {
	params, results := b.m.blockType(s.a)
	f := frame{op: opLoop, params: params, results: results}
	if s.b == 0 {
		f.op = opBlock // of its label only the branches to it count, and there are none
		b.push(f)
		return
	}
	b.weighBranch(s, b.extra)
	f.start = b.path
	b.push(f)
	b.open[len(b.open)-1].site = len(b.sites) + 1
	b.sites = append(b.sites, site{at: s.at, kind: siteCharge}, site{at: b.next, kind: siteLoop})
	if params > 0 {
		b.sites[len(b.sites)-1].kind = siteCheck
	}
	b.path = path{due: b.extra, since: b.extra}
}

// header puts down what a loop's header charges: the most that is due where a
// branch goes back to it. What is due before the loop beyond that is charged
// before.
func (b *bodies) header(f *frame) {
	before, header := &b.sites[f.site-1], &b.sites[f.site]
	header.units = f.label.due
	if f.start.due > header.units {
		before.units = f.start.due
	}
	if !f.hit {
		header.kind = siteCheck
	}
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
		b.due += b.extra
		b.since += b.extra
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
	case opElse:
		b.otherwise()
	case opEnd:
		b.pop()
	case opCall, opRefFunc:
		b.moved(s)
	}
}

// moved mends a reference to the function whose number the import took.
func (b *bodies) moved(s *step) {
	if s.a == b.m.imported {
		b.replace(s, byte(s.op), b.m.to)
	}
}

func (b *bodies) replace(s *step, op byte, index uint32) {
	b.sites = append(b.sites, site{at: s.at, skip: b.next - s.at, kind: siteReplace, op: op, index: index})
}

// plain takes an instruction that goes on to the next.
func (b *bodies) plain(s *step) {
	switch s.op {
	case opCall:
		b.call(s, b.m.typeOf(s.a), 2, 0)
		b.moved(s)
	case opCallIndirect:
		b.call(s, b.m.typeAt(s.a), 6, 1)
	case opRefFunc:
		b.weigh(s, hostUnits)
		b.height++
		b.moved(s)
	case opMemoryCopy:
		b.bulk(s, 3, helper{kind: copyMemory})
	case opMemoryFill:
		b.bulk(s, 3, helper{kind: fillMemory})
	case opMemoryInit:
		b.memoryInit(s)
	case opTableInit, opTableCopy, opTableFill:
		b.before(s, helper{kind: chargeEntries})
		b.height -= 3
	case opTableGrow:
		b.bulk(s, 1, helper{kind: growTable, index: s.a})
	case opDataDrop:
		b.m.usesData = true
		b.weigh(s, 1)
	default:
		p := b.m.prices.of(s.op)
		if p.units > 0 {
			b.weigh(s, int(p.units))
		}
		b.height += int(p.grows)
	}
}

func (b *bodies) call(s *step, fn *funcType, units, pops int) {
	b.weigh(s, units+int(fn.params+fn.results)/valuesPerUnit)
	b.height += int(fn.results) - int(fn.params) - pops
}

// bulk takes an instruction whose cost depends on an operand: a helper charges
// it and does it.
func (b *bodies) bulk(s *step, pops int, h helper) {
	b.weigh(s, 2)
	b.height -= pops
	b.replace(s, byte(opCall), b.m.helper(h))
}

// before takes one that is done in place, after a helper has charged it.
func (b *bodies) before(s *step, h helper) {
	b.weigh(s, 2)
	b.sites = append(b.sites, site{at: s.at, kind: siteReplace, op: byte(opCall), index: b.m.helper(h)})
}

// memoryInit takes a copy from a data segment; only a large one can be long.
func (b *bodies) memoryInit(s *step) {
	b.m.usesData = true
	if b.m.segmentSize(s.a) > wholeBytes {
		b.bulk(s, 3, helper{kind: initMemory, index: s.a})
		return
	}
	b.before(s, helper{kind: chargeBytes})
	b.height -= 3
}
