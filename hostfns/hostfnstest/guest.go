package hostfnstest

import (
	"encoding/binary"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// The layout of the guest's memory.
const (
	inputAt = 0x10000
	outAt   = 0x130000
	pages   = 48
	memory  = pages << 16
	outSize = memory - outAt
)

// The prefixes of the guest's entry points.
const (
	entryCall = "call_" // calls the function with the entry point's input
	entryRaw  = "raw_"  // with the four arguments that the input holds; answers its result
)

// guest is a module that passes bytes on to each function of the group.
func guest(g capability.Group) []byte {
	functions := g.Functions()
	var imports, types, exports, code [][]byte
	for _, f := range functions {
		imports = append(imports, join(name(abi.ImportPrefix+g.Name()), name(f.Name), []byte{0, 0}))
	}
	add := func(export string, typ byte, body []byte) {
		index := len(functions) + len(code)
		types = append(types, []byte{typ})
		exports = append(exports, join(name(export), []byte{0}, leb(index)))
		code = append(code, sized(join(body, []byte{0x0b})))
	}
	noLocals, oneLong := []byte{0}, []byte{1, 1, 0x7e}
	add(abi.ExportAlloc, 2, join(noLocals, i32(inputAt)))
	for i, f := range functions {
		add(entryCall+f.Name, 1, join(oneLong,
			get(0), get(1), i32(outAt), i32(outSize), []byte{0x10}, leb(i), []byte{0x21, 2}, // result = f(...)
			i64(outAt<<32), get(2), i64(0x7fffffff), []byte{0x83, 0x84}, // ptr<<32 | length
			get(2), i64(63), []byte{0x88}, i64(31), []byte{0x86, 0x84})) // the error bit, in its other place
		add(entryRaw+f.Name, 1, join(noLocals, i32(outAt),
			load(0), load(4), load(8), load(12), []byte{0x10}, leb(i), []byte{0x37, 3, 0}, // store the result
			i64(outAt<<32|8)))
	}
	exports = append(exports, join(name(abi.ExportMemory), []byte{2, 0}))
	const i32Type, i64Type = 0x7f, 0x7e
	return join([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, [][]byte{
			{0x60, 4, i32Type, i32Type, i32Type, i32Type, 1, i64Type},
			{0x60, 2, i32Type, i32Type, 1, i64Type},
			{0x60, 1, i32Type, 1, i32Type},
		}),
		section(2, imports), section(3, types),
		section(5, [][]byte{join([]byte{0}, leb(pages))}),
		section(7, exports), section(10, code))
}

func section(id byte, items [][]byte) []byte {
	return join([]byte{id}, sized(join(leb(len(items)), join(items...))))
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func sized(b []byte) []byte { return join(leb(len(b)), b) }

func name(s string) []byte { return sized([]byte(s)) }

func leb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func get(local byte) []byte { return []byte{0x20, local} }

func i32(v int64) []byte { return join([]byte{0x41}, sleb(v)) }

func i64(v int64) []byte { return join([]byte{0x42}, sleb(v)) }

// load reads an i32 of the input.
func load(offset byte) []byte { return join(get(0), []byte{0x28, 2, offset}) }

// sleb is v in signed LEB128.
func sleb(v int64) []byte {
	var out []byte
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
