package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/sys"

	"github.com/snaprail/snaprail/runtime/fault"
)

// maxTrace bounds the stack trace in a fault's text, in bytes.
const maxTrace = 2 << 10

// die marks the instance as lost and says what it died of. The state of the
// guest may be half of something, so nothing of it is used again.
func (i *Instance) die(entry string, err error) *fault.Fault {
	i.dying = true
	f := i.diagnose(entry, err)
	i.engine.stats.death(f.Kind)
	if tail := i.wasi.lastWords(); tail != "" {
		f.Text += "\nstderr:\n" + tail
	}
	return f
}

func (i *Instance) diagnose(entry string, err error) *fault.Fault {
	var exit *sys.ExitError
	var known *fault.Fault
	switch over := i.meter.verdict(); {
	case errors.Is(err, errPanic) && i.memory.failed == nil:
		return fault.Wrap(fault.Internal, err, "%s: the host failed", entry)
	case i.broken != nil:
		return fault.Wrap(fault.Internal, i.broken, "%s: the host failed", entry)
	case errors.Is(over, context.DeadlineExceeded):
		return fault.New(fault.GuestDeadline, "%s did not return within %s%s", entry, i.meter.allowed(), i.throttledText())
	case errors.Is(over, errShare):
		return fault.New(fault.TenantCPU, "%s may take %s, and would have to wait longer for the tenant's share of the processor%s",
			entry, i.meter.allowed(), i.throttledText())
	case over != nil:
		return fault.New(fault.Canceled, "%s was given up by its caller", entry)
	case errors.As(err, &known):
		return known
	case i.memory.failed != nil:
		return fault.Wrap(fault.Exhausted, i.memory.failed, "%s: the machine has no memory for the guest", entry)
	case i.outOfStack(err):
		return fault.Wrap(fault.GuestStack, brief(err), "%s nested its calls deeper than %d words of stack", entry, i.stackLimit)
	case i.memory.refused:
		return fault.Wrap(fault.GuestMemory, brief(err), "%s asked for more than %d KiB of memory and then failed",
			entry, i.memory.limit>>10)
	case i.outOfTable():
		return fault.Wrap(fault.GuestTable, brief(err), "%s asked for a table of more than %d entries and then failed",
			entry, i.tableLimit)
	case errors.As(err, &exit):
		return fault.New(fault.GuestTrap, "%s exited with code %d", entry, exit.ExitCode())
	}
	return fault.Wrap(fault.GuestTrap, brief(err), "%s trapped", entry)
}

// outOfStack reports whether a trap was that of wasmbin's Meter for calls that
// are nested too deeply, or that of an interpreter, which has a bound of its own.
func (i *Instance) outOfStack(err error) bool {
	return i.fuel.stack != nil && int64(i.fuel.stack.Get()) < 0 || err != nil && strings.Contains(err.Error(), "stack overflow") //nolint:gosec // an i64 of the guest
}

// outOfTable reports whether the guest was refused entries of its table:
// wasmbin's Meter turns the limit negative then.
func (i *Instance) outOfTable() bool {
	return i.fuel.table != nil && int32(i.fuel.table.Get()) < 0 //nolint:gosec // an i32
}

// throttledText says how much of a call was spent waiting for the account's
// share of the processor.
func (i *Instance) throttledText() string {
	if i.fuel.throttled == 0 {
		return ""
	}
	return fmt.Sprintf(", of which %s went by waiting for the tenant's share of the processor",
		i.fuel.throttled.Round(time.Millisecond))
}

// brief shortens wazero's text: what happened, and the frames that have names.
func brief(err error) error {
	text := strings.ToValidUTF8(err.Error(), "\uFFFD")
	text = strings.TrimPrefix(text, "wasm error: ")
	text = strings.ReplaceAll(text, " (recovered by wazero)", "")
	what, trace, _ := strings.Cut(text, "\nwasm stack trace:\n")
	for frame := range strings.Lines(trace) {
		if len(what) > maxTrace {
			what += "\n\t..."
			break
		}
		if frame = strings.TrimSpace(frame); !strings.HasPrefix(frame, ".$") {
			what += "\n\t" + frame
		}
	}
	return errors.New(what)
}
