package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// Host serves one guest. Its methods are called by the goroutine that is in
// Instantiate, Call or Close, one at a time.
type Host interface {
	// HostCall serves one host function. The reply is appended to out[:0],
	// which has the capacity that the guest offered; a longer reply is kept
	// until the guest takes it. in and out alias the guest's memory and are
	// valid during the call only, as is ctx: that memory is unmapped when the
	// guest ends, and touching it then crashes the process, so what outlives
	// the call is copied. An error reaches the guest as fault.ToABI makes it.
	// HostCall may wait, but never beyond ctx.
	HostCall(ctx context.Context, group, function string, in, out []byte) ([]byte, error)
	// Output takes what the guest wrote to its stdout (1) or stderr (2), a line
	// at a time, without the line feed. line is valid during the call only.
	Output(stream int, line []byte)
	// Denied takes note of a call to a group that was not granted. The guest
	// has its answer from the engine.
	Denied(group, function string)
}

// The defaults of an InstanceConfig.
const (
	DefaultMemoryBytes  = 64 << 20
	DefaultCallTimeout  = 5 * time.Second
	DefaultStackWords   = 1 << 15
	DefaultTableEntries = 1 << 16
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
	// Timeouts are the deadlines of single entry points, instead of
	// CallTimeout. "_initialize" is that of Instantiate.
	Timeouts map[string]time.Duration
	// StackWords is how deep the guest's calls may be nested, in words: a call
	// needs 8 and one for each parameter, local and operand. 0:
	// DefaultStackWords.
	StackWords uint32
	// TableEntries is the largest table; 0: DefaultTableEntries, which is the
	// most.
	TableEntries uint32
	// MaxOutput bounds a reply, in bytes; 0: MaxCrossing, which is the most.
	MaxOutput uint32
	// Extism is what a guest with an Extism PDK finds in its kernel; nil: no
	// config. Other guests have none.
	Extism *ExtismSettings
	// Account is whose budget the instance is charged to; empty: nobody's.
	Account string
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
	timeout time.Duration // of what is no entry point
	meter   meter
	inside  inside
	fuel    fuel
	memory  memory

	account    *account // nil: none
	stackLimit uint32   // words
	tableLimit uint32   // entries
	maxOutput  uint32   // bytes
	used       used
	deepest    atomic.Uint32 // words of stack
	output     atomic.Uint32 // bytes of the last reply

	module api.Module
	alloc  api.Function
	points []point // of code.entries
	stack  [2]uint64
	input  buffer  // the guest's
	kernel *kernel // of a guest with an Extism PDK; nil: it speaks the direct contract
	reply  []byte  // the last call's, copied out

	pending pending
	scratch []byte // an encoded error
	wasi    wasiState

	dying  bool
	broken error // a panic of the Host
}

// buffer is a range of the guest's memory.
type buffer struct{ ptr, size uint32 }

// point is an entry point of one instance.
type point struct {
	timeout  time.Duration
	function api.Function // looked up once: a look-up costs 12 KB
}

// What is called of a new instance: the function that the module's start
// section named, which wasmbin's Meter turns into an export so that it runs
// under fuel, and then the one that sets up the guest's runtime.
const (
	startSection = wasmbin.MeterStart
	initialize   = EntryInitialize
)

// EntryInitialize is the name under which InstanceConfig has the timeout of
// Instantiate: the function that sets up the runtime of a fresh instance.
const EntryInitialize = "_initialize"

// Instantiate links a module, makes an instance of it and runs its start
// section and its _initialize, within the deadline of a call. Every import is
// checked first, and the error names all that are refused:
// fault.ImportUnknown, fault.ImportUndeclared; else fault.TenantMemory,
// fault.TenantCPU, fault.GuestMemory, fault.GuestTrap and the other ends of a
// guest, fault.Canceled.
func (e *Engine) Instantiate(ctx context.Context, m *Module, cfg InstanceConfig) (*Instance, error) {
	if err := e.begin(); err != nil {
		return nil, err
	}
	defer e.end()
	if err := e.offer.Check(m.code.info.Imports, cfg.Link); err != nil {
		return nil, err
	}
	i, err := e.newInstance(m.code, cfg)
	if err != nil {
		return nil, err
	}
	if err := e.reserve(i, cfg.Account); err != nil {
		return nil, err
	}
	if err := e.adopt(m, i); err != nil {
		e.settle(i)
		return nil, err
	}
	if err := i.start(ctx, cfg.Link); err != nil {
		_ = i.Close(ctx) // it may have died already
		return nil, err
	}
	return i, nil
}

// start is the first call of an instance.
func (i *Instance) start(ctx context.Context, link Link) error {
	waits, err := i.meter.enter(ctx, time.Now(), i.timeout)
	if err != nil {
		return err
	}
	if waits {
		if err := i.queue(ctx, initialize); err != nil {
			_, err = i.finish(ctx, initialize, nil, err)
			return err
		}
	}
	i.engine.stats.instantiations.Add(1)
	err = i.initialize(link) //nolint:contextcheck // ctx is behind the meter
	_, err = i.finish(ctx, initialize, nil, err)
	return err
}

func (e *Engine) newInstance(code *compiled, cfg InstanceConfig) (*Instance, error) {
	i := &Instance{
		engine: e, code: code, host: cfg.Host,
		points:     make([]point, len(code.entries)),
		stackLimit: or(cfg.StackWords, DefaultStackWords),
		tableLimit: min(or(cfg.TableEntries, DefaultTableEntries), DefaultTableEntries),
		maxOutput:  min(or(cfg.MaxOutput, MaxCrossing), MaxCrossing),
	}
	if i.host == nil {
		i.host = noHost{}
	}
	i.setTimeouts(cfg)
	i.meter.instance, i.meter.done = i, make(chan struct{})
	i.inside.instance = i
	i.memory.total = &e.stats.memory
	i.memory.limit = min(cfg.MemoryBytes, maxMemory) / pageSize * pageSize
	if cfg.MemoryBytes == 0 {
		i.memory.limit = DefaultMemoryBytes
	}
	if need := uint64(code.info.MemoryMin) * pageSize; need > i.memory.limit {
		return nil, fault.New(fault.GuestMemory, "the module starts with %d KiB of memory, and its limit is %d KiB",
			need>>10, i.memory.limit>>10)
	}
	i.kernel = newKernel(i, cfg)
	if least := code.info.TableMin; least > i.tableLimit {
		return nil, fault.New(fault.GuestTable, "the module starts with a table of %d entries, and its limit is %d",
			least, i.tableLimit)
	}
	return i, i.wasi.seed()
}

// setTimeouts resolves the deadlines of the entry points.
func (i *Instance) setTimeouts(cfg InstanceConfig) {
	usual := or(max(cfg.CallTimeout, 0), DefaultCallTimeout)
	i.timeout = or(cfg.Timeouts[initialize], usual)
	for n := range i.points {
		i.points[n].timeout = usual
	}
	for entry, d := range cfg.Timeouts {
		if n, ok := i.code.entries[entry]; ok && d > 0 {
			i.points[n].timeout = d
		}
	}
}

// allow is how long a call may take.
func (i *Instance) allow(n int, ok bool) time.Duration {
	if !ok {
		return i.timeout
	}
	return i.points[n].timeout
}

// or is v, or a default for its zero value.
func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// errOutside is the trap of a data segment that does not lie inside the memory.
var errOutside = errors.New("data: out of bounds memory access")

// initialize makes the wazero instance, fills its memory and runs its start
// functions.
func (i *Instance) initialize(link Link) error {
	i.fuel.arm(i.wasi.clock.tick(i.engine.started), i.meter.deadline.Sub(i.engine.started))
	var ctx context.Context = &i.inside
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
	if !i.fuel.find(i.module) {
		return i.die(initialize, fault.New(fault.Internal, "the module was compiled without a meter"))
	}
	for _, s := range i.code.image {
		if !i.memory.write(s) {
			return i.die(initialize, errOutside)
		}
	}
	i.fuel.table.Set(uint64(i.tableLimit))
	i.fuel.left.Set(Slice)
	defer i.settle()
	for _, name := range []string{startSection, initialize} {
		fn := i.module.ExportedFunction(name)
		if fn == nil || !isSignature(fn.Definition(), "", "") {
			continue
		}
		if i.kernel != nil && name == initialize {
			continue // see wake
		}
		if err := i.invoke(fn, nil); err != nil {
			return i.die(initialize, err)
		}
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
	e.stats.gone.add(&i.used)
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
// cancelled and waited for, until ctx ends. It may be called more than once. The
// guest is gone as well when the error is that its Host panicked.
func (i *Instance) Close(ctx context.Context) error {
	for {
		taken, over := i.meter.take()
		if taken {
			defer i.meter.died()
			if i.bury(ctx); i.broken != nil {
				return fault.Wrap(fault.Internal, i.broken, "the host failed")
			}
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
	i.lastOutput()
	if i.module != nil {
		_ = i.module.Close(ctx) // never fails: there are no files
	}
	i.memory.Free()
	i.module, i.alloc = nil, nil
	for n := range i.points {
		i.points[n].function = nil
	}
	i.fuel.left, i.fuel.stack, i.fuel.table = nil, nil, nil
	i.reply, i.scratch, i.pending = nil, nil, pending{}
	i.engine.settle(i)
	i.engine.forget(ctx, i)
}

// lastOutput hands on what the guest has not ended with a line feed. The guest
// is gone whatever the Host makes of that.
func (i *Instance) lastOutput() {
	before := i.broken
	if guard(func() error { i.flush(); return nil }) != nil && before == nil {
		i.engine.stats.hostFailures.Add(1)
	}
}

// noHost is the Host of a guest that may reach nothing.
type noHost struct{}

func (noHost) HostCall(_ context.Context, group, function string, _, _ []byte) ([]byte, error) {
	return nil, fault.New(fault.Unsupported, "%s.%s is not available here", group, function)
}

func (noHost) Output(int, []byte) {}

func (noHost) Denied(string, string) {}
