package actor

import (
	"runtime"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// usage adds to a status what the guest uses of its limits.
func (a *Actor) usage(s *lifecycle.Status) {
	a.mu.Lock()
	g, converter := a.running, a.converting
	a.mu.Unlock()
	if g != nil {
		g.measure()
		s.MemoryBytes = g.inst.Memory()
	}
	s.Limits = a.env.limits(a.cfg.Host.Kept())
	if of := converter.shown(); of != nil {
		s.ConverterLimits = of.limits(0)
	}
	u := a.env.engineUse()
	c := &s.Counters
	c.FuelUnits, c.CPUSeconds, c.ThrottledSeconds = u.Fuel, u.CPU.Seconds(), u.Throttled.Seconds()
	c.Denied = a.env.refusals.count()
	for i := range s.Limits {
		if s.Limits[i].Name == spec.LimitLogLines {
			c.LogDropped = s.Limits[i].Hits
		}
	}
}

// measure notes what the instance uses, and has used at most.
func (g *guest) measure() {
	u := g.inst.Usage()
	g.quota.measured(u)
}

func (q *quota) measured(u engine.InstanceUsage) {
	q.mu.Lock()
	defer q.mu.Unlock()
	memory, stack := q.named[spec.LimitMemory], q.named[spec.LimitStack]
	memory.used, memory.peak = float64(u.Memory), max(memory.peak, float64(u.MemoryPeak))
	stack.use(float64(u.StackPeak))
}

// limits are all limits of these guests with their use.
func (s *surroundings) limits(kept uint64) []lifecycle.Limit {
	s.quota.use(spec.LimitKVBytes, float64(kept))
	s.quota.spent(s.engineUse().CPU)
	return s.quota.status()
}

// engineUse is what the guests have used of the engine, all together.
func (s *surroundings) engineUse() engine.Usage {
	if s.common != nil {
		return s.common.use()
	}
	if last := s.last.Load(); last != nil {
		return *last
	}
	return s.engine.Usage(s.account)
}

// hold makes these the limits of all guests from now on.
func (s *surroundings) hold(l spec.Limits) {
	s.quota.hold(l)
	s.budget(l)
}

// holdFirst is hold for a guest that tries something out beside others: it
// counts only when nobody's limits are held yet.
func (s *surroundings) holdFirst(l spec.Limits) {
	if s.quota.holdFirst(l) {
		s.budget(l)
	}
}

// budget makes the engine hold the guests to their share of the processor.
func (s *surroundings) budget(l spec.Limits) {
	if s.account == "" {
		return
	}
	b := engine.Budget{CPU: l.CPU, Within: s.tenant}
	if b.CPU >= float64(runtime.NumCPU()) {
		b.CPU = 0 // all that there is, so nothing has to be counted
	}
	s.engine.SetBudget(s.account, b)
}

// settle gives the account back at the end, and keeps what it says. That of
// several lanes is given back by whoever made it.
func (s *surroundings) settle() {
	if s.account == "" || s.common != nil {
		return
	}
	u := s.engine.Usage(s.account)
	s.last.Store(&u)
	s.engine.DropAccount(s.account)
}

// converterQuota is the quota of a converter that is pooled; nil: it has none.
func converterQuota(c flow.Converter) *quota {
	if s := converterOf(c); s != nil {
		return s.quota
	}
	return nil
}

// converterOf is where a pooled converter's instances live; nil: it has none.
func converterOf(c flow.Converter) *surroundings {
	if p, ok := c.(*pool); ok {
		return p.env
	}
	return nil
}

// nearShare is the part of its memory limit above which a connector's guest is
// spoken of.
const nearShare = 0.9

// watchMemory says once that a guest has nearly used up its memory. It is not
// replaced for that: what a connector has read and not emitted yet lives in it
// alone, so a silent replacement would lose data that nobody could account for.
// A guest that dies of its limit is restarted, and that is counted and seen.
func (g *guest) watchMemory() {
	memory := float64(g.inst.Memory())
	if g.told || memory <= nearShare*g.quota.most(spec.LimitMemory) {
		return
	}
	g.told = true
	g.line(abi.LogWarning, FromHost, "memory", "the module uses more than nine tenths of its memory limit; it is restarted when it needs more than the limit")
}
