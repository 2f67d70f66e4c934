package engine

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// outside is an engine with the real worker.
func outside(t *testing.T, limits CompileLimits) *Engine {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(t.Context(), Config{
		CacheDir: t.TempDir() + "/cache", Worker: []string{self, "compile-worker"}, CompileLimits: limits,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(t.Context()) })
	return e
}

// mine is a turn of an account of its own.
func mine(e *Engine) *turn {
	t := new(turn)
	e.compiler.places.want(t, "mine")
	return t
}

// function is a module of one function without parameters and results.
func function(body ...[]byte) []byte {
	text := append([]byte{0}, bytes.Join(body, nil)...)
	text = append(text, 0x0b)
	entry := append(binary.AppendUvarint(nil, uint64(len(text))), text...)
	code := append([]byte{1}, entry...)
	out := []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a")
	return append(binary.AppendUvarint(out, uint64(len(code))), code...)
}

func resident(t *testing.T) int {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestBombsDieInTheWorker: what keeps the compiler busy, once it has got past
// the check (which it is not given here), ends its process by a limit. The
// server does not grow and goes on.
func TestBombsDieInTheWorker(t *testing.T) {
	if _, err := os.Stat("/proc/self/statm"); err != nil {
		t.Skip("there are no limits on this system")
	}
	if raceEnabled {
		t.Skip("under the race detector memory is not limited")
	}
	times := func(n int, b ...byte) []byte { return bytes.Repeat(b, n) }
	small := CompileLimits{CPU: time.Second, Memory: 256 << 20}
	for name, tt := range map[string]struct {
		wasm   []byte
		limits CompileLimits
		want   []string // one of them
	}{
		"a br_table of 500,000": {
			function([]byte{0x02, 0x40, 0x41, 0, 0x0e}, binary.AppendUvarint(nil, 500_000), times(500_001, 0), []byte{0x0b}),
			CompileLimits{CPU: 2 * time.Second},
			[]string{"limit of cpu", "limit of memory", "limit of time"},
		},
		"50,000 nested blocks": {function(times(50_000, 0x02, 0x40), times(50_000, 0x0b)), small, []string{"limit of cpu", "limit of time"}},
		"10^6 nested blocks":   {function(times(1e6, 0x02, 0x40), times(1e6, 0x0b)), small, []string{"limit of cpu", "limit of memory", "limit of time"}},
		"3 MB in a line": {
			function(times(1e6, 0x41, 0, 0x1a)), CompileLimits{Memory: 96 << 20}, []string{"limit of memory", "limit of time"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := outside(t, tt.limits)
			before, began := resident(t), time.Now()
			cpu, err := e.compileInto(t.Context(), mine(e), strings.Repeat("ab", 32), tt.wasm)
			took := time.Since(began)
			t.Logf("%v after %v, %v of processor time", err, took, cpu)
			if cpu <= 0 || cpu > 12*time.Second {
				t.Errorf("the processor time is %v", cpu)
			}
			if !fault.Is(err, fault.CompileLimit) || took > 15*time.Second+500*time.Millisecond {
				t.Errorf("%v after %v", err, took)
			}
			said := false
			for _, w := range tt.want {
				said = said || strings.Contains(err.Error(), w)
			}
			if !said {
				t.Errorf("%q says none of %q", err, tt.want)
			}
			if grown := resident(t) - before; grown > 8<<20 {
				t.Errorf("the server grew by %d KiB", grown>>10)
			}
			if kept, err := e.cache.kept(); err != nil || len(kept) != 0 {
				t.Errorf("kept %v, %v", kept, err)
			}
			if left, err := os.ReadDir(e.cache.work); err != nil || len(left) != 0 {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

// TestLoadCompilesNothing: what is not in the cache is not compiled here.
func TestLoadCompilesNothing(t *testing.T) {
	e := outside(t, CompileLimits{})
	wasm := function()
	if code, err := e.load(t.Context(), wasm); err == nil {
		t.Fatalf("loaded %v, which nobody has compiled", code)
	}
	if _, err := e.compileInto(t.Context(), mine(e), strings.Repeat("ab", 32), wasm); err != nil {
		t.Fatal(err)
	}
	code, err := e.load(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	if err := code.native.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSweepLeavesWhatMayBeUnderWay: other engines may share the directory.
func TestSweepLeavesWhatMayBeUnderWay(t *testing.T) {
	e := outside(t, CompileLimits{})
	parent := strings.TrimSuffix(e.cache.work, "/work")
	for _, name := range []string{"work/compile-1", "work/compile-2", "metered-6", "metered-999999-1", "v0.0.1-amd64", "mine"} {
		if err := os.MkdirAll(parent+"/"+name+"/deep", 0o700); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(parent+"/work/compile-1", old, old); err != nil {
		t.Fatal(err)
	}
	if err := e.cache.tidy(parent); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"work/compile-1": false, "work/compile-2": true, "metered-6": false, "metered-999999-1": false, "v0.0.1-amd64": false, "mine": true,
	} {
		if _, err := os.Stat(parent + "/" + name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCacheIsBounded: what was not used for the longest time goes first, and
// what belongs to it goes along.
func TestCacheIsBounded(t *testing.T) {
	e := outside(t, CompileLimits{})
	digests := []string{strings.Repeat("a1", 32), strings.Repeat("b2", 32), strings.Repeat("c3", 32)}
	for n, d := range digests {
		if _, err := e.compileInto(t.Context(), mine(e), d, function(bytes.Repeat([]byte{1}, n))); err != nil {
			t.Fatal(err)
		}
		used := time.Now().Add(time.Duration(n-10) * time.Minute)
		if err := os.Chtimes(e.cache.meteredPath(d), used, used); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, found := e.cache.metered(digests[0]); !found { // a use
		t.Fatal("not kept")
	}
	kept, err := e.cache.kept()
	if err != nil || len(kept) != 3 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	var sum int64
	for _, k := range kept {
		if k.entry == "" || k.bytes < 100 {
			t.Errorf("%+v", k)
		}
		sum += k.bytes
	}
	e.cacheBytes = sum - 1
	e.bound()
	kept, err = e.cache.kept()
	if err != nil || len(kept) != 2 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	for _, k := range kept {
		if k.digest == digests[1] {
			t.Error("the one that was not used for the longest time is there")
		}
	}
}

// TestBoundLeavesCodeThatIsUsed: the code of two modules counts once, with the
// one that was used last, and stays when the other goes.
func TestBoundLeavesCodeThatIsUsed(t *testing.T) {
	e := outside(t, CompileLimits{})
	digests := []string{strings.Repeat("a1", 32), strings.Repeat("b2", 32)}
	for n, d := range digests {
		if _, err := e.compileInto(t.Context(), mine(e), d, function()); err != nil {
			t.Fatal(err)
		}
		used := time.Now().Add(time.Duration(n) * time.Minute)
		if err := os.Chtimes(e.cache.meteredPath(d), used, used); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := e.cache.kept()
	if err != nil || len(kept) != 2 || kept[0].digest != digests[1] || kept[0].bytes <= kept[1].bytes {
		t.Fatalf("kept %+v, %v", kept, err)
	}
	e.cacheBytes = kept[0].bytes
	e.bound()
	if kept, err = e.cache.kept(); err != nil || len(kept) != 1 || kept[0].digest != digests[1] {
		t.Fatalf("kept %+v, %v", kept, err)
	}
	code, err := e.load(t.Context(), function())
	if err != nil {
		t.Fatalf("the code that is used went: %v", err)
	}
	_ = code.native.Close(t.Context())
}

// TestAnotherCheckKnowsNothingOfWhatIsKept: what was kept under another
// CheckVersion, or another MeterVersion, is not there, so that it is read again.
func TestAnotherCheckKnowsNothingOfWhatIsKept(t *testing.T) {
	e := outside(t, CompileLimits{})
	digest, now := strings.Repeat("a1", 32), meteredName(wasmbin.MeterVersion, wasmbin.CheckVersion)
	if _, err := e.compileInto(t.Context(), mine(e), digest, function()); err != nil {
		t.Fatal(err)
	}
	if name := filepath.Base(e.cache.meteredDir); name != now {
		t.Fatalf("it is kept in %s, not in %s", name, now)
	}
	for _, name := range []string{
		meteredName(wasmbin.MeterVersion, wasmbin.CheckVersion+1), meteredName(wasmbin.MeterVersion+1, wasmbin.CheckVersion),
	} {
		other := diskCache{meteredDir: filepath.Join(filepath.Dir(e.cache.meteredDir), name)}
		if _, _, found := other.metered(digest); found || name == now {
			t.Errorf("%s knows the module", name)
		}
	}
}

// TestCompilersHaveTimeOnABusyMachine: where the processor time of a compilation is
// bound, the clock must not be what ends an honest one that got a fifth of a core.
func TestCompilersHaveTimeOnABusyMachine(t *testing.T) {
	if l := (CompileLimits{}).withDefaults(); runtime.GOOS == "linux" && l.Wall < 5*l.CPU {
		t.Errorf("it is ended after %s, with up to %s of processor time", l.Wall, l.CPU)
	}
}
