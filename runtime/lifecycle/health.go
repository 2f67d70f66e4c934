package lifecycle

import "slices"

// Health is whether something is well, if anybody has said so.
type Health string

// The three states of health.
const (
	Undeclared Health = "undeclared" // nobody has said anything yet
	Healthy    Health = "healthy"
	Unhealthy  Health = "unhealthy"
)

// Together is the health of several: one that is unhealthy makes all so, and
// those that said nothing say nothing.
func Together(all ...Health) Health {
	switch {
	case slices.Contains(all, Unhealthy):
		return Unhealthy
	case slices.Contains(all, Healthy):
		return Healthy
	}
	return Undeclared
}

// SetMember is one connector of a set.
type SetMember struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Enabled bool   `json:"is_enabled"`
	State   State  `json:"state"`
	Health  Health `json:"health"` // what its code declares
}

// works reports whether a member that is to run has code that runs: it is the
// host's own part in the health of a set.
func (m *SetMember) works() bool {
	switch m.State {
	case Running, Degraded, Updating, Paused:
		return true
	case Draft, Stopped, Starting, BackingOff, Stopping, CrashLoop, Failed:
	}
	return false
}

// SetStatus is what is known of a set of connectors now.
type SetStatus struct {
	Name string `json:"name"`
	// Declared is what the members declare, together.
	Declared Health `json:"declared"`
	// Working says that every member that is to run does, which the host sees.
	Working bool `json:"working"`
	// Health is what is probed: declared healthy, and working.
	Health  Health      `json:"health"`
	Members []SetMember `json:"members"`
}

// NewSetStatus judges a set by its members. Those that are not to run have no
// say; a set of such alone is undeclared.
func NewSetStatus(name string, members []SetMember) SetStatus {
	s := SetStatus{Name: name, Declared: Undeclared, Working: true, Members: members}
	for i := range members {
		if m := &members[i]; m.Enabled {
			s.Declared = Together(s.Declared, m.Health)
			s.Working = s.Working && m.works()
		}
	}
	s.Health = s.Declared
	if s.Declared == Healthy && !s.Working {
		s.Health = Unhealthy
	}
	return s
}
