package supervisor

import (
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// healths are what the guests of one tenant's connectors declare. What is
// undeclared is not kept, so that nothing has to be forgotten.
type healths struct {
	mu   sync.Mutex
	said map[string]map[*declared]lifecycle.Health // by connector: each lane has its own word
}

// declared is one lane's word.
type declared struct{ _ byte }

// declares is what a lane of the connector tells its health to.
func (t *Tenant) declares(id string) func(abi.HealthState) {
	key := &declared{}
	return func(state abi.HealthState) {
		t.health.set(id, key, healthOf(state))
		t.super.stir()
	}
}

func healthOf(state abi.HealthState) lifecycle.Health {
	switch state {
	case abi.HealthHealthy:
		return lifecycle.Healthy
	case abi.HealthUnhealthy:
		return lifecycle.Unhealthy
	case abi.HealthUndeclared:
	}
	return lifecycle.Undeclared
}

func (h *healths) set(id string, key *declared, is lifecycle.Health) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if is == lifecycle.Undeclared {
		if delete(h.said[id], key); len(h.said[id]) == 0 {
			delete(h.said, id)
		}
		return
	}
	if h.said == nil {
		h.said = map[string]map[*declared]lifecycle.Health{}
	}
	if h.said[id] == nil {
		h.said[id] = map[*declared]lifecycle.Health{}
	}
	h.said[id][key] = is
}

// of is the connector's health: what its lanes declare, together.
func (h *healths) of(id string) lifecycle.Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	is := lifecycle.Undeclared
	for _, said := range h.said[id] {
		is = lifecycle.Together(is, said)
	}
	return is
}

// stir has the probes look again, soon.
func (s *Supervisor) stir() {
	select {
	case s.stirred <- struct{}{}:
	default:
	}
}
