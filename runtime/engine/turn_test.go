package engine_test

import (
	"context"
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// A guest counts as one that computes while it uses up slices: not while it
// waits for the host, and not when its call is over, however that ended.
func TestComputingGuestsAreCounted(t *testing.T) {
	var waiting []int32
	var e *engine.Engine
	h := &host{serve: func(_ context.Context, _, out []byte) ([]byte, error) {
		waiting = append(waiting, e.Computing())
		return out, nil
	}}
	e, i := start(t, h)
	idle := func(after string) {
		t.Helper()
		if n := e.Computing(); n != 0 {
			t.Errorf("after %s %d guests compute", after, n)
		}
	}
	in := make([]byte, 32)
	binary.LittleEndian.PutUint32(in, 200) // enough to use up slices
	if _, err := i.Call(t.Context(), "calls", in); err != nil {
		t.Fatal(err)
	}
	for _, n := range waiting {
		if n != 0 {
			t.Fatalf("in a host call %d guests compute", n)
		}
	}
	idle("host calls")
	if _, err := i.Call(t.Context(), "loop", in); err != nil {
		t.Fatal(err)
	}
	idle("a long call")

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := i.Call(ctx, "spin", nil)
		done <- err
	}()
	for until := time.Now().Add(time.Minute); e.Computing() != 1; runtime.Gosched() {
		if time.Now().After(until) {
			t.Fatal("a guest that spins does not compute")
		}
	}
	cancel()
	wantFault(t, <-done, fault.Canceled)
	idle("a kill")
}
