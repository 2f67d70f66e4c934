package abusetest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// Entry is the entry point in which hostile guests do what they do.
const Entry = abi.EntryPoll

// Guest is a module that means ill. It is a connector in poll mode, so it can
// be uploaded and activated, or called directly.
type Guest struct {
	Name   string
	Module []byte
	// Memory is the limit of linear memory that it needs, in bytes; 0: any.
	Memory uint64
}

// Spinners are guests that do not want to stop, with and without loops: what
// cases 1 to 3 have.
func Spinners() []Guest {
	loop := guest("01 loop", w.Module{}, w.Forever())
	tree := CallTree(34)
	fill := guest("03 memory.fill", w.Module{Pages: 1024}, w.Repeat(2000, w.I32(0), w.I32(1), w.I32(64<<20-1), w.Fill()))
	copies := guest("03 memory.copy", w.Module{Pages: 1024}, w.Repeat(2000, w.I32(1), w.I32(0), w.I32(64<<20-1), w.Copy()))
	fill.Memory, copies.Memory = 64<<20, 64<<20
	tables := guest("03 table.fill", w.Module{Tables: []w.Table{{Min: 65_000}}},
		w.Forever(w.I32(0), w.NullFunc(), w.I32(65_000), w.TableFill()))
	return []Guest{loop, tree, fill, copies, tables}
}

// CallTree calls 2^depth functions and has no loop.
func CallTree(depth int) Guest {
	m := w.Module{}
	first := uint32(functionsBefore + 1)
	for n := range depth {
		next := w.Call(first + uint32(n) + 1)
		m.Functions = append(m.Functions, w.Function{Body: w.Join(next, next)})
	}
	m.Functions = append(m.Functions, w.Function{})
	return guest("02 call tree", m, w.Call(first))
}

// Recursions call themselves without an end, each in another way.
func Recursions() []Guest {
	first := uint32(functionsBefore + 1)
	again := w.Call(first)
	deep, flat := w.Repeat(500, w.I64(1)), w.Repeat(499, w.Op(0x7c))
	of := func(name string, body []byte, functions ...w.Function) Guest {
		return guest("05 "+name, w.Module{Functions: functions}, body)
	}
	return []Guest{
		of("recursion", again, w.Function{Body: again}),
		of("mutual recursion", again, w.Function{Body: w.Call(first + 1)}, w.Function{Body: again}),
		of("recursion with 1,000 locals", again, w.Function{Locals: strings.Repeat("I", 1000), Body: again}),
		of("recursion with 500 operands", w.Join(again, w.Drop()), w.Function{Results: "I", Body: w.Join(deep, again, flat, w.Op(0x7c))}),
	}
}

// Grower asks for all memory that there is, page by page, again and again.
func Grower(limit uint64) Guest {
	g := guest("06 memory.grow", w.Module{}, w.Forever(w.While(w.I32(1), w.Grow(), w.I32(-1), w.Op(0x47))))
	g.Memory = limit
	return g
}

// Hoarder asks for all memory that there is, writes to all of it, and traps.
func Hoarder(limit uint64) Guest {
	size := w.Join(w.Op(0x3f, 0), w.I32(16), w.Op(0x74)) // memory.size in bytes
	g := guest("06 memory", w.Module{}, w.Join(
		w.While(w.I32(1), w.Grow(), w.I32(-1), w.Op(0x47)),
		w.I32(0), w.I32(0xC5), size, w.Fill(), w.Unreachable()))
	g.Memory = limit
	return g
}

// TableGrower makes its table as large as it may, and traps.
func TableGrower() Guest {
	return guest("07 table.grow", w.Module{Tables: []w.Table{{Min: 10}}}, w.Join(
		w.While(w.NullFunc(), w.I32(1000), w.TableGrow(), w.I32(-1), w.Op(0x47)), w.Unreachable()))
}

// Trapper traps in every call.
func Trapper() Guest { return guest("15 trap", w.Module{}, w.Unreachable()) }

// TrapsInOpen is a version that cannot take over.
func TrapsInOpen() Guest { return assemble("18 trap in open", w.Module{}, w.Unreachable(), nil) }

// SpinsInOpen is another, which has to be waited for.
func SpinsInOpen() Guest { return assemble("18 spin in open", w.Module{}, w.Forever(), nil) }

// Laborious is a module of n functions that passes the check and keeps the
// compiler busy for as long as may be: variants of it differ.
func Laborious(n, variant int) Guest {
	condition := w.Get(0)
	body := w.Block("", w.Repeat(2_000, condition, w.BrIf(0)))
	m := w.Module{}
	for range n {
		m.Functions = append(m.Functions, w.Function{Params: "i", Body: body})
	}
	m.Functions = append(m.Functions, w.Function{Params: "i", Body: w.Join(w.I32(int32(variant)), w.Drop())})
	return guest("08 compile", m, nil)
}

// functionsBefore is how many functions assemble puts before a module's own,
// beside the entry point.
const functionsBefore = 2

// guest is a module that does something in Entry.
func guest(name string, m w.Module, body []byte) Guest { return assemble(name, m, nil, body) }

func assemble(name string, m w.Module, open, body []byte) Guest {
	sum := sha256.Sum256(slices.Concat([]byte(name), m.Bytes(), open, body)) // each is a type of its own
	manifest, err := json.Marshal(abi.Manifest{
		Category: "telemetry", ProviderType: "hostile_" + hex.EncodeToString(sum[:8]), DisplayName: name, Version: "1.0.0",
		ABI: abi.Version{Major: abi.Major, Minor: abi.Minor}, Kind: abi.KindConnector, Mode: abi.ModePoll,
	})
	if err != nil {
		panic(err) // it holds nothing that has no JSON
	}
	call := func(name string, body []byte) w.Function {
		return w.Function{Export: name, Params: "ii", Results: "I", Body: w.Join(body, w.I64(0))}
	}
	m.Pages = max(m.Pages, 2)
	m.Functions = append([]w.Function{
		{Export: abi.ExportAlloc, Params: "i", Results: "i", Body: w.I32(0x8000)},
		call(abi.EntryOpen, open),
		call(Entry, body),
	}, m.Functions...)
	m.Custom = append(m.Custom, w.Custom{Name: abi.ManifestSection, Body: manifest})
	return Guest{Name: name, Module: m.Bytes()}
}
