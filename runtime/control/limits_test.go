package control_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestEveryLimitHasARange: each limit of the table is refused beyond its
// range, at its place, and taken at both ends of it; so is a converter's.
func TestEveryLimitHasARange(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", `{}`)
	conv := r.tiny(abi.KindConverter, "conv", `{}`)
	for _, d := range spec.LimitTable() {
		for _, v := range []float64{d.Min, d.Max} {
			in := control.ConnectorInput{Name: fmt.Sprint(d.Name, v), Module: con}
			d.Set(&in.Limits, v)
			if _, err := r.CreateConnector(t.Context(), in); err != nil {
				t.Errorf("%s of %g: %v", d.Name, v, err)
			}
		}
		beyond := []float64{math.Nextafter(d.Max, math.Inf(1)) + 1}
		if d.Min > 1 || d.Unit == spec.Seconds {
			beyond = append(beyond, d.Min/2)
		}
		for _, v := range beyond {
			in := control.ConnectorInput{Name: "c", Module: con, Converter: &spec.Converter{Module: conv}}
			d.Set(&in.Limits, v)
			d.Set(&in.Converter.Limits, v)
			_, err := r.CreateConnector(t.Context(), in)
			f := wanted(t, err, fault.ConfigInvalid)
			if got := pointers(f.Fields); !slices.Equal(got, []string{"/converter/limits/" + d.Name, "/limits/" + d.Name}) {
				t.Errorf("%s of %g: faults at %q", d.Name, v, got)
			}
		}
	}
}

func TestTimeoutsAreOfKnownEntryPoints(t *testing.T) {
	r := newRig(t)
	con := r.tiny(abi.KindConnector, "con", `{}`)
	in := control.ConnectorInput{Name: "c", Module: con, Limits: spec.Limits{Timeouts: map[string]spec.Duration{
		"on_events": spec.Duration(time.Hour), "open": spec.Duration(time.Second), "poll": spec.Duration(time.Second), "a/b": 1,
	}}}
	_, err := r.CreateConnector(t.Context(), in)
	f := wanted(t, err, fault.ConfigInvalid)
	if got := pointers(f.Fields); !slices.Equal(got, []string{"/limits/timeouts/a~1b", "/limits/timeouts/on_events", "/limits/timeouts/open"}) {
		t.Errorf("faults at %q", got)
	}
}

// TestAboveTheCeiling: all that is above is named at once, with what the tenant
// may have, and what is not above is taken.
func TestAboveTheCeiling(t *testing.T) {
	r := newRigUnder(t, spec.Ceiling{
		MemoryBytes: 256 << 20, CPU: 0.5,
		Connector: spec.Limits{CallTimeout: spec.Duration(2 * time.Second), KVBytes: 4096},
	})
	con := r.tiny(abi.KindConnector, "con", `{}`)
	in := control.ConnectorInput{Name: "c", Module: con, Limits: spec.Limits{
		MemoryBytes: 512 << 20, CPU: 0.75, CallTimeout: spec.Duration(3 * time.Second), KVBytes: 5000, StackWords: 4096,
		Timeouts: map[string]spec.Duration{"poll": spec.Duration(4 * time.Second), "test": spec.Duration(time.Second)},
	}}
	_, err := r.CreateConnector(t.Context(), in)
	f := wanted(t, err, fault.AboveCeiling)
	want := []string{"/limits/call_timeout", "/limits/cpu", "/limits/kv_bytes", "/limits/memory_bytes", "/limits/timeouts/poll"}
	if got := pointers(f.Fields); !slices.Equal(got, want) {
		t.Fatalf("faults at %q, want %q", got, want)
	}
	if d := f.Fields[0].Detail; f.Fields[0].Pointer != "/limits/memory_bytes" || !strings.Contains(d, "268435456") {
		t.Errorf("%q does not say what may be had", d)
	}
	in.Limits = spec.Limits{MemoryBytes: 128 << 20, CPU: 0.25, CallTimeout: spec.Duration(time.Second)}
	in.Config = json.RawMessage(`{}`)
	if _, err := r.CreateConnector(t.Context(), in); err != nil {
		t.Error(err)
	}
}

// TestTenantLimits shows the ceiling and what is used of it.
func TestTenantLimits(t *testing.T) {
	r := newRigUnder(t, spec.Ceiling{MemoryBytes: 32 << 20, CPU: 0.5})
	l, err := r.Limits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Limits) != 2 || l.Limits[0].Name != spec.LimitMemory || l.Limits[0].Limit != 32<<20 || l.Limits[1].Limit != 0.5 {
		t.Errorf("%+v", l.Limits)
	}
	for _, b := range l.Connector {
		if b.Name == spec.LimitMemory && (b.Most != 32<<20 || b.Default != 32<<20) {
			t.Errorf("a connector may have %+v", b)
		}
	}
}
