package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// The bounds of a test of a connector whose devices have lanes of their own. An
// endpoint that is away costs the time that its opening may take.
const (
	testedLanes = 16
	testTime    = 20 * time.Second
)

// laneTest is what the test of one lane is handed, and what it came to.
type laneTest struct {
	lane    string
	devices []abi.Device
	result  abi.TestResult
	made    bool
}

// Test tests a connector: beside the guest that runs, or in a sandbox that
// lives as long as the test. One with lanes for its devices or endpoints is tested
// for each of them, with its devices. Two are made at once, on the tenant's account;
// others wait for their turn, for half a minute at most (fault.Exhausted).
func (t *Tenant) Test(ctx context.Context, c *spec.Connector) (abi.TestResult, error) {
	free, err := t.tests.take(ctx)
	if err != nil {
		return abi.TestResult{}, err
	}
	defer free()
	v, release, err := t.version(ctx, c)
	if err != nil {
		return abi.TestResult{}, err
	}
	defer release(context.WithoutCancel(ctx))
	tests, rest, err := t.laneTests(ctx, c, v.Manifest.Lanes)
	if err != nil {
		return abi.TestResult{}, err
	}
	began := time.Now()
	for i := range tests {
		p := &tests[i]
		if i > 0 && time.Since(began) > testTime {
			rest += len(tests) - i
			break
		}
		v.Devices = p.devices
		if p.result, err = t.try(ctx, c.ID, p.lane, v); err != nil {
			return abi.TestResult{}, err
		}
		p.made = true
	}
	return t.maskedTest(verdictOf(tests, rest)), nil
}

// laneTests are the lanes to test, at least one, and how many there are beyond the bound.
func (t *Tenant) laneTests(ctx context.Context, c *spec.Connector, kind string) (list []laneTest, rest int, err error) {
	if kind != laneDevice && kind != laneEndpoint {
		return make([]laneTest, 1), 0, nil
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		list, rest = nil, 0
		at, over := map[string]int{}, map[string]bool{}
		for d, err := range t.devices.Here(r, c.ID) {
			if err != nil {
				return err
			}
			name := d.ID
			if kind == laneEndpoint {
				name = d.Endpoint
			}
			i, known := at[name]
			switch {
			case !served(&d):
				continue
			case !known && len(list) == testedLanes:
				over[name] = true
				continue
			case !known:
				i = len(list)
				at[name], list = i, append(list, laneTest{lane: name})
			}
			if len(list[i].devices) < abi.MaxDevices {
				list[i].devices = append(list[i].devices, toldOf(&d))
			}
		}
		rest = len(over)
		return nil
	})
	if len(list) == 0 {
		list = make([]laneTest, 1) // it has no device yet, and its config is to be looked through all the same
	}
	return list, rest, err
}

// try tests one lane.
func (t *Tenant) try(ctx context.Context, id, lane string, v actor.Version) (abi.TestResult, error) {
	t.mu.Lock()
	r, ok := t.runners[id]
	t.mu.Unlock()
	if ok {
		if a := r.beside(lane); a != nil {
			return a.Test(ctx, v), nil
		}
	}
	h := t.newHost(id)
	if err := h.countKept(ctx); err != nil {
		return abi.TestResult{}, err
	}
	a := t.newSandbox(id, lane, "/test", h)
	defer func() {
		if err := a.Close(ctx); err != nil {
			t.notes.Warn("session not closed", "connector", id, "error", err)
		}
	}()
	return a.Test(ctx, v), nil
}

// beside is the actor beside which a lane is tested: its own, because a line has one
// owner; for what is of no lane any that runs; nil: there is none.
func (r *runner) beside(lane string) *actor.Actor {
	if lane == "" {
		return r.some()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lanes[lane]; l != nil {
		return l.actor
	}
	return nil
}

// verdictOf puts the tests of lanes together. What is away may come back, so that
// one lane that passes is enough; what only a person mends fails the test wherever
// it is.
func verdictOf(tests []laneTest, rest int) abi.TestResult {
	if len(tests) == 1 && rest == 0 {
		return tests[0].result
	}
	all := abi.TestResult{}
	made, passed, fatal := 0, 0, false
	first := -1
	for i := range tests {
		p := &tests[i]
		if !p.made {
			continue
		}
		made++
		if p.result.Success {
			passed++
			all.Details = append(all.Details, p.result.Details...)
			continue
		}
		mends := mendedByHand(&p.result)
		if first < 0 || mends && !fatal {
			first = i // what somebody has to mend is named before what may pass
		}
		fatal = fatal || mends
		all.Details = append(all.Details, abi.Header{Name: p.lane, Value: []byte(p.result.Message)})
	}
	all.Success = passed > 0 && !fatal
	all.Message = fmt.Sprintf("%d of %d lanes pass", passed, made)
	if first >= 0 {
		p := &tests[first]
		all.Message += "; "
		if !strings.Contains(p.result.Message, p.lane) {
			all.Message += p.lane + ": "
		}
		all.Message += p.result.Message
		all.Details = append(all.Details, adviceOf(&p.result)...)
	}
	if rest > 0 {
		all.Message += fmt.Sprintf("; %d more are not tested", rest)
	}
	return all
}

// mendedByHand reports whether a test failed at what was configured or granted, as the
// host says it or the module.
func mendedByHand(r *abi.TestResult) bool {
	return slices.ContainsFunc(r.Details, func(h abi.Header) bool {
		if h.Name != codeDetail {
			return false
		}
		switch string(h.Value) {
		case fault.Denied.String(), fault.EgressForbidden.String(), fault.ConfigInvalid.String(), abi.CodeInvalidConfig:
			return true
		}
		return false
	})
}

// codeDetail is the detail that has the code of a failure.
const codeDetail = "code"

// adviceOf are the details that say what a failure is and what to do.
func adviceOf(r *abi.TestResult) (list []abi.Header) {
	for _, h := range r.Details {
		if h.Name == codeDetail || h.Name == "hint" {
			list = append(list, h)
		}
	}
	return list
}
