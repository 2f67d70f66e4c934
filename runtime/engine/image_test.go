package engine_test

import (
	"testing"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// What a memory starts with is there before the start section and _initialize
// run, and one that does not fit traps.
func TestImageIsThereFromTheStart(t *testing.T) {
	e := newEngine(t)
	unless := func(right byte) []byte { // traps unless that is what lies at 100
		return w.Join(w.I32(100), w.Load32(0), w.I32(int32(right)), w.Op(0x47), w.If(w.Unreachable()))
	}
	for name, c := range map[string]struct {
		data  []w.Data
		traps bool
	}{
		"right":   {[]w.Data{{Offset: 4, Bytes: []byte("x")}, {Offset: 100, Bytes: []byte{7}}}, false},
		"wrong":   {[]w.Data{{Offset: 100, Bytes: []byte{8}}}, true},
		"outside": {[]w.Data{{Offset: 100, Bytes: []byte{7}}, {Offset: 1<<16 - 1, Bytes: []byte("xy")}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := compile(t, e, w.Module{Pages: 1, Data: c.data, Functions: []w.Function{
				{Export: "_initialize", Body: unless(7)},
			}}.Bytes())
			i, err := e.Instantiate(t.Context(), m, engine.InstanceConfig{})
			if !c.traps {
				if err != nil {
					t.Fatal(err)
				}
				_ = i.Close(t.Context())
				return
			}
			wantFault(t, err, fault.GuestTrap)
		})
	}
}
