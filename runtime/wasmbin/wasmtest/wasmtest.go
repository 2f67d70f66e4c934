// Package wasmtest writes small WebAssembly modules, for tests. Only tests
// import it.
//
//	wasm := wasmtest.Module{
//		Functions: []wasmtest.Function{{
//			Export: "answer", Results: "i",
//			Body: wasmtest.I32(42),
//		}},
//	}.Bytes()
//
// Signatures are strings of value types: i for i32, I for i64, f for f32, F
// for f64. Functions are numbered from 0, imports first.
package wasmtest

import "encoding/binary"

// Module is what the binary holds. The zero value is an empty module.
type Module struct {
	Imports   []Import
	Functions []Function
	// Pages is the minimal size of the memory, exported as "memory"; 0 and no
	// MaxPages: no memory.
	Pages, MaxPages uint32
	Globals         []int64 // initial values of mutable i64 globals
	Data            []Data
	Tables          []Table
	Elements        []Elements
	Start           *uint32 // number of the start function
	// Memories is how many more memories than one there are, without an export.
	Memories int
	// Sections are written as they are, in place of what the other fields say
	// of these ids.
	Sections map[byte][]byte
	Custom   []Custom
}

// Import is an imported function.
type Import struct {
	Module, Name, Params, Results string
}

// Function is a function of the module.
type Function struct {
	Export          string // empty: not exported
	Params, Results string
	Locals          string // beside the parameters
	Body            []byte // without the final end
}

// Data is an active data segment.
type Data struct {
	Offset uint32
	Bytes  []byte
}

// Table is a table of functions, from Min to Max entries; 0: no maximum.
type Table struct {
	Min, Max uint32
	Export   string // empty: not exported
}

// Elements fills table 0 from an offset with functions.
type Elements struct {
	Offset    uint32
	Functions []uint32
}

// Custom is a custom section; it is written last.
type Custom struct {
	Name string
	Body []byte
}

// Bytes is the binary.
func (m Module) Bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	var types, imports, funcs, exports, code [][]byte
	signature := func(params, results string) []byte {
		types = append(types, Join([]byte{0x60}, valueTypes(params), valueTypes(results)))
		return uleb(uint64(len(types) - 1))
	}
	for _, i := range m.Imports {
		imports = append(imports, Join(text(i.Module), text(i.Name), []byte{0}, signature(i.Params, i.Results)))
	}
	for n, f := range m.Functions {
		funcs = append(funcs, signature(f.Params, f.Results))
		body := Join(locals(f.Locals), f.Body, []byte{0x0b})
		code = append(code, Join(uleb(uint64(len(body))), body))
		if f.Export != "" {
			exports = append(exports, Join(text(f.Export), []byte{0}, uleb(uint64(len(m.Imports)+n))))
		}
	}
	out = m.section(out, 1, types)
	out = m.section(out, 2, imports)
	out = m.section(out, 3, funcs)
	out = m.section(out, 4, m.tables())
	for n, t := range m.Tables {
		if t.Export != "" {
			exports = append(exports, Join(text(t.Export), []byte{1}, uleb(uint64(n))))
		}
	}
	var memories [][]byte
	if m.Pages > 0 || m.MaxPages > 0 {
		exports = append(exports, Join(text("memory"), []byte{2, 0}))
		memories = append(memories, limits(m.Pages, m.MaxPages))
	}
	for range m.Memories {
		memories = append(memories, limits(1, 0))
	}
	out = m.section(out, 5, memories)
	var globals, data [][]byte
	for _, v := range m.Globals {
		globals = append(globals, Join([]byte{0x7e, 1}, I64(v), []byte{0x0b}))
	}
	for _, d := range m.Data {
		data = append(data, Join([]byte{0}, I32(int32(d.Offset)), []byte{0x0b}, uleb(uint64(len(d.Bytes))), d.Bytes))
	}
	out = m.section(out, 6, globals)
	out = m.section(out, 7, exports)
	if m.Start != nil {
		body := uleb(uint64(*m.Start))
		out = Join(out, []byte{8}, uleb(uint64(len(body))), body)
	}
	out = m.section(out, 9, m.elements())
	out = m.section(out, 10, code)
	out = m.section(out, 11, data)
	for _, c := range m.Custom {
		body := Join(text(c.Name), c.Body)
		out = Join(out, []byte{0}, uleb(uint64(len(body))), body)
	}
	return out
}

func (m Module) tables() [][]byte {
	var out [][]byte
	for _, t := range m.Tables {
		out = append(out, Join([]byte{0x70}, limits(t.Min, t.Max)))
	}
	return out
}

func (m Module) elements() [][]byte {
	var out [][]byte
	for _, e := range m.Elements {
		entries := uleb(uint64(len(e.Functions)))
		for _, f := range e.Functions {
			entries = append(entries, uleb(uint64(f))...)
		}
		out = append(out, Join([]byte{0}, I32(int32(e.Offset)), []byte{0x0b}, entries))
	}
	return out
}

func limits(least, most uint32) []byte {
	if most > 0 {
		return Join([]byte{1}, uleb(uint64(least)), uleb(uint64(most)))
	}
	return Join([]byte{0}, uleb(uint64(least)))
}

// section adds a section of entries, if there are any, or the raw one.
func (m Module) section(out []byte, id byte, entries [][]byte) []byte {
	body, raw := m.Sections[id]
	switch {
	case raw:
	case len(entries) == 0:
		return out
	default:
		body = Join(uleb(uint64(len(entries))), Join(entries...))
	}
	return Join(out, []byte{id}, uleb(uint64(len(body))), body)
}

func valueTypes(sig string) []byte {
	out := uleb(uint64(len(sig)))
	for _, t := range sig {
		out = append(out, valueType(t))
	}
	return out
}

func valueType(t rune) byte {
	switch t {
	case 'I':
		return 0x7e
	case 'f':
		return 0x7d
	case 'F':
		return 0x7c
	}
	return 0x7f
}

func locals(sig string) []byte {
	out := uleb(uint64(len(sig)))
	for _, t := range sig {
		out = append(out, 1, valueType(t))
	}
	return out
}

func text(s string) []byte { return Join(uleb(uint64(len(s))), []byte(s)) }

func uleb(v uint64) []byte { return binary.AppendUvarint(nil, v) }
