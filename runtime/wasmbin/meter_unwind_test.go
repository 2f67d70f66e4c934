package wasmbin_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/snaprail/snaprail/runtime/wasmbin"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// recursive is a function that calls itself so many times, and does something
// before and behind it.
func recursive(before, behind []byte) []byte {
	const depth = 600
	rec := w.Function{Params: "i", Results: "i", Body: w.Join(
		before,
		w.Get(0), []byte{0x45, 0x04, 0x40}, w.I32(0), w.Return(), []byte{0x0b},
		w.Get(0), w.I32(1), w.Op(0x6b), w.Call(0), behind,
	)}
	leaf := w.Function{Body: nil}
	return w.Module{Pages: 1, Functions: []w.Function{rec, leaf, entry(w.Forever(w.I32(depth), w.Call(0), w.Drop()))}}.Bytes()
}

// unwinding are recursions that do most of their work while they go back.
func unwinding() []hostile {
	chase := bytes.Repeat(w.Load32(0), 1_000)
	few := bytes.Repeat(w.Load32(0), 60)
	return []hostile{
		{"behind the call", recursive(nil, chase)},
		{"between calls", recursive(nil, w.Join(chase, w.Call(1)))},
		{"little between calls", recursive(nil, bytes.Repeat(w.Join(few, w.Call(1)), 30))},
		{"before a return", recursive(nil, w.Join(chase, w.Return()))},
		{"before a branch", recursive(nil, w.Join(chase, w.Br(0)))},
		{"behind a branch", recursive(nil, w.Join(w.Set(0), w.Block("", w.Get(0), few, w.BrIf(0)), w.Get(0), few))},
		{"before the call", recursive(w.Join(w.I32(0), chase, w.Drop()), nil)},
		{"in a loop", recursive(nil, w.Join(w.Set(0), w.While(w.Get(0), chase, w.Set(0), w.Get(0), w.Call(1)), w.Get(0), chase))},
	}
}

// farthest is the most that is done between two yields, in instructions of the
// module and of the meter, and how often it yielded.
func farthest(t *testing.T, src []byte) (most int64, yields int) {
	t.Helper()
	counted, err := wasmbin.Counted(meter(t, src))
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, wazero.NewRuntimeConfigCompiler())
	h.slice = 1_000
	mod, err := h.instance(t.Context(), counted, "")
	if err != nil {
		return 0, 0 // it traps at its start
	}
	count, last := mod.ExportedGlobal("count"), int64(0)
	look := func(int64) {
		now := int64(count.Get())
		most, last = max(most, now-last), now
	}
	h.onYield = look
	h.budget = 20_000 * h.slice
	_, err = h.call(t.Context(), mod, "run")
	if look(0); err != nil && !errors.Is(err, errSpent) && trapOf(err) == "" {
		t.Fatal(err)
	}
	return most, h.yields
}

// Between two yields lies no more than is promised, also while a recursion goes
// back. Lengths do not count here, so that the promise is less.
func TestYieldsLieCloseTogether(t *testing.T) {
	const straight = 3 * 4_096 // with the instructions of the meter
	all := append(unwinding(), hostiles()...)
	for seed := range uint64(200) {
		all = append(all, hostile{"generated", generate(seed)})
	}
	worst := int64(0)
	for _, c := range all {
		most, yields := farthest(t, c.wasm)
		if yields == 0 && c.name != "generated" {
			t.Errorf("%s: it did not yield", c.name)
		}
		if worst = max(worst, most); most > 1_000*4+2*straight+testStack/2 {
			t.Errorf("%s: %d units between two yields", c.name, most)
		}
		if c.name != "generated" {
			t.Logf("%s: %d", c.name, most)
		}
	}
	t.Logf("%d at most", worst)
}

// A charge right before a call loads the local of the fuel; behind the call it
// is loaded again, or what the function used would be given back. The function
// is short, so that it rarely yields: with what a yield hands out nobody would
// see the difference.
func TestMeterHoldsNoFuelAcrossACall(t *testing.T) {
	const rounds, short, around = 100, 100, 5 // units of the call and of going back
	for _, n := range []int{4_090, 4_091, 4_092, 4_093, 4_094, 4_095, 4_096, 4_097} {
		src := w.Module{Pages: 1, Functions: []w.Function{
			{Params: "i", Results: "i", Body: w.Join(w.Get(0), bytes.Repeat(w.Load32(0), short))},
			{Export: "run", Locals: "i", Body: w.Join(
				w.I32(rounds), w.Set(0),
				w.While(
					w.I32(0), bytes.Repeat(w.Load32(0), n), w.Call(0), w.Drop(),
					w.Get(0), w.I32(1), w.Op(0x6b), []byte{0x22, 0},
				),
			)},
		}}.Bytes()
		o := ran(t, wazero.NewRuntimeConfigCompiler(), meter(t, src), 1<<40)
		if want := int64(rounds * (n + short + around)); o.trap != "" || o.fuel < want || o.fuel > want+2*around {
			t.Errorf("%d: %d units for %d, %s", n, o.fuel, want, o.trap)
		}
	}
}

// A way that ends early is not charged for the rest of the function.
func TestMeterChargesAnEarlyReturnForItself(t *testing.T) {
	adds := bytes.Repeat(w.Join(w.I32(1), w.Op(0x6a)), 2_000)
	for name, exit := range map[string][]byte{"return": w.Return(), "branch": w.Br(1)} {
		src := w.Module{Pages: 1, Functions: []w.Function{
			{Params: "i", Results: "i", Body: w.Join(
				w.Get(0), []byte{0x04, 0x40}, w.I32(7), exit, []byte{0x0b}, w.I32(0), adds)},
			entry(bytes.Repeat(w.Join(w.I32(1), w.Call(0), w.Drop()), 100)),
		}, Globals: []int64{0}}.Bytes()
		counted, err := wasmbin.Counted(src)
		if err != nil {
			t.Fatal(err)
		}
		h := newHost(t, wazero.NewRuntimeConfigCompiler())
		mod, err := h.instance(t.Context(), counted, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.call(t.Context(), mod, "run"); err != nil {
			t.Fatal(err)
		}
		count := int64(mod.ExportedGlobal("count").Get())
		if o := ran(t, wazero.NewRuntimeConfigCompiler(), meter(t, src), 1<<40); o.fuel < count || o.fuel > count+64*101 {
			t.Errorf("%s: %d units for instructions of %d", name, o.fuel, count)
		}
	}
}
