package actor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/spec"
)

// openedFrame is the shipped converter textframe as an actor holds it, opened,
// and a batch of frames for it.
func openedFrame(tb testing.TB, records int) (*guest, []byte) {
	tb.Helper()
	wasm := textframe(tb)
	e, err := engine.New(tb.Context(), engine.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	m, err := e.Compile(tb.Context(), wasm)
	if err != nil {
		tb.Fatal(err)
	}
	s := &surroundings{
		engine: e, groups: capability.NewRegistry(), tenant: "plant", account: "plant/c", log: slog.New(slog.DiscardHandler),
		quota: newQuota(), refusals: &refusals{tell: func(Refusal) {}}, line: func(abi.LogLevel, string, string, string) {},
	}
	limits := spec.Limits{}.Under(spec.Ceiling{})
	s.hold(limits)
	g, err := s.newGuest(tb.Context(), m, &abi.Manifest{}, nil, nil, limits)
	if err != nil {
		tb.Fatal(err)
	}
	config := json.RawMessage(`{"fields":[{"name":"temperature","from":0,"to":2,"type":"int"}]}`)
	if _, err := g.open(tb.Context(), abi.OpenInput{Config: config, Reason: abi.ReasonStart}); err != nil {
		tb.Fatal(err)
	}
	var b abi.Batch
	for i := range records {
		b.Records = append(b.Records, abi.Record{Device: "weather-1", Time: int64(i), Payload: fmt.Appendf(nil, "%02d2498\n", 10+i%90)})
	}
	return g, b.Append(nil)
}

func textframe(tb testing.TB) []byte {
	tb.Helper()
	wasm, err := os.ReadFile("../../connectors-wasm/dist/textframe.wasm")
	if err != nil {
		tb.Fatal("textframe.wasm is not built: run `make wasm`")
	}
	return wasm
}

// TestCallCostsNoAllocation: in the steady state the host's side of a step
// allocates nothing, deadline, account and limits included.
func TestCallCostsNoAllocation(t *testing.T) {
	g, in := openedFrame(t, 16)
	var last []byte
	call := func() {
		out, err := g.call(t.Context(), abi.EntryConvert, in)
		if err != nil {
			t.Fatal(err)
		}
		last = out
	}
	call()
	first := bytes.Clone(last)
	if got := testing.AllocsPerRun(200, call); got != 0 {
		t.Errorf("%g allocations a call", got)
	}
	if !bytes.Equal(first, last) {
		t.Error("the answers differ")
	}
}

// BenchmarkCall compares a call under the engine's deadline with one under a
// context made for it.
func BenchmarkCall(b *testing.B) {
	g, in := openedFrame(b, 1)
	b.Run("engine", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := g.call(b.Context(), abi.EntryConvert, in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("context", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithTimeout(b.Context(), time.Second)
			_, err := g.call(ctx, abi.EntryConvert, in)
			cancel()
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
