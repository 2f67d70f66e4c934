package actor

import (
	"context"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// A dry run works on the live sessions, and takes nothing from them that the
// guest that runs would miss. Nor does a candidate for a swap.
func TestDryRunsAndCandidatesConsumeNothing(t *testing.T) {
	t.Parallel()
	g := &guest{
		surroundings: &surroundings{groups: capability.NewRegistry(box{}), sessions: newSessions()},
		handles:      []*session{{group: "box", resource: "box", calls: newGate(), end: drawn{}}},
	}
	draw := func(own end) error {
		_, err := g.serve(t.Context(), own, "box", "draw", abi.Handle{Handle: 1}.Append(nil), nil)
		return err
	}
	for name, own := range map[string]end{"a handle": {}, "a session of its own": {Session: drawn{}}} {
		g.rehearsal = nil
		if err := draw(own); err != nil {
			t.Errorf("%s: the guest that runs may not: %v", name, err)
		}
		g.rehearsal = &rehearsal{}
		if err := draw(own); !fault.Is(err, fault.Interlocked) {
			t.Errorf("%s: in a dry run it is answered %v", name, err)
		}
		g.rehearsal, g.candidate, g.refusals = nil, true, &refusals{tell: func(Refusal) {}, kinds: map[Refusal]*refusalKind{}}
		if err := draw(own); !fault.Is(err, fault.NotActive) {
			t.Errorf("%s: a candidate is answered %v", name, err)
		}
		g.candidate = false
	}
}

// drawn is a session that anything can be drawn from.
type drawn struct{ stuck }

func (drawn) Call(_ context.Context, _ string, _, out []byte) ([]byte, error) { return out[:0], nil }

// pen is a group that writes.
type pen struct{ box }

func (pen) Name() string { return "pen" }

func (pen) Functions() []capability.Function {
	return []capability.Function{{Name: capability.OpenFunction}, {Name: "put", Right: spec.Write}}
}

// A candidate writes nothing, and what it is not granted it is told: a test would
// else pass that the guest which runs fails at once.
func TestCandidatesLearnWhatTheyLack(t *testing.T) {
	t.Parallel()
	g := &guest{
		surroundings: &surroundings{groups: capability.NewRegistry(pen{}), sessions: newSessions()},
		handles:      []*session{{group: "pen", resource: "blue", calls: newGate(), end: drawn{}}},
		candidate:    true,
	}
	g.refusals = &refusals{tell: func(Refusal) {}, kinds: map[Refusal]*refusalKind{}}
	put := func() error {
		_, err := g.serve(t.Context(), end{}, "pen", "put", abi.Handle{Handle: 1}.Append(nil), nil)
		return err
	}
	for _, c := range []struct {
		rights []spec.Right
		want   fault.Kind
	}{{[]spec.Right{spec.Read}, fault.Denied}, {[]spec.Right{spec.Read, spec.Write}, fault.NotActive}} {
		g.grants = []spec.Grant{{Group: "pen", Resources: []string{"blue"}, Rights: c.rights}}
		if err := put(); !fault.Is(err, c.want) {
			t.Errorf("with the rights %v a candidate is answered %v", c.rights, err)
		}
	}
}
