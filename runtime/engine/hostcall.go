package engine

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// pending is the reply that did not fit into what the guest offered. It is
// kept until it is taken or the next host function is called.
type pending struct {
	reply []byte
	bit   uint64
	held  bool
}

func (p *pending) drop() { p.held = false }

// maxErrorText bounds the texts of an error that crosses into a guest.
const maxErrorText = 1 << 10

// caller is the instance that a host function was called from.
func caller(ctx context.Context) *Instance {
	if c, ok := ctx.(*inside); ok {
		return c.instance
	}
	return ctx.Value(instanceKey{}).(*Instance) //nolint:forcetypeassert // no guest runs without one
}

// served is a host function that the instance's Host serves.
func served(group, function string) api.GoModuleFunc {
	return func(ctx context.Context, _ api.Module, stack []uint64) {
		i := caller(ctx)
		i.used.hostCalls.Add(1)
		i.pending.drop()
		in, out, ok := i.ranges(stack)
		if !ok {
			i.charge(0)
			stack[0] = i.answerError(out, badRange(group, function, stack))
			return
		}
		began := i.engine.now()
		i.rests()
		reply, err := i.serve(group, function, in, out[:0]) //nolint:contextcheck // the Host's is the meter
		i.returned(began, i.wasi.clock.tick(i.engine.started))
		i.charge(len(in) + len(reply))
		if err != nil {
			stack[0] = i.answerError(out, err)
			return
		}
		stack[0] = i.answer(out, reply, 0)
	}
}

// denied is a host function of a group that was not granted.
func denied(group, function string) api.GoModuleFunc {
	answer := encodeError(nil, notGranted(group))
	return func(ctx context.Context, _ api.Module, stack []uint64) {
		i := caller(ctx)
		i.pending.drop()
		i.deny(group, function)
		i.charge(0)
		_, out, _ := i.ranges(stack)
		stack[0] = i.answer(out, answer, abi.HostErrorBit)
	}
}

func notGranted(group string) error {
	return fault.New(fault.Denied, "%s is not granted to this connector", group).
		WithHint("Add a grant for %s to the connector, or do without it.", group)
}

// take writes the pending reply. One that does not fit stays pending.
func take(ctx context.Context, _ api.Module, stack []uint64) {
	i := caller(ctx)
	_, out, ok := i.ranges(stack)
	p := &i.pending
	i.charge(len(p.reply))
	switch {
	case !ok:
		p.drop()
		stack[0] = i.answerError(out, badRange(abi.CoreGroup, coreTake, stack))
	case !p.held:
		stack[0] = i.answerError(out, fault.New(fault.Invalid, "no reply is waiting to be taken"))
	default:
		if len(p.reply) <= len(out) {
			copy(out, p.reply)
			p.drop()
		}
		stack[0] = uint64(len(p.reply)) | p.bit
	}
}

// ranges are the request, and the room for the reply, that the guest named. A
// bad range is empty.
func (i *Instance) ranges(stack []uint64) (in, out []byte, ok bool) {
	in, okIn := i.memory.at(api.DecodeU32(stack[0]), api.DecodeU32(stack[1]))
	out, okOut := i.memory.at(api.DecodeU32(stack[2]), api.DecodeU32(stack[3]))
	if !okIn || !okOut {
		i.engine.stats.badPointers.Add(1)
	}
	return in, out, okIn && okOut
}

func badRange(group, function string, stack []uint64) error {
	return fault.New(fault.Invalid, "%s.%s(%d, %d, %d, %d) names memory that the guest does not have", group, function,
		api.DecodeU32(stack[0]), api.DecodeU32(stack[1]), api.DecodeU32(stack[2]), api.DecodeU32(stack[3])).
		WithHint("This is a mistake of the SDK or of unsafe code in the module.")
}

// serve calls the Host. Its panic ends this guest alone, and says whose fault
// it was.
func (i *Instance) serve(group, function string, in, out []byte) (reply []byte, err error) {
	defer i.blame(group, function)
	if len(in) > MaxCrossing {
		return nil, fault.New(fault.TooLarge, "a request of %d bytes, and %d are allowed", len(in), MaxCrossing)
	}
	return i.host.HostCall(&i.meter, group, function, in, out)
}

// blame is deferred where the Host is called.
func (i *Instance) blame(group, function string) {
	if r := recover(); r != nil {
		i.broken = fmt.Errorf("%s.%s panicked: %v\n%s", group, function, r, debug.Stack())
		panic(sys.NewExitError(1))
	}
}

// deny tells the Host of a call that was not granted.
func (i *Instance) deny(group, function string) {
	defer i.blame("host", "Denied")
	i.used.denied.Add(1)
	i.host.Denied(group, function)
}

// tell gives the Host a line of output.
func (i *Instance) tell(stream int, line []byte) {
	defer i.blame("host", "Output")
	i.host.Output(stream, line)
}

// answer hands a reply to the guest: in the room that it offered, or pending.
func (i *Instance) answer(out, reply []byte, bit uint64) uint64 {
	switch n := len(reply); {
	case n > MaxCrossing:
		return i.answerError(out, fault.New(fault.TooLarge, "a reply of %d bytes, and %d are allowed", n, MaxCrossing))
	case n > len(out):
		i.pending = pending{reply: append(i.pending.reply[:0], reply...), bit: bit, held: true}
	case n > 0 && &reply[0] != &out[0]:
		copy(out, reply)
	}
	return uint64(len(reply)) | bit
}

func (i *Instance) answerError(out []byte, err error) uint64 {
	i.scratch = encodeError(i.scratch[:0], err)
	return i.answer(out, i.scratch, abi.HostErrorBit)
}

func encodeError(dst []byte, err error) []byte {
	e := fault.ToABI(err)
	e.Text, e.Hint = clip(e.Text), clip(e.Hint)
	return e.Append(dst)
}
