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
		if t.health.set(id, key, healthOf(state)) {
			t.stir()
		}
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

// set notes a lane's word. It reports whether that is another than before.
func (h *healths) set(id string, key *declared, is lifecycle.Health) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was, said := h.said[id][key]
	if is == lifecycle.Undeclared {
		if delete(h.said[id], key); len(h.said[id]) == 0 {
			delete(h.said, id)
		}
		return said
	}
	if h.said == nil {
		h.said = map[string]map[*declared]lifecycle.Health{}
	}
	if h.said[id] == nil {
		h.said[id] = map[*declared]lifecycle.Health{}
	}
	h.said[id][key] = is
	return was != is
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
