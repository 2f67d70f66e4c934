package engine

import (
	"sync/atomic"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Stats is a reading of the engine's counters.
type Stats struct {
	Kind           string // Compiler or Interpreter
	Modules        int    // compiled and in use
	Idle           int    // instances that wait for a call
	Running        int    // instances in a call
	MemoryBytes    uint64 // linear memory of all instances
	Instantiations uint64 // that were begun
	Calls          uint64
	Traps          uint64 // calls and instantiations that ended in a trap or an exit
	Deadlines      uint64 // that ran out of time
	OutOfMemory    uint64 // that died of their memory limit
	Canceled       uint64 // that were given up
	HostFailures   uint64 // that died of a failure of the host
	HostCalls      uint64 // for a Host
	Denied         uint64 // host calls to groups that were not granted
	BadPointers    uint64 // host calls with a range outside of the guest's memory
	CutLines       uint64 // lines of output that were too long and were cut
}

type counters struct {
	memory         atomic.Int64
	instantiations atomic.Uint64
	calls          atomic.Uint64
	traps          atomic.Uint64
	deadlines      atomic.Uint64
	outOfMemory    atomic.Uint64
	canceled       atomic.Uint64
	hostFailures   atomic.Uint64
	hostCalls      atomic.Uint64
	denied         atomic.Uint64
	badPointers    atomic.Uint64
	cutLines       atomic.Uint64
}

// death counts what an instance died of.
func (c *counters) death(k fault.Kind) {
	switch k {
	case fault.GuestDeadline:
		c.deadlines.Add(1)
	case fault.GuestMemory:
		c.outOfMemory.Add(1)
	case fault.Canceled:
		c.canceled.Add(1)
	case fault.Internal:
		c.hostFailures.Add(1)
	default:
		c.traps.Add(1)
	}
}

// Stats reads the counters. Each is exact, but they are not read at one moment.
func (e *Engine) Stats() Stats {
	c := &e.stats
	s := Stats{
		Kind:           e.kind,
		MemoryBytes:    uint64(max(c.memory.Load(), 0)),
		Instantiations: c.instantiations.Load(),
		Calls:          c.calls.Load(),
		Traps:          c.traps.Load(),
		Deadlines:      c.deadlines.Load(),
		OutOfMemory:    c.outOfMemory.Load(),
		Canceled:       c.canceled.Load(),
		HostFailures:   c.hostFailures.Load(),
		HostCalls:      c.hostCalls.Load(),
		Denied:         c.denied.Load(),
		BadPointers:    c.badPointers.Load(),
		CutLines:       c.cutLines.Load(),
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Modules = len(e.modules)
	for i := range e.instances {
		switch i.State() {
		case Idle:
			s.Idle++
		case Running:
			s.Running++
		case Dead:
		}
	}
	return s
}
