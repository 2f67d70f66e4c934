package wasmbin_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// jumping is a loop around a branch table in which the code behind the first
// block sets the table's local and goes back to the loop: to that code itself,
// or to what follows a block that is still open.
func jumping(state int32) []byte {
	return wasmtest.Module{Functions: []wasmtest.Function{{
		Export: "run", Params: "i", Results: "i", Locals: "i",
		Body: wasmtest.Join(
			[]byte{0x03, 0x40, 0x02, 0x40, 0x02, 0x40, 0x02, 0x40},
			wasmtest.Get(1), []byte{0x0e, 2, 0, 1, 2, 0x0b},
			wasmtest.I32(state), wasmtest.Set(1), []byte{0x0c, 2, 0x0b},
			wasmtest.I32(20), []byte{0x0f, 0x0b},
			wasmtest.I32(30), []byte{0x0f, 0x0b},
			wasmtest.I32(40),
		),
	}}}.Bytes()
}

// A jump forwards goes where it leads, and only one back needs a check.
func TestMeterShortensJumpsOfADispatcher(t *testing.T) {
	check := []byte{0x42, 0, 0x53} // is a number below 0
	back := bytes.Count(meter(t, jumping(0)), check)
	for state, want := range map[int32]uint64{1: 20, 2: 30, 3: 30, 100: 30, -1: 30} {
		src := meter(t, jumping(state))
		if n := bytes.Count(src, check); n >= back {
			t.Errorf("to %d: %d checks, as many as of a loop: %d", state, n, back)
		}
		h := newHost(t, wazero.NewRuntimeConfigInterpreter())
		mod, err := h.instance(t.Context(), src, "")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.call(t.Context(), mod, "run", 0); err != nil || got[0] != want {
			t.Errorf("to %d: %d, %v, want %d", state, got, err, want)
		}
	}
}

// A dispatcher that goes round for ever asks for fuel.
func TestMeterStopsADispatcher(t *testing.T) {
	h := newHost(t, wazero.NewRuntimeConfigCompiler())
	mod, err := h.instance(t.Context(), meter(t, jumping(0)), "")
	if err != nil {
		t.Fatal(err)
	}
	h.budget = 10 * testSlice
	if _, err := h.call(t.Context(), mod, "run", 0); !errors.Is(err, errSpent) || h.yields < 10 {
		t.Errorf("%d yields, %v", h.yields, err)
	}
}

// A loop that a branch leads past does not check in place of the entry: this
// function calls itself without ever coming to its loop.
func TestMeterChecksTheEntryOfAFunctionThatMayPassItsLoop(t *testing.T) {
	src := wasmtest.Module{Functions: []wasmtest.Function{{
		Export: "run", Params: "i", Results: "i",
		Body: wasmtest.Join(
			wasmtest.Get(0), []byte{0x04, 0x40},
			[]byte{0x03, 0x40}, wasmtest.Get(0), wasmtest.I32(1), wasmtest.Op(0x6b), []byte{0x22, 0, 0x0d, 0, 0x0b},
			[]byte{0x0b},
			wasmtest.Get(0), wasmtest.Call(0),
		),
	}}}.Bytes()
	h := newHost(t, wazero.NewRuntimeConfigCompiler())
	mod, err := h.instance(t.Context(), meter(t, src), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.call(t.Context(), mod, "run", 0); trapOf(err) != "unreachable" || !h.overflowed() {
		t.Errorf("endless recursion: %v", err)
	}
}
