package engine

import (
	"context"
	"errors"
	"time"
)

// Access says how far a group's functions reach.
type Access uint8

// The kinds of access.
const (
	// Linked: calls reach the Host.
	Linked Access = iota
	// Denied: the manifest names the group as optional and it was not
	// granted. Calls are answered denied, and counted.
	Denied
)

// Link says which groups a guest is linked to, by name. A group that is not in
// it may not be imported. The core group is always linked.
type Link map[string]Access

// Host serves one guest. Its methods are called by the goroutine that is in
// Instantiate or Call, one at a time.
type Host interface {
	// HostCall serves one host function. The reply is appended to out[:0],
	// which has the capacity that the guest offered; a longer reply is kept
	// until the guest takes it. in and out alias the guest's memory and are
	// valid during the call only. An error reaches the guest as fault.ToABI
	// makes it. HostCall may wait, but never beyond ctx.
	HostCall(ctx context.Context, group, function string, in, out []byte) ([]byte, error)
	// Output takes what the guest wrote to its stdout (1) or stderr (2), a line
	// at a time, without the line feed. line is valid during the call only.
	Output(stream int, line []byte)
}

// The defaults of an InstanceConfig.
const (
	DefaultMemoryBytes = 64 << 20
	DefaultCallTimeout = 5 * time.Second
)

// InstanceConfig says what an instance may reach and use.
type InstanceConfig struct {
	Link Link
	Host Host
	// MemoryBytes is the limit of the linear memory, rounded down to pages of
	// 64 KiB; 0: DefaultMemoryBytes.
	MemoryBytes uint64
	// CallTimeout is the deadline of a call whose context has none that is
	// sooner; 0: DefaultCallTimeout.
	CallTimeout time.Duration
}

// InstanceState says what may be done with an instance.
type InstanceState uint8

// The states of an instance.
const (
	Idle    InstanceState = iota // may be called
	Running                      // in a call; calling it is a fault of the caller
	Dead                         // trapped, timed out, exited or closed; never called again
)

// String is the name of the state.
func (s InstanceState) String() string {
	switch s {
	case Idle:
		return "idle"
	case Running:
		return "running"
	case Dead:
		return "dead"
	}
	return "unknown"
}

// Instance is a running guest. Call and Close are called by one goroutine at a
// time; the other methods by any.
type Instance struct{}

// Instantiate links a module, makes an instance of it and runs its
// _initialize, within the deadline of a call. Every import is checked first,
// and the error names all that are refused: fault.ImportUnknown,
// fault.ImportUndeclared; else fault.GuestMemory, fault.GuestTrap,
// fault.GuestDeadline, fault.Canceled.
func (e *Engine) Instantiate(ctx context.Context, m *Module, cfg InstanceConfig) (*Instance, error) {
	return nil, errors.ErrUnsupported
}

// Has reports whether the guest has this entry point.
func (i *Instance) Has(entry string) bool { return false }

// Call calls an entry point. The reply is valid until the next Call of this
// instance. Errors are faults: Unsupported if the guest has no such entry
// point or says so, Guest if it answers another error; after GuestTrap,
// GuestDeadline, GuestMemory and Canceled the instance is dead.
func (i *Instance) Call(ctx context.Context, entry string, in []byte) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// State is what the instance is at.
func (i *Instance) State() InstanceState { return Dead }

// Memory is the size of the guest's linear memory in bytes; 0 once it is dead.
func (i *Instance) Memory() uint64 { return 0 }

// Close ends the guest and frees its memory. It may be called more than once.
func (i *Instance) Close(ctx context.Context) error { return errors.ErrUnsupported }
