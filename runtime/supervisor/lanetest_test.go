package supervisor_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestTestsEachEndpoint: the test of a connector whose endpoints have lanes opens
// each of them with its devices. One that opens is enough, and the others are named;
// what is beyond the bound is not tested, and counted.
func TestTestsEachEndpoint(t *testing.T) {
	r := newRig(t)
	digest := r.census(func(m *abi.Manifest) { m.Lanes = "endpoint" })
	v, err := r.tenant.CreateConnector(t.Context(), control.ConnectorInput{Name: "plant", Module: digest, Config: []byte(`{"refuse":"line2"}`)})
	if err != nil {
		t.Fatal(err)
	}
	test := func() control.TestResult {
		t.Helper()
		result, err := r.tenant.TestConnector(t.Context(), v.ID)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	r.put(v.ID, spec.Device{ID: "a", Endpoint: "line2"})
	if got := test(); got.Success || !strings.Contains(got.Message, "the lane line2 was told not to open") {
		t.Errorf("with the one that does not open: %+v", got)
	}
	r.put(v.ID, spec.Device{ID: "b", Endpoint: "line1"}, spec.Device{ID: "c", Endpoint: "line1"})
	got := test()
	if !got.Success || !strings.Contains(got.Message, "1 of 2 lanes pass; ") || !strings.Contains(got.Details["line2"], "told not to open") {
		t.Errorf("with one that opens: %+v", got)
	}
	for n := range 20 {
		r.put(v.ID, spec.Device{ID: fmt.Sprintf("d%02d", n), Endpoint: fmt.Sprintf("far%02d", n)})
	}
	if got := test(); !got.Success || !strings.Contains(got.Message, "15 of 16 lanes pass") || !strings.HasSuffix(got.Message, "; 6 more are not tested") {
		t.Errorf("with many: %+v", got)
	}
	if _, err := r.tenant.Activate(t.Context(), v.ID); err != nil { // and so it starts
		t.Error(err)
	}
}
