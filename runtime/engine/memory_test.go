package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// hoarder is a guest that grows (grow, by a page; all, page by page to the
// limit), fills its memory with 0xC5 (fill) and shows a MiB of it (peek).
func hoarder() []byte {
	size := w.Join(w.Op(0x3f, 0), w.I32(16), w.Op(0x74)) // memory.size in bytes
	return w.Module{Pages: 32, Functions: []w.Function{
		{Export: "snaprail_alloc", Params: "i", Results: "i", Body: w.I32(1024)},
		{Export: "grow", Params: "ii", Results: "I", Body: w.Join(w.I32(1), w.Grow(), w.Drop(), w.I64(0))},
		{Export: "all", Params: "ii", Results: "I", Body: w.Join(w.While(w.I32(1), w.Grow(), w.I32(-1), w.Op(0x47)), w.I64(0))},
		{Export: "fill", Params: "ii", Results: "I", Body: w.Join(w.I32(0), w.I32(0xC5), size, w.Op(0xfc, 11, 0), w.I64(0))},
		{Export: "peek", Params: "ii", Results: "I", Body: w.Packed(w.Join(w.Get(0), w.Load32(0)), w.I32(1<<20))},
	}}.Bytes()
}

// measure reads the heap, the address space and the number of goroutines.
func measure(t *testing.T) (heap, mapped int64, goroutines int) {
	t.Helper()
	var s runtime.MemStats
	for range 3 {
		debug.FreeOSMemory() // so that the heap does not blur what is backed
	}
	runtime.ReadMemStats(&s)
	mapped, _ = pages4K(t)
	return int64(s.HeapAlloc), mapped, runtime.NumGoroutine()
}

// pages4K reads the sizes of this process: its address space, and what of it
// is backed; 0 on systems that do not say.
func pages4K(t *testing.T) (mapped, resident int64) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, 0
	}
	if _, err := fmt.Sscan(string(text), &mapped, &resident); err != nil {
		t.Fatal(err)
	}
	page := int64(os.Getpagesize())
	return mapped * page, resident * page
}

func TestMemoryIsLentByTheSystem(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is of the Go heap here")
	}
	const limit = 128 << 20
	e := newEngine(t)
	m := compile(t, e, hoarder())
	heap, _, _ := measure(t)
	_, before := pages4K(t)
	i := instantiate(t, e, m, engine.InstanceConfig{MemoryBytes: limit, CallTimeout: time.Minute})
	for _, entry := range []string{"all", "fill"} {
		if _, err := i.Call(t.Context(), entry, nil); err != nil {
			t.Fatal(err)
		}
	}
	after, _, _ := measure(t)
	_, full := pages4K(t)
	if i.Memory() != limit || full-before < limit/4*3 {
		t.Errorf("the guest has %d bytes, and %d are backed", i.Memory(), full-before)
	}
	if after-heap > 1<<20 {
		t.Errorf("the heap grew by %d KiB", (after-heap)>>10)
	}
	if u := i.Usage(); u.MemoryPeak != limit || u.MemoryLimit != limit {
		t.Errorf("usage: %+v", u)
	}
	if err := i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	debug.FreeOSMemory()
	if _, left := pages4K(t); left-before > 16<<20 {
		t.Errorf("%d KiB stay backed after Close", (left-before)>>10)
	}
	if u := i.Usage(); u.Memory != 0 || u.MemoryPeak != limit {
		t.Errorf("usage after Close: %+v", u)
	}
}

// TestAbuse06GrowLoop: growing a page at a time costs nothing but the calls.
func TestAbuse06GrowLoop(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, hoarder())
	i := instantiate(t, e, m, engine.InstanceConfig{MemoryBytes: 1 << 30, CallTimeout: time.Minute})
	heap, _, _ := measure(t)
	_, before := pages4K(t)
	begin := time.Now()
	if _, err := i.Call(t.Context(), "all", nil); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	after, _, _ := measure(t)
	_, backed := pages4K(t)
	t.Logf("16,352 times a page in %v: heap %+d KiB, resident %+d KiB", took, (after-heap)>>10, (backed-before)>>10)
	if i.Memory() != 1<<30 || took > time.Second || runtime.GOOS == "linux" && (after-heap > 1<<20 || backed-before > 16<<20) {
		t.Errorf("memory %d after %v, heap %+d KiB, resident %+d KiB", i.Memory(), took, (after-heap)>>10, (backed-before)>>10)
	}
	_, err := e.Instantiate(t.Context(), m, engine.InstanceConfig{MemoryBytes: 1 << 20})
	wantFault(t, err, fault.GuestMemory)
}

func TestThousandInstances(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, hoarder())
	heap, _, _ := measure(t)
	all := make([]*engine.Instance, 1000)
	for n := range all {
		all[n] = instantiate(t, e, m, engine.InstanceConfig{})
		if _, err := all[n].Call(t.Context(), "grow", nil); err != nil {
			t.Fatal(err)
		}
	}
	after, _, _ := measure(t)
	t.Logf("an instance is %d bytes of heap", (after-heap)/1000)
	if s := e.Stats(); s.Idle != 1000 || s.MemoryBytes != 1000*33<<16 {
		t.Errorf("stats: %+v", s)
	}
	if each := (after - heap) / 1000; runtime.GOOS == "linux" && each > 64<<10 {
		t.Errorf("an instance takes %d bytes of the heap", each)
	}
}

// TestAbuse16FreshMemory: a guest never sees a byte of another, or of a guest
// that was before it.
func TestAbuse16FreshMemory(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, hoarder())
	cfg := engine.InstanceConfig{MemoryBytes: 8 << 20, CallTimeout: time.Minute}
	for round := range 8 {
		a := instantiate(t, e, m, cfg)
		if _, err := a.Call(t.Context(), "all", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Call(t.Context(), "fill", nil); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 { // half of them live on
			if err := a.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		b := instantiate(t, e, m, cfg)
		if _, err := b.Call(t.Context(), "all", nil); err != nil {
			t.Fatal(err)
		}
		for at := uint32(0); at < 8<<20; at += 1 << 20 {
			out, err := b.Call(t.Context(), "peek", binary.LittleEndian.AppendUint32(nil, at))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.IndexByte(out, 0xC5) >= 0 {
				t.Fatalf("round %d: a guest sees what another wrote, in the MiB at %#x", round, at)
			}
		}
	}
}

// TestHammerMemory closes guests while they write all over their memory, and
// while others read what they use.
func TestHammerMemory(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, hoarder())
	rounds := 100
	if testing.Short() {
		rounds = 20
	}
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for n := range rounds {
				i, err := e.Instantiate(t.Context(), m, engine.InstanceConfig{MemoryBytes: 4 << 20, Account: "acme"})
				if err != nil {
					t.Error(err)
					return
				}
				var both sync.WaitGroup
				both.Go(func() {
					for _, entry := range []string{"all", "fill", "peek", "fill"} {
						_, err := i.Call(context.Background(), entry, []byte{0, 0, 1, 0})
						if err != nil && !fault.Is(err, fault.Canceled) && !fault.Is(err, fault.GuestTrap) {
							t.Error(err)
						}
					}
				})
				both.Go(func() { _, _, _ = i.Usage(), e.Usage("acme"), e.Stats() })
				for range (worker + n) % 7 * 10 {
					runtime.Gosched()
				}
				if err := i.Close(t.Context()); err != nil {
					t.Error(err)
				}
				both.Wait()
			}
		})
	}
	group.Wait()
	if s, u := e.Stats(), e.Usage("acme"); s.MemoryBytes != 0 || u.MemoryBytes != 0 || u.Instances != 0 {
		t.Errorf("left behind: %+v, %+v", s, u)
	}
}
