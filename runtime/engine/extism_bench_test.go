package engine_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	sdk "github.com/extism/go-sdk"

	"github.com/snaprail/snaprail/runtime/engine"
)

// extismGuest reads one of our own guests with an Extism PDK.
func extismGuest(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("..", "..", "testdata", "guests", "dist", name+".wasm"))
	if err != nil {
		t.Skipf("%s is not built: %v", name, err)
	}
	return wasm
}

// frame is what convert of our Extism guests takes.
const frame = "215367 station 42"

// windows is how many times each side of the comparison is measured.
const windows = 15

// BenchmarkExtism calls an unmodified Extism guest with one record a call, here
// and in go-sdk by turns, and reports the medians of short windows, and the
// best of them.
func BenchmarkExtism(b *testing.B) {
	for _, name := range []string{"goextism", "cextism"} {
		b.Run(name, func(b *testing.B) {
			wasm := extismGuest(b, name)
			e := newEngine(b)
			ours := instantiate(b, e, compile(b, e, wasm), engine.InstanceConfig{Host: &logbook{}})
			sdk.SetLogLevel(sdk.LogLevelOff)
			theirs, err := sdk.NewPlugin(b.Context(), sdk.Manifest{Wasm: []sdk.Wasm{sdk.WasmData{Data: wasm}}},
				sdk.PluginConfig{EnableWasi: true}, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = theirs.Close(b.Context()) }()
			in := []byte(frame)
			callOurs := func() error { _, err := ours.Call(b.Context(), "convert", in); return err }
			callTheirs := func() error { _, _, err := theirs.CallWithContext(b.Context(), "convert", in); return err }
			var here, there []float64
			for b.Loop() {
				here, there = nil, nil
				for range windows {
					here = append(here, nsPerCall(b, 10_000, callOurs))
					there = append(there, nsPerCall(b, 500, callTheirs))
				}
			}
			slices.Sort(here)
			slices.Sort(there)
			b.ReportMetric(here[windows/2], "ns/call")
			b.ReportMetric(there[windows/2], "go-sdk-ns/call")
			b.ReportMetric(there[windows/2]/here[windows/2], "times-faster")
			b.ReportMetric(here[0], "best-ns/call")
			b.ReportMetric(there[0]/here[0], "times-faster-best")
		})
	}
}

func nsPerCall(b *testing.B, n int, call func() error) float64 {
	b.Helper()
	runtime.GC() // nobody pays for the other's garbage
	began := time.Now()
	for range n {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(time.Since(began).Nanoseconds()) / float64(n)
}

// A call of a guest with an Extism PDK costs the host no allocation.
func TestExtismCallsAllocateNothing(t *testing.T) {
	for _, name := range []string{"goextism", "cextism"} {
		t.Run(name, func(t *testing.T) {
			e := newEngineIn(t, filepath.Join(scratch, "extism"))
			i := instantiate(t, e, compile(t, e, extismGuest(t, name)), engine.InstanceConfig{Host: &logbook{}, CallTimeout: time.Minute})
			ctx, in := t.Context(), []byte(frame)
			for range 2000 { // the guest's own collector, and the kernel, settle
				if _, err := i.Call(ctx, "convert", in); err != nil {
					t.Fatal(err)
				}
			}
			if allocs := testing.AllocsPerRun(2000, func() { _, _ = i.Call(ctx, "convert", in) }); allocs > 0 {
				t.Errorf("%v allocations for a call", allocs)
			}
		})
	}
}
