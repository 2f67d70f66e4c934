package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// gated compiles when the file is gone that it leaves in a folder.
func gated(args []string) int {
	gate := filepath.Join(args[0], strconv.Itoa(os.Getpid()))
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		return 70
	}
	for tick := time.Tick(5 * time.Millisecond); ; <-tick {
		if _, err := os.Stat(gate); err != nil {
			break
		}
	}
	return engine.CompileWorker(context.Background(), args[1:], os.Stdin, os.Stderr)
}

// TestAFloodOfModulesHoldsUpAnotherTenantByOne: with two processes and one
// account that has a lot to compile, another's module is the next one; and the
// account pays for the time that it waited.
func TestAFloodOfModulesHoldsUpAnotherTenantByOne(t *testing.T) {
	gates := t.TempDir()
	e := newOutside(t, engine.Config{Worker: append(worker(t, "gated"), gates)})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	costs := make(chan time.Duration, 5)
	for n := range cap(costs) {
		all.Go(func() {
			_, cost, err := e.CompileFor(ctx, "flood", distinct(tiny(), n))
			if err == nil {
				costs <- cost
			} else if !fault.Is(err, fault.Canceled) {
				t.Error(err)
			}
		})
	}
	open := func() []string { return filesIn(t, gates) }
	eventually(t, func() bool { return len(open()) == 2 })
	first := open()
	done := make(chan error, 1)
	all.Go(func() { _, _, err := e.CompileFor(ctx, "other", distinct(tiny(), 99)); done <- err })
	eventually(t, func() bool { return e.WaitingToCompile() == 2 })
	const wait = 500 * time.Millisecond
	began := time.Now()
	eventually(t, func() bool { return time.Since(began) > wait })
	pass(t, first[0])
	if cost := <-costs; cost < wait {
		t.Errorf("the other waited for %v, and the flood paid for %v", wait, cost)
	}
	eventually(t, func() bool { return len(open()) == 2 })
	for _, gate := range open() {
		if gate != first[1] {
			pass(t, gate)
		}
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-costs:
		t.Error("another of the flood's was before it")
	}
}

func pass(t *testing.T, gate string) {
	t.Helper()
	if err := os.Remove(gate); err != nil {
		t.Error(err)
	}
}
