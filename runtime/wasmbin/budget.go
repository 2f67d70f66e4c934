package wasmbin

import "github.com/snaprail/snaprail/runtime/fault"

// budget is what is left of what a compiler's work on a module goes with,
// beside its size. A few bytes can make much of each, so that each has a bound:
// a constant, with which a small module can have one large function, and a
// share for each byte. Real modules stay below a fifth of the shares; one that
// uses up all of a bound compiles in about two seconds for a megabyte.
type budget struct {
	locals  int // local variables and parameters
	values  int // moved by calls, blocks and branches
	ways    int // squares of the functions' blocks and branches, weighted
	width   int // blocks and branches times the function's locals
	targets int // of branch tables
	calls   int // calls and instructions that compile to as much, weighted
}

func newBudget(size int) budget {
	return budget{
		locals:  1<<20 + size,
		values:  1<<20 + size,
		ways:    1<<25 + 32*size,
		width:   9<<18 + size/2,
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
	}
	return blockWays
}

// spend takes n from what is left, and refuses the module when that is not
// enough.
func (v *validator) spend(left *int, n int, k fault.Kind, at int, what string) {
	if *left -= n; *left < 0 {
		v.c.refuse(k, at, "byte %d: too many %s for a module of this size", at, what)
	}
}

// way counts blocks and branches. The price of a function goes with their
// square, and with how many locals have to be followed through them.
func (v *validator) way(at, weight int) {
	if v.ways += weight; v.ways*v.ways > v.budget.ways {
		v.c.refuse(fault.WasmBody, at, "byte %d: too many blocks and branches in large functions", at)
	}
	v.spend(&v.budget.width, weight*len(v.locals), fault.WasmLocals, at, "local variables, in functions of many branches,")
}

func (v *validator) called(at, effort int) {
	v.spend(&v.budget.calls, effort, fault.WasmBody, at, "calls and bulk instructions")
}
