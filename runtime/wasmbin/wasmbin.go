// Package wasmbin reads and changes WebAssembly binaries as bytes. Whoever
// takes a module in asks it what the module needs and offers, before anything
// is compiled; `snaprail pack` adds the manifest with it. The catalog, the
// engine and the command line import it; it imports the fault table alone.
//
// Its invariants: reading is linear in the size of the input, never allocates
// by a count that the input declares, and never panics, whatever it is fed.
//
// It reads the frame of a module: sections, their order and sizes, imports,
// exports, memories, tables, initial values, local variables and the names for
// debuggers; above all every count and size that a compiler believes, because
// wazero takes memory by those. The instructions of function bodies are left
// to the compiler's validation. Checks of their shape (nesting, branch tables,
// size of a body), which keep the compiler from taking minutes, are not made
// yet and belong to checkBodies in code.go.
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
}

// Kind says what is imported or exported.
type Kind uint8

// The kinds, as the binary numbers them.
const (
	Function Kind = iota
	Table
	Memory
	Global
)

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
	}
	return "unknown"
}

// Import is one thing that the module needs.
type Import struct {
	Module, Name string
	Kind         Kind
}

// Export is one thing that the module offers.
type Export struct {
	Name string
	Kind Kind
}

// Custom is a custom section: its name, and where its content lies.
type Custom struct {
	Name       string
	Start, End int // of the content, without the name
}

// The bounds of what is read; a module beyond one is refused. Go's linker
// emits about 40,000 data segments, and no toolchain comes near the others.
const (
	MaxPages     = 1 << 16 // of 64 KiB: the whole of 32-bit memory
	MaxFunctions = 50_000
	MaxTypes     = 50_000
	MaxImports   = 1_000
	MaxExports   = 1_000
	MaxCustom    = 1_000
	MaxGlobals   = 4_096
	MaxSegments  = 65_536
	MaxElements  = 65_536 // element segments, and entries of all of them
	MaxTable     = 65_536 // entries of a table at its start
	MaxLocals    = 2_000  // of a function, beside its parameters
	MaxName      = 4_096  // bytes of an import's, an export's or a section's name
	MaxSignature = 1_000  // parameters, and results, of a function type
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
