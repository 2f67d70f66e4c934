package supervisor_test

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// A port is let go of with the grant for it, by a guest that runs and by one that has
// crashed and is not begun again yet; with the grant it is opened again.
func TestPortIsLetGoWithItsGrant(t *testing.T) {
	for name, crash := range map[string]bool{"running": false, "crashed": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(r *rig) { r.restart = supervisor.Restart{Min: time.Hour, Max: time.Hour} })
			l, other := newLine(t), newLine(t)
			in := r.echoOn(l, map[string]any{"on": map[string]string{"bad": "panic"}})
			v, s := r.connect(in), r.stream("")
			l.send(t, "first\n")
			s.wants("first\n")
			if crash {
				l.send(t, "bad\n")
				r.state(v.ID, lifecycle.BackingOff) // for an hour, unless something changes
			}
			has := func(n int) func(lifecycle.Status) bool {
				return func(s lifecycle.Status) bool { return len(s.Sessions) == n }
			}
			r.until(v.ID, "holding the port", has(1))
			in.Grants = port(other.port)
			r.update(v.ID, in)
			r.until(v.ID, "without the port", has(0))
			in.Grants = port(l.port)
			r.update(v.ID, in)
			r.state(v.ID, lifecycle.Running)
			l.send(t, "second\n")
			s.wants("second\n")
		})
	}
}
