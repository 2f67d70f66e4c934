package engine

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Host serves one guest. Its methods are called by the goroutine that is in
// Instantiate, Call or Close, one at a time.
type Host interface {
	// HostCall serves one host function. The reply is appended to out[:0],
	// which has the capacity that the guest offered; a longer reply is kept
	// until the guest takes it. in and out alias the guest's memory and are
	// valid during the call only, as is ctx. An error reaches the guest as
	// fault.ToABI makes it. HostCall may wait, but never beyond ctx.
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
	// Host serves the guest. Nil: host functions are answered unsupported and
	// output is dropped, which is enough to ask a module what it is.
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

// Instance is a running guest. It is called by one goroutine at a time; all
// other methods may be called by any.
type Instance struct {
	engine  *Engine
	code    *compiled
	host    Host
	timeout time.Duration
	meter   meter
	memory  memory

	module  api.Module
	alloc   api.Function
	entries map[string]api.Function // looked up once: a look-up costs 12 KB
	stack   [2]uint64
	input   buffer // the guest's
	reply   []byte // the last call's, copied out

	pending pending
	scratch []byte // an encoded error
	wasi    wasiState

	dying  bool
	broken error // a panic of the Host
}

// buffer is a range of the guest's memory.
type buffer struct{ ptr, size uint32 }

// initialize is the one start function: it sets up the guest's runtime.
const initialize = "_initialize"

// Instantiate links a module, makes an instance of it and runs its
// _initialize, within the deadline of a call. Every import is checked first,
// and the error names all that are refused: fault.ImportUnknown,
// fault.ImportUndeclared; else fault.GuestMemory, fault.GuestTrap,
// fault.GuestDeadline, fault.Canceled.
func (e *Engine) Instantiate(ctx context.Context, m *Module, cfg InstanceConfig) (*Instance, error) {
	if err := e.begin(); err != nil {
		return nil, err
	}
	defer e.end()
	if err := e.check(m.code, cfg.Link); err != nil {
		return nil, err
	}
	i, err := e.newInstance(m.code, cfg)
	if err != nil {
		return nil, err
	}
	if err := e.adopt(m, i); err != nil {
		return nil, err
	}
	if err := i.meter.enter(ctx, time.Now(), i.timeout); err != nil {
		e.forget(ctx, i)
		return nil, err
	}
	e.stats.instantiations.Add(1)
	err = i.initialize(cfg.Link) //nolint:contextcheck // the meter is the context, with ctx behind it
	_, err = i.finish(ctx, initialize, nil, err)
	if err != nil {
		return nil, err
	}
	return i, nil
}

func (e *Engine) newInstance(code *compiled, cfg InstanceConfig) (*Instance, error) {
	i := &Instance{
		engine: e, code: code, host: cfg.Host,
		timeout: cfg.CallTimeout,
		entries: make(map[string]api.Function),
	}
	if i.host == nil {
		i.host = noHost{}
	}
	if i.timeout <= 0 {
		i.timeout = DefaultCallTimeout
	}
	i.meter.instance, i.meter.done = i, make(chan struct{})
	i.memory.total = &e.stats.memory
	i.memory.limit = min(cfg.MemoryBytes, maxMemory) / pageSize * pageSize
	if cfg.MemoryBytes == 0 {
		i.memory.limit = DefaultMemoryBytes
	}
	if need := uint64(code.info.MemoryMin) * pageSize; need > i.memory.limit {
		return nil, fault.New(fault.GuestMemory, "the module starts with %d KiB of memory, and its limit is %d KiB",
			need>>10, i.memory.limit>>10)
	}
	return i, i.wasi.seed()
}

// initialize makes the wazero instance and runs its start functions.
func (i *Instance) initialize(link Link) error {
	i.wasi.clock.tick(i.engine.started)
	var ctx context.Context = &i.meter
	ctx = experimental.WithMemoryAllocator(ctx, &i.memory)
	ctx = experimental.WithImportResolver(ctx, i.engine.resolver(link))
	err := guard(func() (err error) {
		i.module, err = i.engine.runtime.InstantiateModule(ctx, i.code.native,
			wazero.NewModuleConfig().WithName("").WithStartFunctions())
		return err
	})
	if err != nil {
		i.module = nil
		return i.die(initialize, err)
	}
	start := i.module.ExportedFunction(initialize)
	if start == nil || !isSignature(start.Definition(), "", "") {
		return nil
	}
	if err := start.CallWithStack(&i.meter, nil); err != nil {
		return i.die(initialize, err)
	}
	return nil
}

// adopt counts an instance in, and forget out.
func (e *Engine) adopt(m *Module, i *Instance) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.closed.Load() {
		return fault.New(fault.Internal, "an instance was asked of a module that is closed")
	}
	i.code.refs++
	e.instances[i] = struct{}{}
	return nil
}

func (e *Engine) forget(ctx context.Context, i *Instance) {
	e.mu.Lock()
	delete(e.instances, i)
	e.mu.Unlock()
	e.release(ctx, i.code)
}

// Has reports whether the guest has this entry point.
func (i *Instance) Has(entry string) bool {
	_, ok := i.code.entries[entry]
	return ok
}

// State is what the instance is at.
func (i *Instance) State() InstanceState { return i.meter.current() }

// Memory is the size of the guest's linear memory in bytes; 0 once it is dead.
func (i *Instance) Memory() uint64 { return i.memory.size.Load() }

// Close ends the guest and frees its memory. A call that is under way is
// cancelled and waited for, until ctx ends. It may be called more than once.
func (i *Instance) Close(ctx context.Context) error {
	for {
		taken, over := i.meter.take()
		if taken {
			i.bury(ctx)
			i.meter.leave(Dead)
			return nil
		}
		if over == nil {
			return nil
		}
		select {
		case <-over:
		case <-ctx.Done():
			return fault.Wrap(fault.Timeout, ctx.Err(), "the guest is still running")
		}
	}
}

// bury frees everything that the guest had.
func (i *Instance) bury(ctx context.Context) {
	i.wasi.flush(i.host)
	if i.module != nil {
		_ = i.module.Close(ctx) // never fails: there are no files
	}
	i.memory.Free()
	i.module, i.alloc, i.entries = nil, nil, nil
	i.reply, i.scratch, i.pending = nil, nil, pending{}
	i.engine.forget(ctx, i)
}

// noHost is the Host of a guest that may reach nothing.
type noHost struct{}

func (noHost) HostCall(_ context.Context, group, function string, _, _ []byte) ([]byte, error) {
	return nil, fault.New(fault.Unsupported, "%s.%s is not available here", group, function)
}

func (noHost) Output(int, []byte) {}
