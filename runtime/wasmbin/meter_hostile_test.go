package wasmbin_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// hostile is a module that tries to run without an end.
type hostile struct {
	name string
	wasm []byte
}

func entry(body ...[]byte) w.Function { return w.Function{Export: "run", Body: w.Join(body...)} }

func hostiles() []hostile {
	tree := make([]w.Function, 35)
	for n := range tree {
		tree[n].Body = bytes.Repeat(w.Call(uint32(n+1)), 2)
	}
	tree[0].Export, tree[len(tree)-1].Body = "run", nil
	const size = 1 << 26
	fill := w.Join(w.I32(0), w.I32(7), w.I32(size), []byte{0xfc, 11, 0})
	overlap := w.Join(w.I32(1), w.I32(0), w.I32(size-1), w.Copy())
	short := w.Join(w.I32(0), w.I32(1<<20), w.I32(64<<10), w.Copy())
	store := w.Join(w.I32(64), w.I32(1), w.Store32(0))
	return []hostile{
		{"an endless loop", w.Module{Functions: []w.Function{entry(w.Forever())}}.Bytes()},
		{"a loop with a parameter", w.Module{Functions: []w.Function{
			{Results: "i", Params: "i", Body: w.Get(0)}, entry(w.I32(1), []byte{0x03, 0}, []byte{0x0c, 0, 0x0b}, w.Drop()),
		}}.Bytes()},
		{"a call tree", w.Module{Functions: tree}.Bytes()},
		{"long fills", w.Module{Pages: size >> 16, Functions: []w.Function{entry(bytes.Repeat(fill, 2000))}}.Bytes()},
		{"long copies", w.Module{Pages: size >> 16, Functions: []w.Function{entry(bytes.Repeat(overlap, 2000))}}.Bytes()},
		{"short copies", w.Module{Pages: size >> 16, Functions: []w.Function{entry(bytes.Repeat(short, 2_000))}}.Bytes()},
		{"straight code in a loop", w.Module{Pages: 1, Functions: []w.Function{entry(w.Forever(bytes.Repeat(store, 20_000)))}}.Bytes()},
		{"branches without an end", w.Module{Pages: 1, Functions: []w.Function{
			entry(w.Forever(bytes.Repeat(w.Join(w.I32(0), w.Load32(0), w.If(store)), 1_000))),
		}}.Bytes()},
		{"memory.grow in a loop", w.Module{Pages: 1, Functions: []w.Function{entry(w.Forever(w.I32(0), w.Grow(), w.Drop()))}}.Bytes()},
		{"loops that nothing goes back to", w.Module{Pages: 1, Functions: []w.Function{
			entry(w.Forever(bytes.Repeat(w.Join([]byte{0x03, 0x40}, store, []byte{0x0b}), 1_000))),
		}}.Bytes()},
		{"loops that only dead code goes back to", w.Module{Pages: 1, Functions: []w.Function{
			entry(w.Forever(bytes.Repeat(w.Join(
				[]byte{0x03, 0x40}, store, w.I32(0), w.If(w.Unreachable(), []byte{0x0c, 1}), []byte{0x0b}), 300))),
		}}.Bytes()},
		{"table.grow in a loop", tableModule(w.Forever([]byte{0xd0, 0x70}, w.I32(1), []byte{0xfc, 15, 0}, w.Drop()))},
		{"table.fill in a loop", tableModule(w.Forever(w.I32(0), []byte{0xd0, 0x70}, w.I32(60_000), []byte{0xfc, 17, 0}))},
	}
}

// tableModule has a table of 60,000 entries and a function.
func tableModule(body []byte) []byte {
	out := w.Module{Functions: []w.Function{entry(body)}}.Bytes()
	// the table section stands before the exports
	table := []byte{0x04, 0x06, 0x01, 0x70, 0x00}
	table = append(table, binary.AppendUvarint(nil, 60_000)...)
	table[1] = byte(len(table) - 2)
	at := bytes.Index(out, []byte{0x07, 0x07, 0x01, 0x03, 'r', 'u', 'n'})
	return w.Join(out[:at], table, out[at:])
}

// Whatever a guest does, it yields before it has used much more than a slice,
// and ends when no more is handed out.
func TestHostileModulesYield(t *testing.T) {
	for _, c := range hostiles() {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, wazero.NewRuntimeConfigCompiler())
			mod, err := h.instance(t.Context(), meter(t, c.wasm), "")
			if err != nil {
				t.Fatal(err)
			}
			h.budget = 200 * testSlice
			worst, longest, last := int64(0), time.Duration(0), time.Now()
			h.onYield = func(fuel int64) {
				worst = min(worst, fuel)
				longest, last = max(longest, time.Since(last)), time.Now()
			}
			last = time.Now()
			_, err = h.call(t.Context(), mod, "run")
			if !errors.Is(err, errSpent) {
				t.Errorf("it ended with %v", err)
			}
			// a piece of a long copy, or the entries of a table, and what may be
			// charged between two checks
			if worst < -140_000 {
				t.Errorf("it has overdrawn %d units", -worst)
			}
			if longest > 200*time.Millisecond {
				t.Errorf("it did not yield for %v", longest)
			}
			t.Logf("overdrawn %d at most, %v between two yields at most", -worst, longest)
		})
	}
}

// A recursion ends by the count of the stack, before it has taken much memory.
func TestRecursionEndsEarly(t *testing.T) {
	locals := bytes.Repeat([]byte("I"), 1_900)
	operands := w.Join(bytes.Repeat(w.Join(w.I32(8), w.Load32(0)), 1000), w.Call(0), bytes.Repeat(w.Op(0x6a), 999), w.Drop())
	aside := func(n uint32) []byte { // n values, of which each is put aside
		var body []byte
		for i := range n {
			body = w.Join(body, w.Get(i%20), w.Load32(0), w.I32(int32(i)), w.Op(0x6a), w.Set(i%20))
		}
		body = w.Join(body, w.Call(0))
		for i := range uint32(20) {
			body = w.Join(body, w.I32(0), w.Get(i), w.Store32(0))
		}
		return w.Module{Pages: 1, Functions: []w.Function{{Export: "run", Locals: string(bytes.Repeat([]byte("i"), 20)), Body: body}}}.Bytes()
	}
	for _, c := range []hostile{
		{"values put aside", aside(9_000)},
		{"as many as are free", aside(200)},
		{"plain", w.Module{Functions: []w.Function{entry(w.Call(0))}}.Bytes()},
		{"mutual", w.Module{Functions: []w.Function{entry(w.Call(1)), {Body: w.Call(0)}}}.Bytes()},
		{"many locals", w.Module{Functions: []w.Function{{Export: "run", Locals: string(locals), Body: w.Call(0)}}}.Bytes()},
		{"many operands", w.Module{Pages: 1, Functions: []w.Function{entry(operands)}}.Bytes()},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, wazero.NewRuntimeConfigCompiler())
			mod, err := h.instance(t.Context(), meter(t, c.wasm), "")
			if err != nil {
				t.Fatal(err)
			}
			h.arm()
			set(mod, "snaprail.stack", 32_768)
			f := mod.ExportedFunction("run")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			_, err = f.Call(t.Context())
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			if trapOf(err) != "unreachable" || !h.overflowed() {
				t.Errorf("it ended with %v", err)
			}
			grown := after.TotalAlloc - before.TotalAlloc
			most := uint64(1 << 20)
			if c.name == "as many as are free" {
				most = 4 << 20
			}
			if grown > most {
				t.Errorf("it took %d bytes, and %d are allowed", grown, most)
			}
			t.Logf("%v, %d bytes", took, grown)
		})
	}
}
