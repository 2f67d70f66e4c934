//go:build abuse

package wasmbin_test

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/wasmbin"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// TestAbuse08WhatPassesCompilesInTime makes modules of about a megabyte that
// are just within a bound, in the shapes that take the compiler longest for
// each byte, and compiles what Meter makes of them.
func TestAbuse08WhatPassesCompilesInTime(t *testing.T) {
	const most = 10 * time.Second // an idle machine takes 2 s; the child process may take 10
	zero, global := w.I32(0), w.GetGlobal(0)
	everyLocal := func(n int) []byte {
		var out []byte
		for i := range uint32(n) {
			out = w.Join(out, w.Get(i), global, w.Op(0x6a), w.Set(i))
		}
		return out
	}
	loop := w.Join([]byte{0x03, 0x40}, global, w.BrIf(0), []byte{0x0b})
	for name, shape := range map[string]func(n int) []byte{
		"loops":                           func(n int) []byte { return functions(n, 0, w.Repeat(wasmbin.MaxLoops, loop)) },
		"loops that nothing goes back to": func(n int) []byte { return functions(n, 0, w.Repeat(wasmbin.MaxLoops, []byte{0x03, 0x40, 0x0b})) },
		"large functions of branches": func(n int) []byte {
			return functions(n, 0, w.Block("", w.Repeat(2_000, global, w.BrIf(0))))
		},
		"nested loops": func(n int) []byte {
			return functions(n, 0, w.Join(open(0x03, 500), w.Repeat(500, zero, w.BrIf(0), []byte{0x0b})))
		},
		"locals through loops": func(n int) []byte {
			return functions(n, 1_000, w.Join(everyLocal(1_000), w.Repeat(100, loop), everyLocal(1_000)))
		},
		"calls with values": func(n int) []byte {
			return functions(n, 0, w.Join(w.Repeat(64, zero), w.Repeat(100, w.Call(0))), ints(64))
		},
		"calls through a table": func(n int) []byte { return functions(n, 0, w.Repeat(1_000, zero, w.CallIndirect(0))) },
		"copies":                func(n int) []byte { return functions(n, 0, w.Repeat(100, zero, zero, zero, w.Copy())) },
		"fills":                 func(n int) []byte { return functions(n, 0, w.Repeat(100, zero, zero, zero, w.Fill())) },
		"calls":                 func(n int) []byte { return functions(n, 0, w.Repeat(1_000, w.Call(0))) },
		"branch tables": func(n int) []byte {
			return functions(n, 0, w.Block("", zero, w.BrTable(make([]uint32, 4_096)...)))
		},
		"long functions of stores": func(n int) []byte {
			return functions(n, 0, w.Repeat(37_000, zero, zero, w.Store32(0)))
		},
		"many parameters": func(n int) []byte { return functions(n, 0, []byte{0}, ints(128)) },
	} {
		t.Run(name, func(t *testing.T) {
			n, size := 1, 1<<20
			for n < wasmbin.MaxFunctions && len(shape(2*n)) <= size && accepted(shape(2*n)) {
				n *= 2
			}
			for step := n / 2; step > 0; step /= 2 {
				if src := shape(n + step); len(src) <= size && accepted(src) {
					n += step
				}
			}
			src := shape(n)
			if !accepted(src) {
				t.Fatal("not even one passes")
			}
			metered := meter(t, src)
			start := time.Now()
			if err := compileError(t, metered); err != nil {
				t.Fatal(err)
			}
			took := time.Since(start)
			t.Logf("%d functions, %d bytes, %d metered: %v", n, len(src), len(metered), took)
			if took > most {
				t.Errorf("%v for %d bytes", took, len(src))
			}
		})
	}
}

func accepted(src []byte) bool {
	_, err := wasmbin.Read(src)
	return err == nil
}
