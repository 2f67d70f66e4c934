package wasmbin_test

import (
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// A run uses at least the fuel that its instructions weigh one by one, and not
// many times as much.
func TestMeterChargesWhatIsExecuted(t *testing.T) {
	config := wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(64)
	runs, counts, fuel := 0, int64(0), int64(0)
	for seed := range uint64(600) {
		if testing.Short() && seed == 100 {
			break
		}
		src := generate(seed)
		counted, err := wasmbin.Counted(src)
		if err != nil {
			t.Fatal(err)
		}
		h := newHost(t, config)
		mod, err := h.instance(t.Context(), counted, "")
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if _, err := h.call(t.Context(), mod, "run"); err != nil {
			_ = h.Close(t.Context())
			continue // what is due at a trap is not charged
		}
		count := int64(mod.ExportedGlobal("count").Get())
		_ = h.Close(t.Context())
		got := ran(t, config, meter(t, src), 1<<40)
		if got.fuel < count {
			t.Fatalf("seed %d: %d units for instructions of %d", seed, got.fuel, count)
		}
		runs, counts, fuel = runs+1, counts+count, fuel+got.fuel
	}
	t.Logf("%d runs, %d units, %d charged", runs, counts, fuel)
	if runs < 30 {
		t.Errorf("only %d modules ran to their end", runs)
	}
}
