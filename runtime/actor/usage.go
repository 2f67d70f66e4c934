package actor

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// usage adds to a status what the guest uses of its limits.
func (a *Actor) usage(s *lifecycle.Status) {
	a.mu.Lock()
	g, converter := a.running, a.converting
	a.mu.Unlock()
	q := a.env.quota
	if g != nil {
		s.MemoryBytes = g.inst.Memory()
		q.use(spec.LimitMemory, float64(s.MemoryBytes))
	}
	q.use(spec.LimitKVBytes, float64(a.cfg.Host.Kept()))
	s.Limits = q.status()
	if converter != nil {
		s.ConverterLimits = converter.status()
	}
	s.Counters.Denied = a.env.refusals.count()
	for i := range s.Limits {
		if s.Limits[i].Name == spec.LimitLogLines {
			s.Counters.LogDropped = s.Limits[i].Hits
		}
	}
}

// converterQuota is the quota of a converter that is pooled; nil: it has none.
func converterQuota(c flow.Converter) *quota {
	if p, ok := c.(*pool); ok {
		return p.env.quota
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
