package engine_test

import (
	"context"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestInputArrivesBesideGuestsThatCompute: somebody who waits for input, here
// of a pipe, has it soon, though guests compute on all processors and Go's
// scheduler would not look for it for ten milliseconds.
func TestInputArrivesBesideGuestsThatCompute(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, tiny())
	ctx, end := context.WithCancel(t.Context())
	var guests sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		i := instantiate(t, e, m, engine.InstanceConfig{Link: allLinked(), Host: quiet{}, CallTimeout: time.Minute})
		guests.Go(func() {
			if _, err := i.Call(ctx, "spin", nil); !fault.Is(err, fault.Canceled) {
				t.Error(err)
			}
		})
		for i.Usage().Fuel < 2*engine.Slice {
			runtime.Gosched()
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	waits := make(chan time.Time)
	go func() {
		defer close(waits)
		for b := []byte{0}; ; {
			if _, err := r.Read(b); err != nil {
				return
			}
			waits <- time.Now()
		}
	}()
	var took []time.Duration
	timer := time.NewTimer(0)
	for range 100 {
		<-timer.C // now the reader waits for input
		timer.Reset(3 * time.Millisecond)
		begin := time.Now()
		if _, err := w.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
		took = append(took, (<-waits).Sub(begin))
	}
	end()
	guests.Wait()
	_ = w.Close()
	<-waits
	_ = r.Close()
	slices.Sort(took)
	t.Logf("input took %v, and %v at most", took[50], took[99])
	if took[50] > 3*time.Millisecond && !engine.RaceEnabled {
		t.Errorf("half of the input took more than %v", took[50])
	}
}

// TestGuestsComputeBesideABusyHost: guests are not held up by the looks for
// input while Go code of the host leaves no processor idle.
func TestGuestsComputeBesideABusyHost(t *testing.T) {
	if engine.RaceEnabled {
		t.Skip("it measures time")
	}
	e := newEngine(t)
	m := compile(t, e, tiny())
	ctx, end := context.WithTimeout(t.Context(), 2*time.Second)
	defer end()
	procs := runtime.GOMAXPROCS(0)
	var all sync.WaitGroup
	var native atomic.Int64 // rounds, so that they are not left out
	var guests []*engine.Instance
	for range procs {
		i := instantiate(t, e, m, engine.InstanceConfig{Link: allLinked(), Host: quiet{}, CallTimeout: time.Minute})
		guests = append(guests, i)
		all.Go(func() { _, _ = i.Call(ctx, "spin", nil) })
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				native.Store(int64(n))
			}
		})
	}
	all.Wait()
	var used time.Duration
	for _, i := range guests {
		used += i.Usage().CPU
	}
	t.Logf("%d guests had %v in 2 s", procs, used)
	if least := 2 * time.Second * time.Duration(procs) / 40; used < least {
		t.Errorf("%d guests had %v in 2 s beside as many goroutines of the host, want %v", procs, used, least)
	}
}
