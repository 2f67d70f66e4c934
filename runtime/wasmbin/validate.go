package wasmbin

import "github.com/snaprail/snaprail/runtime/fault"

// validator checks function bodies by the algorithm of the specification's
// appendix: a stack of the operands' types and one of the open blocks. One
// validator serves all functions of a module, one after the other.
type validator struct {
	*reader
	c    cursor
	sigs *signatures

	locals   []valueType // of the function, its parameters first
	scopes   []scope
	operands [MaxOperands]valueType
	top      int // operands on the stack
	floor    int // operands that belong to outer blocks
	dead     bool
	ways     int // weight of the function's blocks and branches
	loops    int // of the function
	budget   budget
}

// scope is an open block.
type scope struct {
	op              opcode // opBlock, opLoop, opIf, opElse; opBlock for the function
	params, results []byte // types
	at              int    // offset of the instruction
	floor           int    // operands below
	dead            bool   // the rest of the block cannot be reached
}

// label is the types of the values that a branch to the block takes.
func (f *scope) label() []byte {
	if f.op == opLoop {
		return f.params
	}
	return f.results
}

// body checks one function body, which c covers, locals and all.
func (v *validator) body(c cursor, t funcSpans) error {
	v.c, v.top, v.floor, v.dead, v.ways, v.loops = c, 0, 0, false, 0, 0
	v.scopes = append(v.scopes[:0], scope{op: opBlock, results: v.results(t), at: c.pos})
	v.readLocals(v.params(t))
	for v.c.err == nil && len(v.scopes) > 0 {
		in := v.c.instruction()
		if v.c.err == nil {
			v.step(&in)
		}
	}
	if v.c.err == nil && v.c.pos != v.c.end {
		v.c.invalid(v.c.pos, "byte %d: a function goes on behind its end", v.c.pos)
	}
	v.budget.ways -= square(v.ways)
	return v.c.err
}

// readLocals reads the declarations of local variables, because a few bytes can
// declare billions of them.
func (v *validator) readLocals(params []byte) {
	v.locals = v.locals[:0]
	for _, t := range params {
		v.locals = append(v.locals, valueType(t))
	}
	c, start := &v.c, v.c.pos
	total := int64(0)
	for range c.count("groups of locals", MaxLocals, fault.WasmLocals) {
		n := c.u32()
		t := c.valueType()
		if total += int64(n); total > MaxLocals {
			c.refuse(fault.WasmLocals, start, "byte %d: more than %d local variables in a function", start, MaxLocals)
		}
		if c.err != nil {
			return
		}
		for range n {
			v.locals = append(v.locals, t)
		}
	}
	v.spend(&v.budget.locals, len(v.locals), fault.WasmLocals, start, "local variables and parameters of all functions")
}

// step applies one instruction.
func (v *validator) step(in *instruction) {
	if sig := v.sigs.of(in.op); sig.known {
		v.plain(in, sig)
		return
	}
	switch in.op {
	case opLocalGet, opLocalSet, opLocalTee:
		v.local(in)
	case opGlobalGet, opGlobalSet:
		v.global(in)
	case opDrop:
		v.popAny(in.at)
	case opSelect, opSelectTyped:
		v.selects(in)
	case opTableGet, opTableSet, opTableGrow, opTableFill, opRefNull, opRefIsNull, opRefFunc:
		v.reference(in)
	case opCall, opCallIndirect:
		v.call(in)
	default:
		v.control(in)
	}
}

// plain applies an instruction whose opcode alone decides what it takes.
func (v *validator) plain(in *instruction, sig *signature) {
	for i := int(sig.n) - 1; i >= 0; i-- {
		v.pop(in.at, sig.in[i])
	}
	if sig.out != unknown {
		v.push(in.at, sig.out)
	}
	v.info.features |= sig.needs
	if sig.effort > 0 {
		v.called(in.at, int(sig.effort))
	}
	if sig.check != 0 {
		v.immediate(in, sig)
	}
}

// immediate checks what a plain instruction names.
func (v *validator) immediate(in *instruction, sig *signature) {
	switch sig.check {
	case 'm', 'M':
		if in.a > uint64(sig.width) {
			v.c.invalid(in.at, "byte %d: an alignment of 2^%d bytes for an access of 2^%d", in.at, in.a, sig.width)
		}
		v.needMemory(in.at)
	case 'z', 'Z':
		v.needMemory(in.at)
	case 'n':
		v.needMemory(in.at)
		v.needSegment(in)
	case 'x', 'X':
		v.segment(in)
	}
	if sig.lanes > 0 {
		v.lanes(in, sig)
	}
}

// lanes checks the numbers of lanes.
func (v *validator) lanes(in *instruction, sig *signature) {
	lanes := v.c.src[in.end-1 : in.end]
	if sig.check == 'V' {
		lanes = v.c.src[in.imm:in.end]
	}
	for _, lane := range lanes {
		if lane >= sig.lanes {
			v.c.invalid(in.at, "byte %d: lane %d of %d", in.at, lane, sig.lanes)
		}
	}
}

// segment checks the segments and tables that an instruction names.
func (v *validator) segment(in *instruction) {
	switch in.op {
	case opDataDrop:
		v.needSegment(in)
	case opElemDrop:
		v.index(in.at, "element segment", in.a, len(v.elements))
	case opTableInit:
		v.index(in.at, "element segment", in.a, len(v.elements))
		v.index(in.at, "table", in.b, v.tables)
		if v.c.err == nil && v.elements[in.a] != v.tableType {
			v.c.invalid(in.at, "byte %d: an element segment of %v for a table of %v", in.at, v.elements[in.a], v.tableType)
		}
	case opTableCopy:
		v.index(in.at, "table", in.a, v.tables)
		v.index(in.at, "table", in.b, v.tables)
	default: // table.size
		v.index(in.at, "table", in.a, v.tables)
	}
}

func (v *validator) needMemory(at int) {
	if v.memories == 0 {
		v.c.invalid(at, "byte %d: an instruction on memory, and the module has none", at)
	}
}

// needSegment checks the use of a data segment, whose number must be declared
// ahead of the code.
func (v *validator) needSegment(in *instruction) {
	v.info.UsesSegments = true
	if !v.seenDataCount {
		v.c.invalid(in.at, "byte %d: a data segment is used, and there is no data count section", in.at)
	}
	v.index(in.at, "data segment", in.a, v.declaredSegments)
}

func (v *validator) index(at int, what string, i uint64, n int) {
	if i >= uint64(n) {
		v.c.invalid(at, "byte %d: %s %d, and there are %d", at, what, i, n)
	}
}

func (v *validator) local(in *instruction) {
	if v.index(in.at, "local", in.a, len(v.locals)); v.c.err != nil {
		return
	}
	t := v.locals[in.a]
	if in.op != opLocalGet {
		v.pop(in.at, t)
	}
	if in.op != opLocalSet {
		v.push(in.at, t)
	}
}

func (v *validator) global(in *instruction) {
	if v.index(in.at, "global", in.a, len(v.globals)); v.c.err != nil {
		return
	}
	g := v.globals[in.a]
	switch {
	case in.op == opGlobalGet:
		v.push(in.at, g.of)
	case !g.mutable:
		v.c.invalid(in.at, "byte %d: global %d is constant, and is set", in.at, in.a)
	default:
		v.pop(in.at, g.of)
	}
}

func (v *validator) selects(in *instruction) {
	v.pop(in.at, i32)
	if in.op == opSelectTyped {
		v.info.features |= referenceTypes
		if in.a != 1 || in.end != in.imm+2 {
			v.c.invalid(in.at, "byte %d: a select of %d types", in.at, in.a)
			return
		}
		t := valueType(v.c.src[in.end-1])
		if !t.valid() {
			v.c.invalid(in.at, "byte %d: %#x is no type of a value", in.at, byte(t))
		}
		v.pop(in.at, t)
		v.pop(in.at, t)
		v.push(in.at, t)
		return
	}
	second, first := v.popAny(in.at), v.popAny(in.at)
	switch {
	case second.reference() || first.reference():
		v.c.invalid(in.at, "byte %d: a select of references names no type", in.at)
	case first == unknown:
		v.push(in.at, second)
	case second == unknown || first == second:
		v.push(in.at, first)
	default:
		v.mismatch(in.at, second, first)
	}
}

// reference applies an instruction on tables and references.
func (v *validator) reference(in *instruction) {
	v.info.features |= referenceTypes
	v.called(in.at, callEffort)
	switch in.op {
	case opRefNull:
		v.push(in.at, valueType(in.a)) //nolint:gosec // a byte
		return
	case opRefIsNull:
		if t := v.popAny(in.at); t != unknown && !t.reference() {
			v.c.invalid(in.at, "byte %d: %v where a reference is needed", in.at, t)
		}
		v.push(in.at, i32)
		return
	case opRefFunc:
		v.index(in.at, "function", in.a, len(v.funcs))
		if v.c.err == nil && !v.declared[in.a] {
			v.c.invalid(in.at, "byte %d: a reference to function %d, which nothing outside of code declares", in.at, in.a)
		}
		v.push(in.at, funcref)
		return
	default: // on a table
	}
	v.index(in.at, "table", in.a, v.tables)
	switch in.op {
	case opTableGet:
		v.pop(in.at, i32)
		v.push(in.at, v.tableType)
	case opTableSet:
		v.pop(in.at, v.tableType)
		v.pop(in.at, i32)
	case opTableGrow:
		v.pop(in.at, i32)
		v.pop(in.at, v.tableType)
		v.push(in.at, i32)
	default: // table.fill
		v.pop(in.at, i32)
		v.pop(in.at, v.tableType)
		v.pop(in.at, i32)
	}
}

func (v *validator) call(in *instruction) {
	var t funcSpans
	effort := callEffort
	if in.op == opCall {
		if v.index(in.at, "function", in.a, len(v.funcs)); v.c.err != nil {
			return
		}
		t = v.types[v.funcs[in.a]]
	} else {
		v.index(in.at, "table", in.b, v.tables)
		if v.index(in.at, "type", in.a, len(v.types)); v.c.err != nil {
			return
		}
		if v.tableType != funcref {
			v.c.invalid(in.at, "byte %d: a call through a table of %v", in.at, v.tableType)
		}
		t = v.types[in.a]
		effort = indirectEffort
		v.pop(in.at, i32)
	}
	v.called(in.at, effort)
	v.popAll(in.at, v.params(t))
	v.pushAll(in.at, v.results(t))
}
