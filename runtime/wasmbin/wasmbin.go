// Package wasmbin reads, checks and changes WebAssembly binaries as bytes.
// Whoever takes a module in asks it what the module needs and offers, and
// whether it may be compiled; `snaprail pack` adds the manifest with it. The
// catalog, the engine and the command line import it; it imports the fault
// table alone.
//
// Its invariants: reading is linear in the size of the input, never allocates
// by a count that the input declares, and never panics, whatever it is fed.
//
// Read is the whole static part of admission. It reads the frame of a module
// (sections, their order and sizes, types, imports, exports, memories, tables,
// initial values, segments, the names for debuggers) and checks function bodies
// by the validation algorithm of the specification, WebAssembly 2.0. What Read
// accepts, wazero compiles; and it compiles in a time that goes with the size
// of the module, because everything whose price grows faster has a bound here:
// nesting, branch tables, locals, operands, the values that blocks and calls
// move. Each bound has a kind of fault of its own.
package wasmbin

// Info is what a module needs and offers.
type Info struct {
	Imports []Import // in the order of the binary
	Exports []Export // in the order of the binary
	Custom  []Custom // in the order of the binary
	// Functions counts the functions of the module's own.
	Functions int
	Globals   int // of the module's own
	Segments  int // data segments
	// HasMemory says whether the module defines or imports a memory.
	HasMemory bool
	MemoryMin uint32 // pages of 64 KiB
	MemoryMax uint32 // pages; MaxPages if the module names none
	// HasStart says whether the module has a start section, which runs code
	// before any export is called.
	HasStart bool
	// HasTable says whether the module defines or imports a table.
	HasTable bool
	TableMin uint32 // entries
	TableMax uint32 // entries; MaxTable if the module names none
	// LargestBody is the size of the largest function, in bytes.
	LargestBody int
	// UsesSegments says whether code names data segments (memory.init,
	// data.drop), so that they cannot be merged.
	UsesSegments bool
	// HasExtism says whether the module imports what Extism guests do: the
	// kernel, or functions of the host.
	HasExtism bool
	// Toolchain is who made the module, as it says itself: names and versions,
	// at most 16.
	Toolchain []string

	features features
}

// Kind says what is imported or exported.
type Kind uint8

// The kinds, as the binary numbers them.
const (
	Function Kind = iota
	Table
	Memory
	Global
	tag // of the proposal for exceptions
)

// extismModules is what the modules that Extism guests import from begin with:
// the kernel, and functions of the host.
const extismModules = "extism:host/"

// String is the name of the kind.
func (k Kind) String() string {
	switch k {
	case Function:
		return "function"
	case Table:
		return "table"
	case Memory:
		return "memory"
	case Global:
		return "global"
	default:
		return "unknown"
	}
}

// Import is one thing that the module needs.
type Import struct {
	Module, Name string
	Kind         Kind
	// Params and Results are the types of a function, a letter for each value:
	// i I f F v for i32 i64 f32 f64 v128, r for references.
	Params, Results string
}

// Export is one thing that the module offers.
type Export struct {
	Name string
	Kind Kind
	// Params and Results are the types of a function, as those of an Import.
	Params, Results string
}

// Custom is a custom section: its name, and where its content lies.
type Custom struct {
	Name       string
	Start, End int // of the content, without the name
}

// The bounds of what is read; a module beyond one is refused. Go's linker
// emits about 40,000 data segments and Go's and Haskell's compilers nest blocks
// by the hundreds, and Haskell's has 1,700 types of up to 13 values; no toolchain
// comes near the others. The runtime keeps each type that it has seen for as
// long as it lives. What a compiler's work
// grows with beside these has bounds that go with the module's size (budget).
const (
	MaxPages     = 1 << 16 // of 64 KiB: the whole of 32-bit memory
	MaxFunctions = 50_000
	MaxTypes     = 4_096
	MaxImports   = 1_000
	MaxExports   = 1_000
	MaxCustom    = 1_000
	MaxGlobals   = 4_096
	MaxSegments  = 65_536
	MaxElements  = 65_536  // element segments, and entries of all of them
	MaxTable     = 65_536  // entries of a table, at its start and at most
	MaxBody      = 1 << 18 // bytes of a function
	MaxNesting   = 4_096   // blocks in blocks
	MaxBranches  = 4_096   // targets of a branch table, beside the default
	MaxLocals    = 4_096   // of a function, beside its parameters
	MaxOperands  = 4_096   // of a function at once
	MaxName      = 4_096   // bytes of an import's, an export's or a section's name
	MaxSignature = 128     // parameters, and results, of a function type
	MaxValues    = 16_384  // parameters and results of all function types
	MaxLoops     = 1_000   // of a function
)

// Export is the export of this name.
func (i *Info) Export(name string) (Export, bool) {
	for _, e := range i.Exports {
		if e.Name == name {
			return e, true
		}
	}
	return Export{}, false
}
