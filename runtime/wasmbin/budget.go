package wasmbin

import "github.com/snaprail/snaprail/runtime/fault"

// budget is what is left of what a compiler's work on a module goes with,
// beside its size. A few bytes can make much of each, so that each has a bound:
// a constant, with which a small module can have one large function, and a
// share for each byte. Real modules use less than a third of each; a module of a
// megabyte that uses up one compiles in about two seconds.
type budget struct {
	locals  int64 // local variables and parameters
	values  int64 // moved by calls, blocks and branches
	ways    int64 // squares of the functions' blocks and branches, weighted
	width   int64 // blocks and branches times the function's locals
	rounds  int64 // loops times the function's locals: to each belongs a check of Meter's
	targets int64 // of branch tables
	calls   int64 // calls and instructions that compile to as much, weighted
}

func newBudget(bytes int) budget {
	size := int64(bytes)
	return budget{
		locals:  1<<20 + size,
		values:  1<<20 + size,
		ways:    1<<26 + 32*size,
		width:   12<<20 + 2*size,
		rounds:  1<<20 + size,
		targets: 1<<16 + size/16,
		calls:   1<<16 + size/8,
	}
}

// The weights of blocks and branches: the pieces of straight code that each
// makes of one.
const (
	blockWays  = 1
	loopWays   = 2
	ifWays     = 3
	branchWays = 1
)

// manyLocals is where the price of a local that is followed through a branch
// has doubled, because registers have run out long before.
const manyLocals = 512

// The weights of calls: a direct one takes about 8 µs to compile.
const (
	callEffort     = 1
	indirectEffort = 5
	bulkEffort     = 12
)

func waysOf(op opcode) int {
	switch op {
	case opLoop:
		return loopWays
	case opIf:
		return ifWays
	default:
		return blockWays
	}
}

// spend takes n from what is left, and refuses the module when that is not
// enough.
func (v *validator) spend(left *int64, n int, k fault.Kind, at int, what string) {
	v.spendProduct(left, 1, int64(n), k, at, what)
}

// spendProduct takes a product, which an int of 32 bits may not hold.
func (v *validator) spendProduct(left *int64, n int, each int64, k fault.Kind, at int, what string) {
	if *left -= int64(n) * each; *left < 0 {
		v.c.refuse(k, at, "byte %d: too many %s for a module of this size", at, what)
	}
}

// way counts blocks and branches. The price of a function goes with their
// square, and with how many locals have to be followed through them.
func (v *validator) way(at, weight int) {
	if v.ways += weight; square(v.ways) > v.budget.ways {
		v.c.refuse(fault.WasmBody, at, "byte %d: too many blocks and branches in large functions", at)
	}
	v.spendProduct(&v.budget.width, weight, followed(len(v.locals)), fault.WasmLocals, at, "local variables, in functions of many branches,")
}

// followed is the price of following so many locals through a branch.
func followed(locals int) int64 { return int64(locals) + square(locals)/manyLocals }

func square(n int) int64 { return int64(n) * int64(n) }

// round counts loops.
func (v *validator) round(at int) {
	if v.loops++; v.loops > MaxLoops {
		v.c.refuse(fault.WasmBody, at, "byte %d: more than %d loops in a function", at, MaxLoops)
		return
	}
	v.spendProduct(&v.budget.rounds, 1, followed(len(v.locals)), fault.WasmLocals, at, "local variables, in functions of many loops,")
}

func (v *validator) called(at, effort int) {
	v.spend(&v.budget.calls, effort, fault.WasmBody, at, "calls and bulk instructions")
}
