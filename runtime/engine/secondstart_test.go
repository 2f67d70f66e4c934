package engine_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/engine"
)

// BenchmarkSecondStart starts a server's engine with one standard-Go module
// that it has compiled before, and shows what the time goes to: opening the
// cache, which verifies it; reading and loading the module; an instance of it.
func BenchmarkSecondStart(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "cache")
	wasm := goModule(b)
	cfg := engine.Config{CacheDir: dir, Worker: worker(b, "compile-worker"), Groups: goGroups()}
	first := newOutside(b, cfg)
	compile(b, first, wasm)
	parts := []string{"open-ms", "load-ms", "instance-ms"}
	spent := make([]time.Duration, len(parts))
	for b.Loop() {
		began := time.Now()
		lap := func(n int) { spent[n] += time.Since(began); began = time.Now() }
		e, err := engine.New(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		lap(0)
		m, err := e.Compile(b.Context(), wasm)
		if err != nil {
			b.Fatal(err)
		}
		lap(1)
		if _, err := e.Instantiate(b.Context(), m, engine.InstanceConfig{Link: goLink(), CallTimeout: time.Minute}); err != nil {
			b.Fatal(err)
		}
		lap(2)
		b.StopTimer()
		if err := e.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	for n, part := range parts {
		b.ReportMetric(float64(spent[n].Microseconds())/1000/float64(b.N), part)
	}
}

// BenchmarkFirstStart compiles modules that are not in the cache, in this
// process and in one of its own.
func BenchmarkFirstStart(b *testing.B) {
	for name, wasm := range map[string][]byte{"tiny": tiny(), "go": goModule(b)} {
		for where, command := range map[string][]string{"here": nil, "outside": worker(b, "compile-worker")} {
			b.Run(fmt.Sprintf("%s/%s", name, where), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					e, err := engine.New(b.Context(), engine.Config{CacheDir: b.TempDir(), Worker: command, Groups: append(goGroups(), group("test"), group("opt"))})
					if err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					if _, err := e.Compile(b.Context(), wasm); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					if err := e.Close(b.Context()); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			})
		}
	}
}
