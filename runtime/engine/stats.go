package engine

import (
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Stats is a reading of the engine's counters.
type Stats struct {
	Kind           string        // Compiler or Interpreter
	Modules        int           // compiled and in use
	Idle           int           // instances that wait for a call
	Running        int           // instances in a call
	MemoryBytes    uint64        // linear memory of all instances
	Fuel           uint64        // units that guests used
	CPU            time.Duration // that guests ran
	Throttled      time.Duration // that guests waited for their tenant's share
	Instantiations uint64        // that were begun
	Calls          uint64
	Traps          uint64 // calls and instantiations that ended in a trap or an exit
	Deadlines      uint64 // that ran out of time
	OutOfMemory    uint64 // that died of their memory limit
	OutOfStack     uint64 // that died of their stack limit
	OutOfTable     uint64 // that died of their table limit
	OutOfShare     uint64 // that could not wait for their tenant's share of the processor
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
	traps          atomic.Uint64
	deadlines      atomic.Uint64
	outOfMemory    atomic.Uint64
	outOfStack     atomic.Uint64
	outOfTable     atomic.Uint64
	outOfShare     atomic.Uint64
	canceled       atomic.Uint64
	hostFailures   atomic.Uint64
	badPointers    atomic.Uint64
	cutLines       atomic.Uint64
	gone           used // what instances that are gone had used
}

// used is what one instance has used. The goroutine that is in the instance
// counts, anybody may read.
type used struct {
	calls, hostCalls, denied atomic.Uint64
	units                    atomic.Uint64
	cpu, throttled           atomic.Int64 // ns
}

// add adds what another has used.
func (u *used) add(v *used) {
	u.calls.Add(v.calls.Load())
	u.hostCalls.Add(v.hostCalls.Load())
	u.denied.Add(v.denied.Load())
	u.units.Add(v.units.Load())
	u.cpu.Add(v.cpu.Load())
	u.throttled.Add(v.throttled.Load())
}

// InstanceUsage is what an instance has used, and uses, beside its limits. Of
// one that is dead it is the last reading.
type InstanceUsage struct {
	Calls, HostCalls, Denied uint64
	Fuel                     uint64        // units
	CPU                      time.Duration // that the guest ran
	Throttled                time.Duration // that it waited for its tenant's share
	Memory                   uint64        // bytes; 0 once it is dead
	MemoryPeak, MemoryLimit  uint64        // bytes
	StackPeak, StackLimit    uint32        // words; the peak is the deepest that the host has seen
	TableLimit               uint32        // entries
	Output, OutputLimit      uint32        // bytes of the last reply
}

// Usage reads what the instance uses. Readings are exact between calls; during
// one they lag by a slice.
func (i *Instance) Usage() InstanceUsage {
	u := &i.used
	return InstanceUsage{
		Calls: u.calls.Load(), HostCalls: u.hostCalls.Load(), Denied: u.denied.Load(),
		Fuel: u.units.Load(), CPU: time.Duration(u.cpu.Load()), Throttled: time.Duration(u.throttled.Load()),
		Memory: i.memory.size.Load(), MemoryPeak: i.memory.peak.Load(), MemoryLimit: i.memory.limit,
		StackPeak: i.deepest.Load(), StackLimit: i.stackLimit, TableLimit: i.tableLimit,
		Output: i.output.Load(), OutputLimit: i.maxOutput,
	}
}

// death counts what an instance died of.
func (c *counters) death(k fault.Kind) {
	switch k {
	case fault.GuestDeadline:
		c.deadlines.Add(1)
	case fault.GuestMemory:
		c.outOfMemory.Add(1)
	case fault.GuestStack:
		c.outOfStack.Add(1)
	case fault.GuestTable:
		c.outOfTable.Add(1)
	case fault.TenantCPU:
		c.outOfShare.Add(1)
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
	e.mu.Lock()
	defer e.mu.Unlock()
	var all used
	all.add(&c.gone)
	s := Stats{
		Kind:           e.kind,
		Modules:        len(e.modules),
		MemoryBytes:    uint64(max(c.memory.Load(), 0)),
		Instantiations: c.instantiations.Load(),
		Traps:          c.traps.Load(),
		Deadlines:      c.deadlines.Load(),
		OutOfMemory:    c.outOfMemory.Load(),
		OutOfStack:     c.outOfStack.Load(),
		OutOfTable:     c.outOfTable.Load(),
		OutOfShare:     c.outOfShare.Load(),
		Canceled:       c.canceled.Load(),
		HostFailures:   c.hostFailures.Load(),
		BadPointers:    c.badPointers.Load(),
		CutLines:       c.cutLines.Load(),
	}
	for i := range e.instances {
		all.add(&i.used)
		switch i.State() {
		case Idle:
			s.Idle++
		case Running:
			s.Running++
		case Dead:
		}
	}
	s.Calls, s.HostCalls, s.Denied = all.calls.Load(), all.hostCalls.Load(), all.denied.Load()
	s.Fuel, s.CPU, s.Throttled = all.units.Load(), time.Duration(all.cpu.Load()), time.Duration(all.throttled.Load())
	return s
}
