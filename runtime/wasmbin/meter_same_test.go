package wasmbin_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// outcome is all that can be seen of a run.
type outcome struct {
	results string
	trap    string
	memory  [32]byte
	fuel    int64
	yields  int
}

func (o outcome) same(p outcome) bool {
	return o.results == p.results && o.trap == p.trap && o.memory == p.memory
}

// ran instantiates a module in a runtime of its own and calls run.
func ran(tb testing.TB, config wazero.RuntimeConfig, src []byte, budget int64) outcome {
	tb.Helper()
	h := newHost(tb, config)
	defer func() { _ = h.Close(context.Background()) }()
	h.budget = budget
	mod, err := h.instance(tb.Context(), src, "")
	if err != nil {
		return outcome{trap: trapOf(err)}
	}
	results, err := h.call(tb.Context(), mod, "run")
	o := outcome{results: fmt.Sprint(results), trap: trapOf(err), yields: h.yields}
	if m := mod.Memory(); m != nil {
		all, _ := m.Read(0, m.Size())
		o.memory = sha256.Sum256(all)
	}
	if len(h.instances) > 0 {
		o.fuel = h.used()
	}
	return o
}

// Modules made at random do the same metered as plain: results, memory, traps.
// The fuel they use is the same each time.
func TestAbuse10MeteredModulesDoTheSame(t *testing.T) {
	const seeds = 1_000
	traps, yields := make(map[string]int), 0
	config := wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(64)
	for seed := range uint64(seeds) {
		if testing.Short() && seed == 100 {
			break
		}
		src := generate(seed)
		if _, err := wasmbin.Read(src); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		metered := meter(t, src)
		want, got := ran(t, config, src, 1<<40), ran(t, config, metered, 1<<40)
		if want.trap == "stack overflow" && got.trap == "unreachable" {
			continue // the ends of a recursion lie at different depths
		}
		if !got.same(want) {
			t.Fatalf("seed %d: plain %s %q, metered %s %q, the memory is the same: %v",
				seed, want.results, want.trap, got.results, got.trap, want.memory == got.memory)
		}
		if seed%10 == 0 {
			if again := ran(t, config, metered, 1<<40); again.fuel != got.fuel {
				t.Errorf("seed %d: %d units, then %d", seed, got.fuel, again.fuel)
			}
		}
		traps[got.trap]++
		yields += got.yields
	}
	t.Logf("%d yields, traps %v", yields, traps)
	if len(traps) < 4 || traps[""] < seeds/4 && !testing.Short() {
		t.Errorf("the modules are all alike: %v", traps)
	}
}
