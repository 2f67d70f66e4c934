package engine

import (
	"errors"
	"math"
	"strings"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/snaprail/snaprail/runtime/fault"
)

// runExtism is a call of a guest with an Extism PDK.
func (i *Instance) runExtism(n int, entry string, in []byte) ([]byte, error) {
	k := i.kernel
	k.failure = k.failure[:0]
	if !k.Begin(in) {
		return nil, fault.New(fault.TooLarge, "an input of %d bytes, and the guest leaves no room for it under its limit of %d KiB of memory",
			len(in), i.memory.limit>>10)
	}
	if err := i.wake(entry); err != nil {
		return nil, err
	}
	i.stack[0] = 0
	if err := i.invoke(i.function(n, entry), i.stack[:1]); err != nil {
		exit, ok := exited(err)
		if k.rc = exit; !ok {
			k.rc = 1
		}
		if !ok || exit != 0 || i.meter.stopped.Load() {
			return nil, i.die(entry, err)
		}
		// It is done, and says so by leaving: this is its reply, and its last.
		i.dying, i.stack[0] = true, 0
	}
	k.rc = api.DecodeU32(i.stack[0])
	return i.readExtism(entry)
}

// exited is the code with which a guest has left.
func exited(err error) (code uint32, ok bool) {
	var exit *sys.ExitError
	if !errors.As(err, &exit) {
		return 0, false
	}
	return exit.ExitCode(), true
}

// readExtism copies the reply out of the kernel.
func (i *Instance) readExtism(entry string) ([]byte, error) {
	k := i.kernel
	out := k.Output()
	i.output.Store(uint32(min(uint64(len(out)), math.MaxUint32)))
	if len(out) > int(i.maxOutput) {
		return nil, fault.New(fault.GuestOutput, "%s answered %d bytes, and %d are allowed", entry, len(out), i.maxOutput)
	}
	i.reply = append(i.reply[:0], out...)
	if text := k.ErrorText(); len(text) > 0 {
		return nil, fault.New(fault.Guest, "%s", strings.ToValidUTF8(clip(string(text)), "\uFFFD"))
	}
	if k.rc != 0 {
		return nil, fault.New(fault.Guest, "%s answered %d and gave no reason", entry, int32(k.rc)) //nolint:gosec // it is one
	}
	return i.reply, nil
}

// wake initializes the runtime of the guest's language, once, before the first
// entry point that is not itself a start function. It sees that call's input.
func (i *Instance) wake(entry string) error {
	k := i.kernel
	if k.awake || entry == "_start" || entry == initialize {
		return nil
	}
	k.awake = true
	if fn := i.module.ExportedFunction("hs_init"); fn != nil { // Haskell's
		return i.wakeHaskell(fn)
	}
	for _, name := range []string{initialize, "__wasm_call_ctors"} {
		if fn := i.module.ExportedFunction(name); fn != nil && len(fn.Definition().ParamTypes()) == 0 {
			return i.start1(name, fn)
		}
	}
	return nil
}

func (i *Instance) wakeHaskell(hsInit api.Function) error {
	if fn := i.module.ExportedFunction(initialize); fn != nil && len(fn.Definition().ParamTypes()) == 0 {
		if err := i.start1(initialize, fn); err != nil {
			return err
		}
	}
	if !isSignature(hsInit.Definition(), "ii", "") {
		return i.die("hs_init", fault.New(fault.GuestTrap, "hs_init is not of type (i32, i32) -> ()"))
	}
	return i.start1("hs_init", hsInit)
}

// start1 calls a start function.
func (i *Instance) start1(name string, fn api.Function) error {
	var stack [2]uint64
	if err := i.invoke(fn, stack[:]); err != nil {
		return i.die(name, err)
	}
	return nil
}
