package supervisor_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestPurse: a tenant has a quarter of what there is, and leaves the rest to the
// others.
func TestPurse(t *testing.T) {
	r := newRig(t)
	if err := r.super.AddTenant(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	second, err := r.super.Tenant("other")
	if err != nil {
		t.Fatal(err)
	}
	own, others := r.plant().Purse(), second.Purse()
	at := func(p capability.Purse) (func(), error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		return p.Request(ctx)
	}
	var last func()
	for range egress.Concurrent / 4 {
		if last, err = at(own); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := at(own); !fault.Is(err, fault.Exhausted) {
		t.Errorf("one more than a quarter: %v", err)
	}
	if _, err := at(others); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	last()
	if _, err := at(own); err != nil {
		t.Errorf("when one has ended: %v", err)
	}
	if err := own.Hold(capability.MaxHeld / 4); err != nil {
		t.Errorf("a quarter: %v", err)
	}
	if held, other := r.plant().Held(), second.Held(); held < capability.MaxHeld/4 || other >= held {
		t.Errorf("%d bytes are held for the one, and %d for the other", held, other)
	}
	if err := own.Hold(1); !fault.Is(err, fault.Exhausted) {
		t.Errorf("more than a quarter: %v", err)
	}
	if err := others.Hold(1); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	if err := own.Hold(-1); err != nil || own.Hold(1) != nil {
		t.Errorf("what was given back: %v", err)
	}
}

// scopes notes the purses that sessions of a group are opened with.
type scopes struct {
	capability.Group

	mu  sync.Mutex
	had []capability.Purse
}

func (g *scopes) Open(ctx context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	g.mu.Lock()
	g.had = append(g.had, scope.Purse)
	g.mu.Unlock()
	return g.Group.Open(ctx, scope, args)
}

// TestGuestsHaveTheTenantsPurse, whichever connector is theirs.
func TestGuestsHaveTheTenantsPurse(t *testing.T) {
	var seen *scopes
	r := newRig(t, func(r *rig) {
		r.watch = func(g capability.Group) capability.Group {
			if g.Name() != "serial" {
				return g
			}
			seen = &scopes{Group: g}
			return seen
		}
	})
	digest := r.module("echo")
	for _, name := range []string{"press", "oven"} {
		l := newLine(t)
		r.connect(control.ConnectorInput{Name: name, Module: digest, Grants: port(l.port), Config: config(t, map[string]any{"port": l.port})})
	}
	eventually(t, "both have opened their port", func() bool {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		return len(seen.had) >= 2
	})
	for _, p := range seen.had {
		if p == nil || p != r.plant().Purse() {
			t.Errorf("a guest has the purse %v", p)
		}
	}
}
