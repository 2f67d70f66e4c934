package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// plain is a guest on wazero itself, without fuel, limits and accounts: what
// the engine is compared with. Its host functions are made by hand and do as
// little as lets a guest start.
type plain struct {
	ctx     context.Context // of all calls
	module  api.Module
	entries map[string]api.Function
	at      uint32
	stack   [2]uint64
	out     []byte
}

// newPlain makes a guest of a module. closeOnDone is wazero's own way to end a
// call.
func newPlain(tb testing.TB, wasm []byte, closeOnDone bool) *plain {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(closeOnDone))
	tb.Cleanup(func() {
		_ = r.Close(context.Background())
		cancel()
	})
	code, err := r.CompileModule(experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0)), wasm)
	if err != nil {
		tb.Fatal(err)
	}
	p := &plain{ctx: ctx, entries: make(map[string]api.Function)}
	stubs(tb, r, code)
	p.module, err = r.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		tb.Fatal(err)
	}
	image, err := wasmbin.Image(wasm)
	if err != nil {
		tb.Fatal(err)
	}
	for _, s := range image {
		if !p.module.Memory().Write(s.Offset, s.Bytes) {
			tb.Fatal("data: out of bounds memory access")
		}
	}
	if words, ok := p.module.ExportedGlobal(wasmbin.MeterStack).(api.MutableGlobal); ok {
		words.Set(engine.DefaultStackWords)
	}
	if start := p.module.ExportedFunction("_initialize"); start != nil {
		if _, err := start.Call(ctx); err != nil {
			tb.Fatal(err)
		}
	}
	for name := range code.ExportedFunctions() {
		p.entries[name] = p.module.ExportedFunction(name)
	}
	p.stack[0] = 1 << 20
	if err := p.entries[abi.ExportAlloc].CallWithStack(ctx, p.stack[:]); err != nil {
		tb.Fatal(err)
	}
	p.at = api.DecodeU32(p.stack[0])
	return p
}

// newMetered is such a guest whose module was rewritten: what fuel costs in
// the guest, without what the engine does around a call. Its fuel never ends.
func newMetered(tb testing.TB, wasm []byte) *plain {
	tb.Helper()
	metered, err := wasmbin.Meter(wasm)
	if err != nil {
		tb.Fatal(err)
	}
	return newPlain(tb, metered, false)
}

// call hands an input over and copies the reply out.
func (p *plain) call(entry string, in []byte) ([]byte, error) {
	memory := p.module.Memory()
	if !memory.Write(p.at, in) {
		return nil, errors.New("no room for the input")
	}
	p.stack = [2]uint64{uint64(p.at), uint64(len(in))}
	if err := p.entries[entry].CallWithStack(p.ctx, p.stack[:]); err != nil {
		return nil, err
	}
	n := api.DecodeU32(p.stack[0])
	reply, ok := memory.Read(api.DecodeU32(p.stack[0]>>32), n)
	if !ok || uint64(n)&abi.EntryErrorBit != 0 {
		return nil, errors.New("the guest refused")
	}
	p.out = append(p.out[:0], reply...)
	return p.out, nil
}

// compileTime is how long wazero takes to compile a module, in milliseconds.
func compileTime(tb testing.TB, wasm []byte) float64 {
	tb.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	defer func() { _ = r.Close(ctx) }()
	began := time.Now()
	if _, err := r.CompileModule(experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0)), wasm); err != nil {
		tb.Fatal(err)
	}
	return time.Since(began).Seconds() * 1e3
}

// stubs defines everything that a module imports. The clocks stand still,
// random is not random, and nothing else works.
func stubs(tb testing.TB, r wazero.Runtime, code wazero.CompiledModule) {
	tb.Helper()
	builders := make(map[string]wazero.HostModuleBuilder)
	for _, f := range code.ImportedFunctions() {
		module, name, _ := f.Import()
		if builders[module] == nil {
			builders[module] = r.NewHostModuleBuilder(module)
		}
		stub := api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
			if len(stack) > 0 {
				stack[0] = 0
			}
		})
		switch name {
		case "fd_write", "fd_prestat_get":
			const badf = 8
			stub = func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = badf }
		case "random_get":
			stub = func(_ context.Context, m api.Module, stack []uint64) {
				buf, _ := m.Memory().Read(api.DecodeU32(stack[0]), api.DecodeU32(stack[1]))
				for i := range buf {
					buf[i] = byte(i)
				}
				stack[0] = 0
			}
		case "clock_time_get":
			stub = func(_ context.Context, m api.Module, stack []uint64) {
				m.Memory().WriteUint64Le(api.DecodeU32(stack[2]), 1)
				stack[0] = 0
			}
		case wasmbin.MeterYield:
			stub = func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = engine.Slice }
		}
		builders[module].NewFunctionBuilder().WithGoModuleFunction(stub, f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	for _, b := range builders {
		if _, err := b.Instantiate(context.Background()); err != nil {
			tb.Fatal(err)
		}
	}
}

// rawFrames is a batch of frames for craw and goraw.
func rawFrames(n int) []byte {
	all := binary.LittleEndian.AppendUint32(nil, uint32(n))
	for range n {
		all = append(binary.LittleEndian.AppendUint32(all, 7), "422498\n"...)
	}
	return all
}
