package actor

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// converting is a lane whose step has one record, with that choice of
// converters.
func converting(c *Choice) *lane {
	l := &lane{Actor: &Actor{env: &surroundings{quota: newQuota()}}, version: Version{Converters: c}}
	batch := abi.Batch{Records: []abi.Record{{Device: "d", Kind: abi.KindTelemetry, Payload: []byte("7")}}}
	l.view.Batch = batch.Append(nil)
	return l
}

// What has no converters costs a step what it does without a choice of them,
// and the step that follows a change of them follows it.
func TestStepWithoutConverters(t *testing.T) {
	c := NewChoice(Conversions{}, nil, &Captured{})
	l := converting(c)
	convert := func() outbox.Block {
		t.Helper()
		var b outbox.Block
		if err := l.convert(t.Context(), &b, &tally{}); err != nil || b.Count != 1 {
			t.Fatalf("%d records: %v", b.Count, err)
		}
		return b
	}
	allocated := func() float64 { return testing.AllocsPerRun(100, func() { convert() }) }
	if n := allocated(); n > 2 {
		t.Errorf("without converters a step costs %v allocations", n)
	}
	for _, tt := range []struct {
		now  Conversions
		with bool
	}{
		{Conversions{Default: NewChain(suffix{text: "-made"})}, true},
		{Conversions{}, false},
		{Conversions{Devices: map[string]*Chain{"d": NewChain(suffix{text: "-made"})}}, true},
	} {
		c.Replace(t.Context(), tt.now, nil)
		if b := convert(); strings.Contains(string(b.Records), "7-made") != tt.with {
			t.Errorf("with %+v the step keeps %q", tt.now, b.Records)
		}
	}
	c.Close(t.Context())
	if b := convert(); strings.Contains(string(b.Records), "made") {
		t.Errorf("behind the end of the choice a step keeps %q", b.Records)
	}
}

func BenchmarkStepWithoutConverters(b *testing.B) {
	for name, c := range map[string]*Choice{"none": nil, "empty": NewChoice(Conversions{}, nil, &Captured{})} {
		b.Run(name, func(b *testing.B) {
			l := converting(c)
			b.ReportAllocs()
			for b.Loop() {
				var block outbox.Block
				if err := l.convert(b.Context(), &block, &tally{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
