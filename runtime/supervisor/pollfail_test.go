package supervisor_test

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestPollsThatFailAreShown: a connector whose polls fail one after the other is
// degraded and says why, is asked less often, and runs again with the first that
// succeeds.
func TestPollsThatFailAreShown(t *testing.T) {
	r := newRig(t, withKeys)
	in := control.ConnectorInput{
		Name: "blabber", Module: r.module("blabber"), Config: []byte(`{"password":"x","end":"refuse"}`),
		Grants: []spec.Grant{{Group: "file", Resources: []string{"/granted/*"}, Rights: []spec.Right{spec.Read}}},
	}
	v := r.connect(in)
	st := r.state(v.ID, lifecycle.Degraded)
	if !strings.HasPrefix(st.Reason, "polls fail: ") || st.Restarts != 0 {
		t.Errorf("status %+v", st)
	}
	in.Config = []byte(`{"password":"x"}`)
	r.update(v.ID, in)
	if st := r.until(v.ID, "running", func(s lifecycle.Status) bool { return s.State == lifecycle.Running }); st.Reason != "" {
		t.Errorf("status %+v", st)
	}
}
