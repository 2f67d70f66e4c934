package supervisor

import (
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// TestVerdictOfLanes: what may come back does not fail a test of which a part has
// passed; what somebody has to mend does, and is what the message names.
func TestVerdictOfLanes(t *testing.T) {
	good := laneTest{lane: "good", made: true, result: abi.TestResult{Success: true, Message: "it opens"}}
	failing := func(lane, code string) laneTest {
		return laneTest{lane: lane, made: true, result: abi.TestResult{Message: "no: " + code, Details: []abi.Header{{Name: "code", Value: []byte(code)}, {Name: "hint", Value: []byte("mend " + code)}}}}
	}
	for _, c := range []struct {
		name, message string
		tests         []laneTest
		rest          int
		success       bool
	}{
		{"one", "no: denied", []laneTest{failing("a", "denied")}, 0, false},
		{"all pass", "2 of 2 lanes pass", []laneTest{good, good}, 0, true},
		{"one is away", "1 of 2 lanes pass; away: no: timeout", []laneTest{failing("away", "timeout"), good}, 0, true},
		{"all are away", "0 of 2 lanes pass; away: no: timeout", []laneTest{failing("away", "timeout"), failing("too", "timeout")}, 0, false},
		{"one is not granted", "1 of 3 lanes pass; far: no: denied", []laneTest{failing("away", "timeout"), good, failing("far", "denied")}, 0, false},
		{"one's network is not granted", "1 of 2 lanes pass; far: no: egress_forbidden", []laneTest{good, failing("far", "egress_forbidden")}, 0, false},
		{"one names itself", "1 of 2 lanes pass; no: far", []laneTest{good, failing("no", "far")}, 0, true},
		{"one is wrong", "1 of 2 lanes pass; far: no: invalid_config", []laneTest{good, failing("far", abi.CodeInvalidConfig)}, 0, false},
		{"out of time", "1 of 1 lanes pass; 7 more are not tested", []laneTest{good, {lane: "late"}}, 7, true},
	} {
		got := verdictOf(c.tests, c.rest)
		if got.Success != c.success || got.Message != c.message {
			t.Errorf("%s: %v, %q; want %v, %q", c.name, got.Success, got.Message, c.success, c.message)
		}
	}
}
