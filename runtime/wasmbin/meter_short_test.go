package wasmbin_test

import (
	"bytes"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// jumping is a loop around a branch table in which the code behind the first
// block sets the table's local and goes back to the loop: to that code itself,
// or to what follows a block that is still open.
func jumping(state byte) []byte {
	return wasmtest.Module{Functions: []wasmtest.Function{{
		Export: "run", Params: "i", Results: "i", Locals: "i",
		Body: wasmtest.Join(
			[]byte{0x03, 0x40, 0x02, 0x40, 0x02, 0x40, 0x02, 0x40},
			wasmtest.Get(1), []byte{0x0e, 2, 0, 1, 2, 0x0b},
			wasmtest.I32(int32(state)), wasmtest.Set(1), []byte{0x0c, 2, 0x0b},
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
	for state, want := range map[byte]uint64{1: 20, 2: 30, 3: 30, 100: 30} {
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
