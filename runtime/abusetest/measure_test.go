package abusetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/abusetest"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// order is what a process of its own is asked to run, so that its memory is
// its own: it gets the module on stdin.
type order struct {
	Memory uint64 // limit, in bytes
	Times  int
	Only   bool // compile it, and no more
}

// answer is what it measured.
type answer struct {
	Took  []time.Duration // of each call
	Grown int64           // bytes by which the most that was resident has grown
	Kind  string          // of the fault
}

// measured is that process.
func measured(args []string) int {
	var o order
	wasm, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = json.Unmarshal([]byte(args[0]), &o)
	}
	var a answer
	if err == nil {
		a, err = o.measure(context.Background(), wasm)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(a)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (o order) measure(ctx context.Context, wasm []byte) (a answer, err error) {
	dir, err := os.MkdirTemp("", "snaprail-abuse-measure-")
	if err != nil {
		return a, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing to do about it
	e, err := engine.New(ctx, engine.Config{CacheDir: dir, Worker: []string{os.Args[0], "compile-worker"}})
	if err != nil {
		return a, err
	}
	defer e.Close(ctx) //nolint:errcheck // the process ends
	calm := func(wasm []byte, times int) (err error) {
		m, err := e.Compile(ctx, wasm)
		if err != nil {
			return err
		}
		defer m.Close(ctx) //nolint:errcheck // never fails
		for range times {
			i, err := e.Instantiate(ctx, m, engine.InstanceConfig{MemoryBytes: o.Memory, CallTimeout: time.Minute})
			if err != nil {
				return err
			}
			begin := time.Now()
			_, err = i.Call(ctx, abusetest.Entry, nil)
			a.Took = append(a.Took, time.Since(begin))
			a.Kind = fault.Of(err).Kind.String()
		}
		return nil
	}
	// What any module needs for the first time is there when the look begins,
	// and what this one needs to be compiled was given back.
	if err := calm(abusetest.Trapper().Module, 3); err != nil {
		return a, err
	}
	if !o.Only {
		m, err := e.Compile(ctx, wasm)
		if err != nil {
			return a, err
		}
		defer m.Close(ctx) //nolint:errcheck // never fails
	}
	a.Took = nil
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // the peak begins anew
		return a, err
	}
	before, err := peak()
	if err != nil {
		return a, err
	}
	if err := calm(wasm, o.Times); err != nil {
		a.Kind = fault.Of(err).Kind.String()
	}
	after, err := peak()
	a.Grown = after - before
	return a, err
}

// peak is the most that was resident of this process, in bytes.
func peak() (kib int64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, err = fmt.Sscan(rest, &kib)
		}
	}
	return kib << 10, err
}

// apart runs a guest in a process of its own.
func apart(t *testing.T, o order, wasm []byte) (a answer) {
	t.Helper()
	if _, err := os.Stat("/proc/self/clear_refs"); err != nil {
		t.Skip("this system does not tell the peak of a process's memory: ", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "measure", string(raw))
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(wasm)), os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &a)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return a
}

func mib(n int64) string { return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20)) }

// TestAbuse05RecursionTrapsAtOnce: quickly, and with no memory to speak of.
func TestAbuse05RecursionTrapsAtOnce(t *testing.T) {
	times := 20
	if full {
		times = 200
	}
	for _, g := range abusetest.Recursions() {
		n := newNode(t)
		m := n.compile(g)
		var took []time.Duration
		for range times {
			i, err := n.engine.Instantiate(t.Context(), m, engine.InstanceConfig{CallTimeout: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			_, err = i.Call(t.Context(), abusetest.Entry, nil)
			took = append(took, time.Since(begin))
			if !fault.Is(err, fault.GuestStack) {
				t.Fatalf("%s: %v", g.Name, err)
			}
		}
		l := abusetest.Sorted(took)
		judge(t, "05", g.Name[3:]+": trap, median", "at most 1 ms", abusetest.Millis(l.Median())+", p99 "+abusetest.Millis(l.P99()), l.Median() <= time.Millisecond)
		a := apart(t, order{Times: 1}, g.Module)
		if a.Kind != fault.GuestStack.String() {
			t.Errorf("%s: %s", g.Name, a.Kind)
		}
		judge(t, "05", g.Name[3:]+": VmHWM of one trap", "at most 1 MB", mib(a.Grown), a.Grown <= 1e6)
		if a.Grown > 32<<20 {
			t.Errorf("%s took %s", g.Name, mib(a.Grown))
		}
	}
}

// TestAbuse06MemoryHasALimit: a guest that takes all that it can get takes what
// it may have.
func TestAbuse06MemoryHasALimit(t *testing.T) {
	const limit = 64 << 20
	a := apart(t, order{Memory: limit, Times: 3}, abusetest.Hoarder(limit).Module)
	if a.Kind != fault.GuestMemory.String() || a.Grown < limit/2 {
		t.Errorf("%s after %s", a.Kind, mib(a.Grown))
	}
	judge(t, "06", "VmHWM of 3 guests one after the other that fill 64 MiB", "at most 64 + 16 MiB", mib(a.Grown), a.Grown <= limit+16<<20)
}

// TestAbuse08ServerDoesNotGrow: what is refused costs the server nothing, and
// what passes is compiled elsewhere.
func TestAbuse08ServerDoesNotGrow(t *testing.T) {
	bomb := abusetest.Laborious(2_000, 0).Module // 16 MB
	began := time.Now()
	_, err := wasmbin.Read(bomb)
	took := time.Since(began)
	if !fault.Is(err, fault.WasmBody) {
		t.Fatal(err)
	}
	judge(t, "08", fmt.Sprintf("a bomb of %d MB is refused", len(bomb)>>20), "within 200 ms", abusetest.Millis(took), took <= 200*time.Millisecond)
	a := apart(t, order{Only: true}, bomb)
	if a.Kind != fault.WasmBody.String() {
		t.Errorf("%s", a.Kind)
	}
	judge(t, "08", "VmHWM of the server beside the bomb", "+0 (at most 1 MiB)", mib(a.Grown), a.Grown <= 1<<20)
	if a.Grown > 32<<20 {
		t.Errorf("the server grew by %s", mib(a.Grown))
	}
}
