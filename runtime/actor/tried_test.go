package actor

import (
	"log/slog"
	"testing"
)

// Groups learn of each guest whether it runs, also when that changes.
func TestScopeSaysWhoIsTried(t *testing.T) {
	t.Parallel()
	g := &guest{surroundings: &surroundings{log: slog.New(slog.DiscardHandler)}, candidate: true}
	tried := g.scope("mqtt").Tried
	if !tried() {
		t.Error("a candidate is not tried")
	}
	g.candidate = false
	if tried() {
		t.Error("the guest that runs is tried")
	}
	g.rehearsal = &rehearsal{}
	if !tried() {
		t.Error("a dry run is not tried")
	}
}
