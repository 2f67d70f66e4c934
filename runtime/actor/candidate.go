package actor

import (
	"context"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// candidate is a guest that has opened, with what open asked for.
type candidate struct {
	guest   *guest
	version Version
	opened  bool
	outcome []byte
}

// prepare makes a guest of this version and opens it as a candidate: it adopts
// the live sessions, may not write to them, and gets no events.
func (a *Actor) prepare(ctx context.Context, v Version, reason string) (*candidate, error) {
	g, err := a.candidate(ctx, v, reason)
	if err != nil {
		return nil, err
	}
	if v.Manifest.Mode == abi.ModeRun && reason == abi.ReasonSwap {
		return &candidate{guest: g, version: v}, nil // opened when it takes over
	}
	out, err := g.open(ctx, a.input(g, v, reason))
	if err != nil {
		a.discard(ctx, g)
		return nil, err
	}
	return &candidate{guest: g, version: v, opened: true, outcome: slices.Clone(out)}, nil
}

func (a *Actor) candidate(ctx context.Context, v Version, reason string) (*guest, error) {
	limits := v.Limits.Under(spec.Ceiling{})
	alone := reason != abi.ReasonSwap && reason != abi.ReasonTest && reason != abi.ReasonJob
	if alone {
		a.env.hold(limits)
	} else {
		a.env.holdFirst(limits)
	}
	g, err := a.env.newGuest(ctx, v.Module, &v.Manifest, v.config(), v.Connector.Grants, limits)
	if err != nil {
		return nil, err
	}
	g.candidate = !alone
	return g, nil
}

// input is what open and test are handed.
func (a *Actor) input(g *guest, v Version, reason string) abi.OpenInput {
	return abi.OpenInput{
		Connector: v.Connector.Name, Config: v.config(), Reason: reason, ABIMinor: abi.Minor,
		Groups: g.groupNames(), Cursor: a.position(), Lane: a.cfg.Lane,
		Devices: v.Devices[:min(len(v.Devices), abi.MaxDevices)], Revision: v.Connector.Revision, Set: v.Connector.Set,
	}
}

// position is the source's cursor, for a candidate that opens beside the lane.
func (a *Actor) position() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cursor
}

// discard drops a guest that never took over, and closes the sessions that it
// alone had opened.
func (a *Actor) discard(ctx context.Context, g *guest) {
	g.drop(ctx)
	a.closeUnused(ctx)
}

func (a *Actor) closeUnused(ctx context.Context) {
	if err := a.env.sessions.sweep(ctx); err != nil {
		a.cfg.Log.Warn("session not closed", "error", err)
	}
}

// Test makes a guest of this version beside whatever runs and asks it whether
// its connection works: by its test, else by its open. It may read the live
// sessions and not write to them, and is dropped afterwards. A failed test is
// a result, not an error.
func (a *Actor) Test(ctx context.Context, v Version) abi.TestResult {
	g, err := a.candidate(ctx, v, abi.ReasonTest)
	if err != nil {
		return failed(err)
	}
	defer a.discard(ctx, g)
	result, err := g.test(ctx, a.input(g, v, abi.ReasonTest))
	if fault.Is(err, fault.Unsupported) {
		result = abi.TestResult{Success: true, Message: "the module opens and closes; it has no test of its own"}
		_, err = g.open(ctx, a.input(g, v, abi.ReasonTest))
	}
	if err != nil {
		return failed(err)
	}
	g.close(ctx, abi.ReasonTest)
	return result
}

func failed(err error) abi.TestResult {
	f := fault.Of(err)
	return abi.TestResult{Message: f.Text, Details: []abi.Header{
		{Name: "code", Value: []byte(f.Kind.String())}, {Name: "hint", Value: []byte(f.Advice())},
	}}
}
