package engine

import (
	"context"
	"math/bits"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// MaxCrossing bounds what crosses the wall in one direction: a full batch, and
// what goes with it.
const MaxCrossing = abi.MaxBatch + 64<<10

// minInput is the smallest input buffer that a guest is asked for.
const minInput = 4 << 10

// Call calls an entry point. The reply is valid until the next Call of this
// instance. Errors are faults: Unsupported if the guest has no such entry
// point or says so, Guest if it answers another error, TooLarge for an input
// beyond MaxCrossing, GuestOutput for a reply beyond the instance's MaxOutput.
// After GuestTrap, GuestDeadline, GuestMemory, GuestStack, GuestTable and
// Internal the instance is dead, and after Canceled and TenantCPU as well
// unless the guest had not begun: State tells.
func (i *Instance) Call(ctx context.Context, entry string, in []byte) ([]byte, error) {
	now := time.Now()
	n, ok := i.code.entries[entry]
	waits, err := i.meter.enter(ctx, now, i.allow(n, ok))
	if err != nil {
		return nil, err
	}
	if waits {
		if err := i.queue(ctx, entry); err != nil {
			return i.finish(ctx, entry, nil, err)
		}
		now = time.Now()
	}
	i.begin(now)
	if !ok {
		return i.finish(ctx, entry, nil, fault.New(fault.Unsupported, "the module has no entry point %s", entry))
	}
	reply, err := i.run(n, entry, in) //nolint:contextcheck // ctx is behind the meter
	i.settle()
	return i.finish(ctx, entry, reply, err)
}

// begin makes an instance ready for a call.
func (i *Instance) begin(now time.Time) {
	i.used.calls.Add(1)
	i.fuel.arm(i.wasi.clock.set(now, i.engine.started), i.meter.deadline.Sub(i.engine.started))
	i.memory.refused = false
	if i.outOfTable() {
		i.fuel.table.Set(uint64(i.tableLimit))
	}
	i.pending.drop()
}

// settle books what a call used since the guest last paused.
func (i *Instance) settle() {
	i.spend(i.engine.now(), i.fuel.spent(int64(i.fuel.left.Get()))) //nolint:gosec // an i64 of the guest
}

// finish ends a call, and the instance if it did not survive.
func (i *Instance) finish(ctx context.Context, entry string, reply []byte, err error) ([]byte, error) {
	i.rests()
	over := i.meter.leave(i.dying)
	if over != nil && !i.dying { // the reply came too late
		reply, err = nil, i.die(entry, over)
	}
	if !i.dying {
		return reply, err
	}
	defer i.meter.died()
	if i.bury(ctx); i.broken != nil && err == nil { // its last words
		return nil, fault.Wrap(fault.Internal, i.broken, "%s: the host failed", entry)
	}
	return reply, err
}

// run is the call itself: input, guest, reply.
func (i *Instance) run(n int, entry string, in []byte) ([]byte, error) {
	if len(in) > MaxCrossing {
		return nil, fault.New(fault.TooLarge, "an input of %d bytes, and %d are allowed", len(in), MaxCrossing)
	}
	if i.kernel != nil {
		return i.runExtism(n, entry, in)
	}
	fn := i.function(n, entry)
	if err := i.write(in); err != nil {
		return nil, err
	}
	i.stack = [2]uint64{uint64(i.input.ptr), uint64(len(in))}
	if err := i.invoke(fn, i.stack[:]); err != nil {
		return nil, i.die(entry, err)
	}
	return i.read(entry, i.stack[0])
}

// function is an entry point as wazero knows it, looked up once.
func (i *Instance) function(n int, entry string) api.Function {
	p := &i.points[n]
	if p.function == nil {
		p.function = i.module.ExportedFunction(entry)
	}
	return p.function
}

// write puts the input into the guest's buffer, which is asked for again only
// when it is too small.
func (i *Instance) write(in []byte) error {
	if len(in) == 0 {
		return nil
	}
	if len(in) > int(i.input.size) {
		if err := i.grow(len(in)); err != nil {
			return err
		}
	}
	buf, ok := i.memory.at(i.input.ptr, uint32(len(in)))
	if !ok { // memory never shrinks
		return i.die(abi.ExportAlloc, fault.New(fault.GuestTrap, "the input buffer is outside of the guest's memory"))
	}
	copy(buf, in)
	return nil
}

func (i *Instance) grow(n int) error {
	if i.alloc == nil {
		fn := i.module.ExportedFunction(abi.ExportAlloc)
		if fn == nil || !isSignature(fn.Definition(), "i", "i") {
			return fault.New(fault.Unsupported, "the module cannot take an input: it does not export %s(i32) -> i32",
				abi.ExportAlloc)
		}
		i.alloc = fn
	}
	if n <= abi.MaxBatch {
		n = max(minInput, 1<<bits.Len(uint(n-1)))
	}
	i.stack[0] = uint64(n)
	i.input = buffer{}
	if err := i.invoke(i.alloc, i.stack[:1]); err != nil {
		return i.die(abi.ExportAlloc, err)
	}
	ptr := api.DecodeU32(i.stack[0])
	if _, ok := i.memory.at(ptr, uint32(n)); !ok || ptr == 0 {
		return i.die(abi.ExportAlloc, fault.New(fault.GuestTrap,
			"%s(%d) answered %d, which is not a buffer inside the guest's memory", abi.ExportAlloc, n, ptr))
	}
	i.input = buffer{ptr: ptr, size: uint32(n)}
	return nil
}

// read copies the reply out of the guest.
func (i *Instance) read(entry string, result uint64) ([]byte, error) {
	ptr, n := api.DecodeU32(result>>32), api.DecodeU32(result&^abi.EntryErrorBit)
	i.output.Store(n)
	if n > i.maxOutput {
		return nil, fault.New(fault.GuestOutput, "%s answered %d bytes, and %d are allowed", entry, n, i.maxOutput)
	}
	src, ok := i.memory.at(ptr, n)
	if !ok {
		return nil, i.die(entry, fault.New(fault.GuestTrap,
			"%s answered %d bytes at %d, which are outside of the guest's memory", entry, n, ptr))
	}
	i.reply = append(i.reply[:0], src...)
	if result&abi.EntryErrorBit == 0 {
		return i.reply, nil
	}
	var said abi.Error
	if err := said.Decode(i.reply); err != nil {
		return nil, fault.Wrap(fault.Guest, err, "%s failed, and its error cannot be read", entry)
	}
	return nil, fault.FromABI(&said)
}
