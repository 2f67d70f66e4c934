package engine_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestTrapStorm: dead guests leave nothing behind.
func TestTrapStorm(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, tiny())
	storm := func(n int) {
		for range n {
			i := instantiate(t, e, m, engine.InstanceConfig{Link: allLinked(), Host: &host{}})
			_, err := i.Call(t.Context(), "trap", make([]byte, 100))
			wantFault(t, err, fault.GuestTrap)
		}
	}
	measure := func() (heap uint64, goroutines int) {
		var s runtime.MemStats
		for range 3 {
			runtime.GC()
		}
		runtime.ReadMemStats(&s)
		return s.HeapAlloc, runtime.NumGoroutine()
	}
	storm(20)
	heap, goroutines := measure()
	begin := time.Now()
	storm(200)
	took := time.Since(begin)
	after, left := measure()
	t.Logf("200 traps in %v: heap %+d KiB, goroutines %+d", took, (int64(after)-int64(heap))>>10, left-goroutines)
	if grown := int64(after) - int64(heap); grown > 1<<20 {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
	if left > goroutines+2 {
		t.Errorf("%d goroutines became %d", goroutines, left)
	}
	if s := e.Stats(); s.Traps != 220 || s.Idle+s.Running != 0 || s.MemoryBytes != 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestHammerEngine(t *testing.T) {
	e := newEngine(t)
	other := tinyModule()
	other.Pages++
	binaries := [][]byte{tiny(), other.Bytes()}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for n := range 60 {
				m, err := e.Compile(t.Context(), binaries[(worker+n)%2])
				if err != nil {
					t.Error(err)
					return
				}
				i, err := e.Instantiate(t.Context(), m, engine.InstanceConfig{
					Link: allLinked(), Host: &host{}, CallTimeout: 30 * time.Second,
				})
				if err != nil {
					t.Error(err)
					return
				}
				if n%2 == 0 {
					_ = m.Close(t.Context())
				}
				hammer(t, i, n)
				_ = m.Close(t.Context())
				_ = e.Stats()
			}
		})
	}
	group.Wait()
	if s := e.Stats(); s.Modules != 0 || s.Idle+s.Running != 0 || s.MemoryBytes != 0 {
		t.Errorf("left behind: %+v", s)
	}
}

// hammer calls an instance while others look at it and close it.
func hammer(t *testing.T, i *engine.Instance, n int) {
	t.Helper()
	var group sync.WaitGroup
	if n%3 == 0 {
		group.Go(func() { _ = i.Close(t.Context()) })
	}
	group.Go(func() { _, _ = i.State(), i.Memory() })
	for k := range 5 {
		entry := []string{"echo", "call", "grow", "call_take", "spin"}[k]
		if entry == "spin" && n%3 != 0 {
			entry = "trap"
		}
		out, err := i.Call(t.Context(), entry, []byte("hammer"))
		switch {
		case err == nil && entry != "grow" && string(out) != "hammer":
			t.Errorf("%s answered %q", entry, out)
		case err != nil && n%3 != 0 && entry != "trap":
			t.Errorf("%s: %v", entry, err)
		}
	}
	group.Wait()
	_ = i.Close(t.Context())
}
