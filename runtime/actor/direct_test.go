package actor

import (
	"context"
	"log/slog"
	"testing"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// atlas is a group whose list needs no session, and whose open nobody calls.
type atlas struct{}

func (atlas) Name() string { return "atlas" }
func (atlas) Functions() []capability.Function {
	return []capability.Function{{Name: capability.OpenFunction, Right: spec.Read}, {Name: "list"}, {Name: "read", Right: spec.Read}}
}
func (atlas) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }
func (atlas) Open(context.Context, capability.Scope, []byte) (capability.Session, error) {
	return nil, fault.New(fault.Unsupported, "not opened here")
}
func (atlas) Direct(function string) bool { return function == "list" }
func (atlas) CallDirect(_ context.Context, scope capability.Scope, function string, in, out []byte) ([]byte, error) {
	return append(out[:0], function+" "+string(in)+" "+scope.Grants[0].Resources[0]...), nil
}

// A function that needs no session is served without a handle, within the grants
// of its group alone; the others are not.
func TestDirectFunctionsNeedNoHandle(t *testing.T) {
	g := &guest{
		surroundings: &surroundings{groups: capability.NewRegistry(atlas{}), log: slog.New(slog.DiscardHandler)},
		grants:       []spec.Grant{{Group: "other", Resources: []string{"x"}}, {Group: "atlas", Resources: []string{"maps"}}},
	}
	if got, err := g.serve(t.Context(), end{}, "atlas", "list", []byte("all"), nil); err != nil || string(got) != "list all maps" {
		t.Errorf("list: %q, %v", got, err)
	}
	if _, err := g.serve(t.Context(), end{}, "atlas", "read", nil, nil); err == nil {
		t.Error("read was served without a handle")
	}
}
