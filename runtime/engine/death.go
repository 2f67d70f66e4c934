package engine

import (
	"context"
	"errors"
	"strings"

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
	switch over := i.meter.Err(); {
	case errors.Is(err, errPanic):
		return fault.Wrap(fault.Internal, err, "%s: the host failed", entry)
	case i.broken != nil:
		return fault.Wrap(fault.Internal, i.broken, "%s: the host failed", entry)
	case errors.Is(over, context.DeadlineExceeded):
		return fault.New(fault.GuestDeadline, "%s did not return within %s", entry, i.meter.allowed())
	case over != nil:
		return fault.New(fault.Canceled, "%s was given up by its caller", entry)
	case errors.As(err, &known):
		return known
	case i.memory.refused:
		return fault.Wrap(fault.GuestMemory, brief(err), "%s asked for more than %d KiB of memory and then failed",
			entry, i.memory.limit>>10)
	case errors.As(err, &exit):
		return fault.New(fault.GuestTrap, "%s exited with code %d", entry, exit.ExitCode())
	}
	return fault.Wrap(fault.GuestTrap, brief(err), "%s trapped", entry)
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
