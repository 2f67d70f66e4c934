package engine_test

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// TestAbuse07TableGrow: a table grows to its limit and no further.
func TestAbuse07TableGrow(t *testing.T) {
	null, grow, size := w.Op(0xd0, 0x70), w.Op(0xfc, 15, 0), w.Op(0xfc, 16, 0)
	e := newEngine(t)
	m := compile(t, e, w.Module{
		Pages: 1, Tables: []w.Table{{Min: 10}},
		Functions: []w.Function{
			{Export: "bear", Params: "ii", Results: "I", Body: w.Join(
				w.While(null, w.I32(1000), grow, w.I32(-1), w.Op(0x47)),
				w.I32(0), size, w.Store32(0), w.Packed(w.I32(0), w.I32(4)))},
			{Export: "fail", Params: "ii", Results: "I", Body: w.Join(
				w.While(null, w.I32(1000), grow, w.I32(-1), w.Op(0x47)), w.Unreachable())},
			{Export: "trap", Params: "ii", Results: "I", Body: w.Unreachable()},
		},
	}.Bytes())
	for limit, want := range map[uint32]uint32{0: 65_010, 2500: 2010, 1 << 30: 65_010} {
		i := instantiate(t, e, m, engine.InstanceConfig{TableEntries: limit, CallTimeout: time.Minute})
		out, err := i.Call(t.Context(), "bear", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := uint32(out[0]) | uint32(out[1])<<8 | uint32(out[2])<<16; got != want {
			t.Errorf("with a limit of %d the table grew to %d, want %d", limit, got, want)
		}
		_, err = i.Call(t.Context(), "trap", nil) // of something else
		wantFault(t, err, fault.GuestTrap)
	}
	i := instantiate(t, e, m, engine.InstanceConfig{TableEntries: 2500})
	_, err := i.Call(t.Context(), "fail", nil)
	wantFault(t, err, fault.GuestTable, "fail asked for a table of more than 2500 entries")
	if s := e.Stats(); s.OutOfTable != 1 || s.Traps != 3 {
		t.Errorf("stats: %+v", s)
	}
	_, err = e.Instantiate(t.Context(), m, engine.InstanceConfig{TableEntries: 9})
	wantFault(t, err, fault.GuestTable, "starts with a table of 10 entries, and its limit is 9")
}
