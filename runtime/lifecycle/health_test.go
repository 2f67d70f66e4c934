package lifecycle_test

import (
	"testing"

	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// TestSetIsJudgedByItsMembers: what they declare, and whether the host sees
// them work.
func TestSetIsJudgedByItsMembers(t *testing.T) {
	member := func(enabled bool, state lifecycle.State, health lifecycle.Health) lifecycle.SetMember {
		return lifecycle.SetMember{Enabled: enabled, State: state, Health: health}
	}
	well := member(true, lifecycle.Running, lifecycle.Healthy)
	ill := member(true, lifecycle.Running, lifecycle.Unhealthy)
	mute := member(true, lifecycle.Running, lifecycle.Undeclared)
	for _, tt := range []struct {
		name    string
		members []lifecycle.SetMember
		want    lifecycle.Health
	}{
		{"nobody", nil, lifecycle.Undeclared},
		{"one that said nothing", []lifecycle.SetMember{mute}, lifecycle.Undeclared},
		{"one that is well", []lifecycle.SetMember{mute, well}, lifecycle.Healthy},
		{"one that is not", []lifecycle.SetMember{well, ill, mute}, lifecycle.Unhealthy},
		{"one with a session that is down", []lifecycle.SetMember{member(true, lifecycle.Degraded, lifecycle.Healthy)}, lifecycle.Healthy},
		{"one that is well and one that crashed", []lifecycle.SetMember{well, member(true, lifecycle.BackingOff, lifecycle.Undeclared)}, lifecycle.Unhealthy},
		{"one that said nothing and one that crashed", []lifecycle.SetMember{mute, member(true, lifecycle.CrashLoop, lifecycle.Undeclared)}, lifecycle.Undeclared},
		{"one that was taken out", []lifecycle.SetMember{well, member(false, lifecycle.Stopped, lifecycle.Unhealthy)}, lifecycle.Healthy},
		{"none that is to run", []lifecycle.SetMember{member(false, lifecycle.Stopped, lifecycle.Healthy)}, lifecycle.Undeclared},
	} {
		if got := lifecycle.NewSetStatus("line", tt.members); got.Health != tt.want {
			t.Errorf("%s: %s, want %s (%+v)", tt.name, got.Health, tt.want, got)
		}
	}
}

// TestOnlyLivingCodeWorks walks every state that there is.
func TestOnlyLivingCodeWorks(t *testing.T) {
	working := map[lifecycle.State]bool{
		lifecycle.Running: true, lifecycle.Degraded: true, lifecycle.Updating: true, lifecycle.Paused: true,
	}
	for _, s := range states(t) {
		got := lifecycle.NewSetStatus("line", []lifecycle.SetMember{{Enabled: true, State: s, Health: lifecycle.Healthy}})
		if got.Working != working[s] {
			t.Errorf("a connector that is %s works: %t", s, got.Working)
		}
	}
}
