package engine_test

import (
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestAbuse15TrapStorm: dead guests leave nothing behind.
func TestAbuse15TrapStorm(t *testing.T) {
	traps := 100_000
	if testing.Short() || engine.RaceEnabled {
		traps = 2000
	}
	e := newEngine(t)
	m := compile(t, e, tiny())
	cfg := engine.InstanceConfig{Link: allLinked(), Host: quiet{}, Account: "acme"}
	in := make([]byte, 100)
	storm := func(n int) {
		for range n {
			i, err := e.Instantiate(t.Context(), m, cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = i.Call(t.Context(), "trap", in)
			wantFault(t, err, fault.GuestTrap)
		}
	}
	storm(200)
	heap, mapped, goroutines := measure(t)
	begin := time.Now()
	storm(traps)
	took := time.Since(begin)
	after, mappedAfter, left := measure(t)
	t.Logf("%d traps in %v: heap %+d KiB, address space %+d KiB, goroutines %+d", traps, took,
		(after-heap)>>10, (mappedAfter-mapped)>>10, left-goroutines)
	if after-heap > 1<<20 {
		t.Errorf("the heap grew by %d KiB", (after-heap)>>10)
	}
	// A thread that the system starts meanwhile maps 72 MiB for itself; one
	// instance of a hundred that kept its memory would map 64 GiB.
	if mappedAfter-mapped > 16*engine.DefaultMemoryBytes {
		t.Errorf("%d KiB are mapped that were not", (mappedAfter-mapped)>>10)
	}
	if left > goroutines+2 {
		t.Errorf("%d goroutines became %d", goroutines, left)
	}
	if s := e.Stats(); s.Traps != uint64(traps+200) || s.Idle+s.Running != 0 || s.MemoryBytes != 0 {
		t.Errorf("stats: %+v", s)
	}
	if u := e.Usage("acme"); u.Instances != 0 || u.MemoryBytes != 0 || u.Fuel == 0 {
		t.Errorf("usage: %+v", u)
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
