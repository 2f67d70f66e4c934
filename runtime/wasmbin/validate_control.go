package wasmbin

import (
	"bytes"
	"slices"

	"github.com/snaprail/snaprail/runtime/fault"
)

// control applies an instruction that opens, closes or leaves blocks.
func (v *validator) control(in *instruction) {
	switch in.op {
	case opBlock, opLoop, opIf:
		v.open(in)
	case opElse:
		v.otherwise(in)
	case opEnd:
		v.end(in)
	case opBr:
		if f := v.target(in.at, in.a); f != nil {
			v.popAll(in.at, f.label())
			v.unreachable()
		}
	case opBrIf:
		v.way(in.at, branchWays)
		v.pop(in.at, i32)
		if f := v.target(in.at, in.a); f != nil {
			v.popAll(in.at, f.label())
			v.pushAll(in.at, f.label())
		}
	case opBrTable:
		v.table(in)
	case opReturn:
		v.popAll(in.at, v.scopes[0].results)
		v.unreachable()
	case opUnreachable:
		v.unreachable()
	default:
		v.c.invalid(in.at, "byte %d: no instruction is %#x", in.at, uint16(in.op))
	}
}

// open begins a block.
func (v *validator) open(in *instruction) {
	f := scope{op: in.op, at: in.at}
	switch t := int64(in.a); { //nolint:gosec // as the reader stored it
	case t >= 0:
		v.info.features |= multiValue
		if v.index(in.at, "type", in.a, len(v.types)); v.c.err != nil {
			return
		}
		f.params, f.results = v.params(v.types[t]), v.results(v.types[t])
	case in.end != in.imm+1:
		v.c.fail(in.imm, "byte %d: the type of a block is longer than it need be", in.imm)
		return
	case t != blockEmpty:
		f.results = v.c.src[in.imm:in.end]
		if !valueType(f.results[0]).valid() {
			v.c.invalid(in.at, "byte %d: %#x is no type of a block", in.at, f.results[0])
			return
		}
	}
	if in.op == opIf {
		v.pop(in.at, i32)
	}
	if len(v.scopes) > MaxNesting {
		v.c.refuse(fault.WasmNesting, in.at, "byte %d: blocks are nested more than %d deep", in.at, MaxNesting)
		return
	}
	if in.op == opLoop {
		v.round(in.at)
	}
	v.way(in.at, waysOf(in.op))
	v.popAll(in.at, f.params)
	f.floor, f.dead = v.floor, v.dead
	v.scopes = append(v.scopes, f)
	v.floor, v.dead = v.top, false
	v.pushAll(in.at, f.params)
}

// otherwise turns from the first half of an if to the second.
func (v *validator) otherwise(in *instruction) {
	f := &v.scopes[len(v.scopes)-1]
	if f.op != opIf {
		v.c.invalid(in.at, "byte %d: an else without an if", in.at)
		return
	}
	v.close(in.at, f)
	f.op, v.dead = opElse, false
	v.pushAll(in.at, f.params)
}

// end closes the innermost block.
func (v *validator) end(in *instruction) {
	f := &v.scopes[len(v.scopes)-1]
	v.close(in.at, f)
	if f.op == opIf && !bytes.Equal(f.params, f.results) {
		v.c.invalid(in.at, "byte %d: an if without an else leaves other values than it takes", in.at)
	}
	v.floor, v.dead = f.floor, f.dead
	v.scopes = v.scopes[:len(v.scopes)-1]
	v.pushAll(in.at, f.results)
}

// close checks that the results of a block, and they alone, are there.
func (v *validator) close(at int, f *scope) {
	v.popAll(at, f.results)
	if v.top != v.floor && v.c.err == nil {
		v.c.invalid(at, "byte %d: %d operands are left over at the end of a block", at, v.top-v.floor)
	}
}

// target is the block that a label names.
func (v *validator) target(at int, label uint64) *scope {
	if label >= uint64(len(v.scopes)) {
		v.c.invalid(at, "byte %d: a branch out of %d blocks, and %d are open", at, label+1, len(v.scopes))
		return nil
	}
	return &v.scopes[len(v.scopes)-1-int(label)] //nolint:gosec // less than the number of scopes
}

// table applies a branch table.
func (v *validator) table(in *instruction) {
	if in.a > MaxBranches {
		v.c.refuse(fault.WasmBranches, in.at, "byte %d: a branch table of %d targets, and %d are allowed", in.at, in.a, MaxBranches)
	}
	v.spend(&v.budget.targets, int(in.a), fault.WasmBranches, in.at, "targets of all branch tables") //nolint:gosec // less than the size of the module
	v.pop(in.at, i32)
	targets := v.c
	targets.pos = int(in.b) //nolint:gosec // an offset
	arity := -1
	for n := in.a + 1; n > 0 && v.c.err == nil; n-- {
		f := v.target(in.at, uint64(targets.u32()))
		if f == nil {
			return
		}
		label := f.label()
		if arity >= 0 && arity != len(label) {
			v.c.invalid(in.at, "byte %d: a branch table to blocks that take %d values and %d", in.at, arity, len(label))
			return
		}
		arity = len(label)
		v.have(in.at, label)
	}
	v.unreachable()
}

// unreachable says that the rest of the block is never run.
func (v *validator) unreachable() { v.top, v.dead = v.floor, true }

func (v *validator) push(at int, t valueType) {
	if v.top == MaxOperands {
		v.c.refuse(fault.WasmOperands, at, "byte %d: more than %d operands at once", at, MaxOperands)
		return
	}
	v.operands[v.top] = t
	v.top++
}

// pop takes an operand of this type.
func (v *validator) pop(at int, want valueType) {
	if v.top > v.floor && v.operands[v.top-1] == want {
		v.top--
		return
	}
	if have := v.popAny(at); have != want && have != unknown {
		v.mismatch(at, have, want)
	}
}

func (v *validator) popAny(at int) valueType {
	if v.top > v.floor {
		v.top--
		return v.operands[v.top]
	}
	if !v.dead && v.c.err == nil {
		v.c.invalid(at, "byte %d: an operand is missing", at)
	}
	return unknown
}

func (v *validator) mismatch(at int, have, want valueType) {
	if v.c.err == nil {
		v.c.invalid(at, "byte %d: an operand is %v where %v is needed", at, have, want)
	}
}

func (v *validator) popAll(at int, types []byte) {
	for _, t := range slices.Backward(types) {
		v.pop(at, valueType(t))
	}
	v.spend(&v.budget.values, len(types), fault.WasmOperands, at, "values that calls, blocks and branches move")
}

func (v *validator) pushAll(at int, types []byte) {
	for _, t := range types {
		v.push(at, valueType(t))
	}
	v.spend(&v.budget.values, len(types), fault.WasmOperands, at, "values that calls, blocks and branches move")
}

// have checks operands and leaves them.
func (v *validator) have(at int, types []byte) {
	for i, pos := len(types)-1, v.top-1; i >= 0; i, pos = i-1, pos-1 {
		switch want := valueType(types[i]); {
		case pos < v.floor:
			if !v.dead {
				v.c.invalid(at, "byte %d: an operand is missing", at)
			}
			return
		case v.operands[pos] != want && v.operands[pos] != unknown:
			v.mismatch(at, v.operands[pos], want)
			return
		}
	}
	v.spend(&v.budget.values, len(types), fault.WasmOperands, at, "values that calls, blocks and branches move")
}
