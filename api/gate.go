package api

import (
	"sync"

	"github.com/snaprail/snaprail/runtime/fault"
)

// gate bounds how many of something a tenant may have at once.
type gate struct {
	what  string
	limit int
	mu    sync.Mutex
	in    map[string]int
}

func newGate(what string, limit int) *gate {
	return &gate{what: what, limit: limit, in: make(map[string]int)}
}

// enter counts one in, or refuses. leave counts it out again, once.
func (g *gate) enter(tenant string) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.in[tenant] >= g.limit {
		return nil, fault.New(fault.Exhausted, "%d %s are open already", g.limit, g.what).
			WithHint("Close one of them first.").WithRetryAfter(retryGate)
	}
	g.in[tenant]++
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.in[tenant]--; g.in[tenant] == 0 {
			delete(g.in, tenant)
		}
	}), nil
}

// count is how many are in, of all tenants.
func (g *gate) count() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, in := range g.in {
		n += in
	}
	return n
}
