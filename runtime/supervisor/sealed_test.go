package supervisor_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/store"
)

// places is a group that remembers where it may keep something, by owner.
type places struct {
	capability.Group

	mu  sync.Mutex
	had map[string]capability.Sealed
}

func (g *places) Open(ctx context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	g.mu.Lock()
	g.had[scope.Owner] = scope.Sealed
	g.mu.Unlock()
	return g.Group.Open(ctx, scope, args)
}

func (g *places) of(owner string) capability.Sealed {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.had[owner]
}

// TestGroupsKeepSomethingSealed, for each connector by itself, until it is deleted;
// what comes later than that is not kept.
func TestGroupsKeepSomethingSealed(t *testing.T) {
	seen := &places{had: map[string]capability.Sealed{}}
	r := newRig(t, withKeys, func(r *rig) {
		r.watch = func(g capability.Group) capability.Group {
			if g.Name() != "serial" {
				return g
			}
			seen.Group = g
			return seen
		}
	})
	digest := r.module("echo")
	var ids []string
	for _, name := range []string{"press", "oven"} {
		l := newLine(t)
		ids = append(ids, r.connect(control.ConnectorInput{
			Name: name, Module: digest, Grants: port(l.port), Config: config(t, map[string]any{"port": l.port}),
		}).ID)
		eventually(t, "it has opened its port", func() bool { return seen.of(ids[len(ids)-1]) != nil })
	}
	press, oven := seen.of(ids[0]), seen.of(ids[1])
	if err := press.Keep(t.Context(), "key", []byte("a private key")); err != nil {
		t.Fatal(err)
	}
	if value, found, err := press.Kept(t.Context(), "key"); !found || err != nil || string(value) != "a private key" {
		t.Errorf("kept %q %v %v", value, found, err)
	}
	if _, found, err := oven.Kept(t.Context(), "key"); found || err != nil {
		t.Errorf("the other connector has it, too: %v %v", found, err)
	}
	stored := func() (n int) {
		space, err := r.store.Tenant("plant")
		if err != nil {
			t.Fatal(err)
		}
		err = space.View(t.Context(), func(rd store.Reader) error {
			for e, err := range store.All(rd, store.Secrets, "") {
				if err != nil {
					return err
				}
				n++
				if strings.Contains(string(e.Value), "private") {
					t.Errorf("in the clear: %q", e.Value)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := stored(); n != 1 {
		t.Errorf("%d entries", n)
	}
	if got := r.plant().Vault().Mask().Text("a private key"); got != "a private key" {
		t.Errorf("masked to %q", got)
	}
	if err := r.tenant.DeleteConnector(t.Context(), ids[0], 0); err != nil {
		t.Fatal(err)
	}
	if err := press.Keep(t.Context(), "late", []byte("a private key")); err != nil {
		t.Error(err)
	}
	if n := stored(); n != 0 {
		t.Errorf("%d entries of a connector that is gone", n)
	}
}
