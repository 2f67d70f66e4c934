package actor

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestConverterThatHasGrownIsReplaced between two calls, and one with limits of
// its own is another converter.
func TestConverterThatHasGrownIsReplaced(t *testing.T) {
	g, _ := openedFrame(t, 1)
	opened := g.inst.Memory()
	large := abi.Batch{}
	for range 250 {
		large.Records = append(large.Records, abi.Record{Device: "d", Payload: append([]byte("102498"), make([]byte, 4000)...)})
	}
	in := large.Append(nil)
	_, _ = g.call(t.Context(), abi.EntryConvert, in) // what comes of it does not matter: the input is large
	grown := g.inst.Memory()
	if grown <= opened+opened/4 {
		t.Fatalf("the guest has grown from %d to %d bytes only", opened, grown)
	}
	c := NewConverters(ConvertersConfig{
		Engine: g.engine, Groups: capability.NewRegistry(), Tenant: "plant", Log: slog.New(slog.DiscardHandler),
		Line: func(abi.LogLevel, string, string, string) {},
	})
	config := json.RawMessage(`{"fields":[{"name":"temperature","from":0,"to":2,"type":"int"}]}`)
	for _, tt := range []struct {
		limit    uint64
		recycled uint64
	}{{grown * 5 / 4, 1}, {grown * 3, 1}} { // near its limit; far from it
		m, err := g.engine.Compile(t.Context(), textframe(t))
		if err != nil {
			t.Fatal(err)
		}
		conv, release, err := c.Converter(t.Context(), m, abi.Manifest{}, config, spec.Limits{MemoryBytes: tt.limit})
		if err != nil {
			t.Fatal(err)
		}
		defer release(t.Context())
		_, _ = conv.Convert(t.Context(), in)
		if got := c.Stats().Recycled; got != tt.recycled {
			t.Errorf("with %d bytes as its limit: %d were replaced, want %d", tt.limit, got, tt.recycled)
		}
	}
	if n := c.Stats().Pools; n != 2 {
		t.Errorf("%d converters, want one for each limit", n)
	}
}
