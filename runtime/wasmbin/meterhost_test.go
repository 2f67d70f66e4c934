package wasmbin_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// errSpent is the error of a guest that has used its budget up.
var errSpent = errors.New("no fuel is left")

// host runs metered modules and hands fuel out, a slice at a time.
type host struct {
	wazero.Runtime
	slice     int64
	budget    int64 // units that may still be handed out
	given     int64 // units handed out since the call started
	yields    int
	onYield   func(fuel int64)
	instances []api.Module
}

const (
	testSlice = 50_000
	testStack = 1 << 17 // words
	testTable = 1 << 16 // entries
)

func newHost(tb testing.TB, config wazero.RuntimeConfig) *host {
	tb.Helper()
	h := &host{Runtime: wazero.NewRuntimeWithConfig(tb.Context(), config), slice: testSlice, budget: math.MaxInt64}
	tb.Cleanup(func() { _ = h.Close(context.Background()) })
	i64s := []api.ValueType{api.ValueTypeI64}
	_, err := h.NewHostModuleBuilder(wasmbin.MeterModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(h.yield), i64s, i64s).Export(wasmbin.MeterYield).Instantiate(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func (h *host) yield(_ context.Context, stack []uint64) {
	fuel := int64(stack[0])
	h.yields++
	if h.onYield != nil {
		h.onYield(fuel)
	}
	for more := true; more; more = fuel < 0 {
		if h.budget < h.slice {
			panic(errSpent)
		}
		h.budget -= h.slice
		h.given += h.slice
		fuel += h.slice
	}
	stack[0] = uint64(fuel)
}

// instance instantiates a module, writes its image and calls its start function.
// Of a plain module wazero does all of it.
func (h *host) instance(ctx context.Context, src []byte, name string) (api.Module, error) {
	compiled, err := h.CompileModule(ctx, src)
	if err != nil {
		return nil, err
	}
	mod, err := h.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(name).WithStartFunctions())
	if err != nil {
		return nil, err
	}
	if mod.ExportedGlobal(wasmbin.MeterFuel) == nil {
		return mod, nil
	}
	h.instances = append(h.instances, mod)
	if err := writeImage(src, mod); err != nil {
		_ = mod.Close(ctx)
		return nil, err
	}
	if mod.ExportedFunction(wasmbin.MeterStart) != nil {
		if _, err := h.call(ctx, mod, wasmbin.MeterStart); err != nil {
			_ = mod.Close(ctx)
			return nil, err
		}
	}
	return mod, nil
}

// writeImage writes what the memory starts with.
func writeImage(metered []byte, mod api.Module) error {
	image, err := wasmbin.Image(metered)
	if err != nil {
		return err
	}
	for _, s := range image {
		if !mod.Memory().Write(s.Offset, s.Bytes) {
			return errors.New("data: out of bounds memory access")
		}
	}
	return nil
}

// arm gives each instance stack, and takes its fuel away.
func (h *host) arm() {
	h.given, h.yields = 0, 0
	for _, mod := range h.instances {
		set(mod, wasmbin.MeterFuel, 0)
		set(mod, wasmbin.MeterStack, testStack)
		set(mod, wasmbin.MeterTable, testTable)
	}
}

func set(mod api.Module, name string, v uint64) {
	mod.ExportedGlobal(name).(api.MutableGlobal).Set(v)
}

func (h *host) call(ctx context.Context, mod api.Module, name string, args ...uint64) ([]uint64, error) {
	h.arm()
	f := mod.ExportedFunction(name)
	if f == nil {
		return nil, fmt.Errorf("no function %q", name)
	}
	return f.Call(ctx, args...)
}

// used is the fuel that the last call took, if the host has one instance.
func (h *host) used() int64 {
	return h.given - int64(h.instances[0].ExportedGlobal(wasmbin.MeterFuel).Get())
}

// overflowed says whether the last call ran out of stack.
func (h *host) overflowed() bool {
	for _, mod := range h.instances {
		if int64(mod.ExportedGlobal(wasmbin.MeterStack).Get()) < 0 {
			return true
		}
	}
	return false
}

// trapOf is the text of a trap, without the stack; "" if there is none.
func trapOf(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	if _, after, ok := strings.Cut(line, "wasm error: "); ok {
		line = after
	}
	line, _, _ = strings.Cut(line, " (recovered by wazero)")
	return line
}
