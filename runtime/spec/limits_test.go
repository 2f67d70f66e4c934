package spec_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/spec"
)

// TestLimitTableIsWhole: each field of Limits has its row, under its name in
// JSON, with a default inside of its range, and is read and set by it.
func TestLimitTableIsWhole(t *testing.T) {
	table := spec.LimitTable()
	byName := map[string]spec.Limit{}
	for _, d := range table {
		byName[d.Name] = d
		if d.Default < d.Min || d.Default > d.Max || d.Unit == "" || d.Sentence == "" {
			t.Errorf("%+v", d)
		}
		var l spec.Limits
		if d.Set(&l, d.Max); d.Of(&l) != d.Max {
			t.Errorf("%s was set to %g and is %g", d.Name, d.Max, d.Of(&l))
		}
	}
	for field := range reflect.TypeFor[spec.Limits]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if _, ok := byName[name]; !ok && name != "timeouts" {
			t.Errorf("%s is not in the table", name)
		}
	}
}

// TestUnder: defaults where nothing is set, and nothing above the ceiling.
func TestUnder(t *testing.T) {
	got := spec.Limits{}.Under(spec.Ceiling{})
	for _, d := range spec.LimitTable() {
		if d.Of(&got) != d.Default {
			t.Errorf("%s is %g, want the default of %g", d.Name, d.Of(&got), d.Default)
		}
	}
	second := spec.Duration(time.Second)
	low := spec.Ceiling{MemoryBytes: 32 << 20, CPU: 0.5, Connector: spec.Limits{CallTimeout: second, KVBytes: 4096}}
	got = spec.Limits{
		KVBytes: 1 << 20, Timeouts: map[string]spec.Duration{"poll": 3 * second, "test": second / 2, "open": second, "close": 0},
	}.Under(low)
	want := map[string]spec.Duration{"poll": second, "test": second / 2}
	if got.MemoryBytes != 32<<20 || got.CPU != 0.5 || got.CallTimeout != second || got.KVBytes != 4096 || !reflect.DeepEqual(got.Timeouts, want) {
		t.Errorf("%+v", got)
	}
	if again := got.Under(low); !reflect.DeepEqual(again, got) {
		t.Errorf("%+v became %+v", got, again)
	}
}

// TestCeilingBehindAnother: the tenant's word counts, and the server's where it
// has none.
func TestCeilingBehindAnother(t *testing.T) {
	server := spec.Ceiling{MemoryBytes: 1 << 30, CPU: 2, Connector: spec.Limits{StackWords: 4096, KVBytes: 4096}}
	got := spec.Ceiling{CPU: 0.5, Connector: spec.Limits{KVBytes: 8192}}.Or(server)
	want := spec.Ceiling{MemoryBytes: 1 << 30, CPU: 0.5, Connector: spec.Limits{StackWords: 4096, KVBytes: 8192}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
