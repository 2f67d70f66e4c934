package wasmbin_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// job is work that a guest does, plain and metered.
type job struct {
	name string
	wasm []byte
	call string
	args []uint64
	// input is written where snaprail_alloc says, if there is one; then the
	// call takes its address and size.
	input []byte
}

func jobs(tb testing.TB) []job {
	tb.Helper()
	all := []job{
		{name: "count", wasm: countLoop(), call: "run", args: []uint64{1 << 20}},
		{name: "sum", wasm: sumLoop(), call: "run", args: []uint64{1 << 16}},
		{name: "nested", wasm: nestedLoops(), call: "run", args: []uint64{1 << 10}},
		{name: "calls", wasm: callTree(), call: "run", args: []uint64{22}},
	}
	for _, name := range []string{"craw", "goraw"} {
		src, err := os.ReadFile(filepath.FromSlash("../../testdata/guests/dist/" + name + ".wasm"))
		if err != nil {
			continue
		}
		all = append(all,
			job{name: name + " batch of 64", wasm: src, call: "raw", input: frames(64)},
			job{name: name + " batch of 1", wasm: src, call: "raw", input: frames(1)},
			job{name: name + " spin", wasm: src, call: "spin", input: binary.LittleEndian.AppendUint64(nil, 1<<20)},
		)
	}
	return all
}

func frames(n int) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(n))
	for range n {
		out = binary.LittleEndian.AppendUint32(out, 6)
		out = append(out, "214590"...)
	}
	return out
}

func countLoop() []byte {
	return wasmtest.Module{Functions: []wasmtest.Function{{
		Export: "run", Params: "i", Results: "i", Locals: "i",
		Body: wasmtest.Join(wasmtest.While(
			wasmtest.Get(1), wasmtest.I32(3), wasmtest.Op(0x6c), wasmtest.Get(0), wasmtest.Op(0x6a), wasmtest.Set(1),
			wasmtest.Get(0), wasmtest.I32(1), wasmtest.Op(0x6b), []byte{0x22, 0},
		), wasmtest.Get(1)),
	}}}.Bytes()
}

// sumLoop adds up the words of its memory.
func sumLoop() []byte {
	return wasmtest.Module{Pages: 4, Functions: []wasmtest.Function{{
		Export: "run", Params: "i", Results: "i", Locals: "i",
		Body: wasmtest.Join(wasmtest.While(
			wasmtest.Get(1), wasmtest.Get(0), wasmtest.Load32(0), wasmtest.Op(0x6a), wasmtest.Set(1),
			wasmtest.Get(0), wasmtest.I32(4), wasmtest.Op(0x6b), []byte{0x22, 0},
		), wasmtest.Get(1)),
	}}}.Bytes()
}

func nestedLoops() []byte {
	return wasmtest.Module{Pages: 4, Functions: []wasmtest.Function{{
		Export: "run", Params: "i", Results: "i", Locals: "ii",
		Body: wasmtest.Join(wasmtest.While(
			wasmtest.I32(1024), wasmtest.Set(2),
			wasmtest.While(
				wasmtest.Get(1), wasmtest.Get(2), wasmtest.Op(0x73), wasmtest.I32(5), wasmtest.Op(0x6a), wasmtest.Set(1),
				wasmtest.Get(2), wasmtest.Get(1), wasmtest.Store32(64),
				wasmtest.Get(2), wasmtest.I32(1), wasmtest.Op(0x6b), []byte{0x22, 2},
			),
			wasmtest.Get(0), wasmtest.I32(1), wasmtest.Op(0x6b), []byte{0x22, 0},
		), wasmtest.Get(1)),
	}}}.Bytes()
}

// callTree is 2^n calls.
func callTree() []byte {
	return wasmtest.Module{Functions: []wasmtest.Function{{
		Export: "run", Params: "i", Results: "i",
		Body: wasmtest.Join(
			wasmtest.Get(0), wasmtest.Op(0x45), []byte{0x04, 0x7f}, wasmtest.I32(1), []byte{0x05},
			wasmtest.Get(0), wasmtest.I32(1), wasmtest.Op(0x6b), wasmtest.Call(0),
			wasmtest.Get(0), wasmtest.I32(1), wasmtest.Op(0x6b), wasmtest.Call(0),
			wasmtest.Op(0x6a), []byte{0x0b},
		),
	}}}.Bytes()
}

// ready makes an instance for a job, and answers what runs it once.
func (j job) ready(tb testing.TB, metered bool) (h *host, run func()) {
	tb.Helper()
	ctx := tb.Context()
	h = newHost(tb, wazero.NewRuntimeConfigCompiler())
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, h); err != nil {
		tb.Fatal(err)
	}
	src := j.wasm
	if metered {
		src = meter(tb, src)
	}
	mod, err := h.instance(ctx, src, "")
	if err != nil {
		tb.Fatal(err)
	}
	h.arm()
	if f := mod.ExportedFunction("_initialize"); f != nil {
		if _, err := f.Call(ctx); err != nil {
			tb.Fatal(err)
		}
	}
	args := j.args
	if j.input != nil {
		at, err := mod.ExportedFunction("snaprail_alloc").Call(ctx, 1<<20)
		if err != nil {
			tb.Fatal(err)
		}
		if !mod.Memory().Write(uint32(at[0]), j.input) {
			tb.Fatal("the input does not fit")
		}
		args = []uint64{at[0], uint64(len(j.input))}
	}
	f := mod.ExportedFunction(j.call)
	stack := make([]uint64, 4)
	h.arm()
	return h, func() {
		copy(stack, args)
		if err := f.CallWithStack(ctx, stack); err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkMeteredCode compares metered code with plain code: pairs that take
// turns in one run, the median of their ratios, and its spread.
func BenchmarkMeteredCode(b *testing.B) {
	for _, j := range jobs(b) {
		b.Run(j.name, func(b *testing.B) {
			_, plain := j.ready(b, false)
			h, metered := j.ready(b, true)
			metered()
			h.arm()
			metered()
			units := h.used()
			n := 1
			for took(n, plain) < 2*time.Millisecond {
				n *= 2
			}
			var ratios, plains, meters []float64
			for b.Loop() {
				for range 60 {
					p, m := took(n, plain), took(n, metered)
					ratios = append(ratios, float64(m)/float64(p))
					plains = append(plains, float64(p)/float64(n))
					meters = append(meters, float64(m)/float64(n))
				}
			}
			slices.Sort(ratios)
			slices.Sort(plains)
			slices.Sort(meters)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ratios[len(ratios)/2], "x-plain")
			b.ReportMetric(meters[0]/plains[0], "x-min")
			b.ReportMetric(plains[len(plains)/2], "plain-ns")
			b.ReportMetric(meters[len(meters)/2], "metered-ns")
			b.ReportMetric(plains[len(plains)/2]/float64(units), "plain-ns/unit")
			b.Logf("%.2f..%.2f", ratios[0], ratios[len(ratios)-1])
		})
	}
}

func took(n int, f func()) time.Duration {
	began := time.Now()
	for range n {
		f()
	}
	return time.Since(began)
}

// BenchmarkCompileMetered compares how long wazero compiles a metered module
// with how long it compiles the plain one.
func BenchmarkCompileMetered(b *testing.B) {
	plain := goModule(b)
	metered := meter(b, plain)
	compile := func(src []byte) func() {
		return func() {
			r := wazero.NewRuntimeWithConfig(b.Context(), wazero.NewRuntimeConfigCompiler())
			if _, err := r.CompileModule(b.Context(), src); err != nil {
				b.Fatal(err)
			}
			_ = r.Close(b.Context())
		}
	}
	var ratios []float64
	for b.Loop() {
		for range 7 {
			p, m := took(1, compile(plain)), took(1, compile(metered))
			ratios = append(ratios, float64(m)/float64(p))
		}
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "x-plain")
	b.Logf("%.2f..%.2f", ratios[0], ratios[len(ratios)-1])
}
