package wasmbin_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// functions is a module of n functions of this code, with locals of i32, a table and
// a memory. Types are: none, and what is given.
func functions(n int, locals uint32, code []byte, types ...string) []byte {
	body := w.Join([]byte{0}, code, []byte{0x0b})
	if locals > 0 {
		body = w.Join([]byte{1}, []byte(uleb(uint64(locals))), []byte{0x7f}, code, []byte{0x0b})
	}
	typ := 0
	if len(types) > 0 {
		typ = 1
	}
	var entries bytes.Buffer
	entries.WriteString(uleb(uint64(n)))
	for range n {
		entries.WriteString(uleb(uint64(len(body))))
		entries.Write(body)
	}
	return []byte(header +
		section(1, uleb(uint64(1+len(types)))+"\x60\x00\x00"+strings.Join(types, "")) +
		section(3, uleb(uint64(n))+strings.Repeat(string(rune(typ)), n)) +
		section(4, "\x01\x70\x00\x10") +
		section(5, "\x01\x00\x01") +
		section(6, "\x01\x7f\x01\x41\x00\x0b") +
		section(10, entries.String()))
}

// ints is a type of n i32 to as many.
func ints(n int) string {
	values := uleb(uint64(n)) + strings.Repeat("\x7f", n)
	return "\x60" + values + values
}

func open(op byte, depth int) []byte { return bytes.Repeat([]byte{op, 0x40}, depth) }
func end(depth int) []byte           { return bytes.Repeat([]byte{0x0b}, depth) }

type bomb struct {
	name string
	src  []byte
	kind fault.Kind
}

// bombs are small modules that take wazero seconds or minutes to compile, or
// that make a reader believe a count.
func bombs() []bomb {
	zero, global := w.I32(0), w.GetGlobal(0)
	ifs := func(n int) []byte { return w.Join(w.Repeat(n, zero, []byte{0x04, 0x40}), end(n)) }
	everyLocal := func(n int) []byte {
		var out []byte
		for i := range uint32(n) {
			out = w.Join(out, w.Get(i), global, w.Op(0x6a), w.Set(i))
		}
		return out
	}
	few, many := everyLocal(200), everyLocal(2000)
	loop := w.Join([]byte{0x03, 0x40}, global, w.BrIf(0), []byte{0x0b})
	moving := func(n int, code ...[]byte) []byte { return w.Join(w.Repeat(n, zero), w.Join(code...)) }
	return []bomb{
		{"10^6 functions", functions(1_000_000, 0, nil), fault.WasmFunctions},
		{"10^6 nested blocks", functions(1, 0, w.Nested(1_000_000)), fault.WasmBody},
		{"50,000 nested blocks", functions(1, 0, w.Nested(50_000)), fault.WasmNesting},
		{"20,000 nested ifs", functions(1, 0, ifs(20_000)), fault.WasmBody},
		{"20,000 nested loops", functions(1, 0, w.Join(open(0x03, 20_000), end(20_000))), fault.WasmBody},
		{"10,000 loops that nothing goes back to", functions(1, 0, w.Repeat(10_000, []byte{0x03, 0x40, 0x0b})), fault.WasmBody},
		{"1,001 loops", functions(1, 0, w.Repeat(1_001, loop)), fault.WasmBody},
		{"5,000 types", []byte(header + section(1, uleb(5_000)+strings.Repeat("\x60\x00\x00", 5_000))), fault.WasmTypes},
		{"4,000 types of 20 values", []byte(header + section(1, uleb(4_000)+strings.Repeat("\x60\x14"+strings.Repeat("\x7f", 20)+"\x00", 4_000))), fault.WasmTypes},
		{"a branch table of 500,000", functions(1, 0, w.Join(zero, w.BrTable(make([]uint32, 500_000)...))), fault.WasmBody},
		{"a branch table of 200,000", functions(1, 0, w.Join(zero, w.BrTable(make([]uint32, 200_000)...))), fault.WasmBranches},
		{"2^32-1 locals", functions(1, 1<<32-1, nil), fault.WasmLocals},
		{"a function of 3 MB", functions(1, 0, w.Repeat(1_000_000, zero, w.Drop())), fault.WasmBody},
		{"2,000 locals in 50,000 functions", functions(50_000, 2_000, nil), fault.WasmLocals},
		{"120 parameters of 50,000 functions", functions(50_000, 0, nil, "\x60"+uleb(120)+strings.Repeat("\x7f", 120)+"\x00"), fault.WasmLocals},
		{"2,000 locals through 1,000 loops", functions(1, 2_000, w.Join(many, w.Repeat(1_000, loop), many)), fault.WasmLocals},
		{"200 locals through 200 loops, 100 times", functions(100, 200, w.Join(few, w.Repeat(200, loop), few)), fault.WasmLocals},
		{"1,000 nested loops that branch, 140 times", functions(140, 0, w.Join(open(0x03, 1_000), w.Repeat(1_000, zero, w.BrIf(0), []byte{0x0b}))), fault.WasmBody},
		{"32,000 branches out of a block", functions(1, 0, w.Block("", w.Repeat(32_000, global, w.BrIf(0)))), fault.WasmBody},
		{"12,000 branches with 120 values", functions(4, 0, moving(120, []byte{0x02, 1}, w.Repeat(3_000, zero, w.BrIf(0)), []byte{0x0b}), ints(120)), fault.WasmOperands},
		{"12,000 blocks of 120 values", functions(4, 0, moving(120, w.Repeat(3_000, []byte{0x02, 1, 0x0b})), ints(120)), fault.WasmOperands},
		{"12,000 calls with 120 values", functions(4, 0, moving(120, w.Repeat(3_000, w.Call(0))), ints(120)), fault.WasmOperands},
		{"200,000 calls through a table", functions(20, 0, w.Repeat(10_000, zero, w.CallIndirect(0))), fault.WasmBody},
		{"100,000 copies", functions(10, 0, w.Repeat(10_000, zero, zero, zero, w.Copy())), fault.WasmBody},
		{"80,000 operands at once", functions(1, 0, w.Join(w.Repeat(80_000, zero), w.Repeat(80_000, w.Drop()))), fault.WasmOperands},
		{"8 tables", w.Module{Tables: make([]w.Table, 8)}.Bytes(), fault.WasmTable},
		{"a table of 10^8", w.Module{Tables: []w.Table{{Min: 100_000_000}}}.Bytes(), fault.WasmTable},
		{"a table that grows to 10^8", w.Module{Tables: []w.Table{{Min: 1, Max: 100_000_000}}}.Bytes(), fault.WasmTable},
		{"2 memories", w.Module{Pages: 1, Memories: 1}.Bytes(), fault.WasmMemory},
		{"100,000 entries", w.Module{Functions: []w.Function{{}}, Tables: []w.Table{{Min: 1}}, Elements: []w.Elements{{Functions: make([]uint32, 100_000)}}}.Bytes(), fault.WasmElements},
	}
}

// TestAbuse08CompileBombsAreRefused refuses each within 200 ms, by a kind of
// its own, with the offset and something to do.
func TestAbuse08CompileBombsAreRefused(t *testing.T) {
	for _, b := range bombs() {
		t.Run(b.name, func(t *testing.T) {
			start := time.Now()
			_, err := wasmbin.Read(b.src)
			took := time.Since(start)
			if !fault.Is(err, b.kind) {
				t.Fatalf("%d bytes: %v, want %v", len(b.src), err, b.kind)
			}
			f := fault.Of(err)
			if f.Offset <= 8 || f.Offset >= int64(len(b.src)) || !strings.Contains(f.Text, fmt.Sprint("byte ", f.Offset, ":")) || f.Advice() == "" {
				t.Errorf("%q at %d, hint %q", f.Text, f.Offset, f.Advice())
			}
			if took > 200*time.Millisecond {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestAbuse09RandomBytesAreReadInTime feeds noise, and modules with noise in
// them.
func TestAbuse09RandomBytesAreReadInTime(t *testing.T) {
	noise := rand.New(rand.NewPCG(9, 9))
	whole := functions(2_000, 20, w.Join(w.Repeat(50, w.GetGlobal(0), w.If(w.Call(0)), w.Block("i", w.I32(1)), w.Drop())))
	if _, err := wasmbin.Read(whole); err != nil {
		t.Fatal(err)
	}
	total, took, accepted := 0, time.Duration(0), 0
	for round := range 300 {
		src := bytes.Clone(whole)
		switch round % 3 {
		case 0:
			for i := 8; i+8 <= len(src); i += 8 {
				binary.LittleEndian.PutUint64(src[i:], noise.Uint64())
			}
		case 1:
			src[8+noise.IntN(len(src)-8)] ^= 1 << noise.IntN(8)
		case 2:
			at := 8 + noise.IntN(len(src)-8)
			src = append(src[:at], src[at+noise.IntN(len(src)-at):]...)
		}
		start := time.Now()
		if _, err := wasmbin.Read(src); err == nil {
			accepted++
		}
		took += time.Since(start)
		total += len(src)
	}
	perMB := took / time.Duration(max(total>>20, 1))
	t.Logf("%d MB, %v for each, %d of 300 accepted", total>>20, perMB, accepted)
	if perMB > 100*time.Millisecond {
		t.Errorf("%v for a megabyte", perMB)
	}
}
