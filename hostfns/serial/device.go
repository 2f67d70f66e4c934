package serial

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// driver is how an operating system's ports are reached.
type driver interface {
	// resolve follows links and answers the real path of a port. It does not
	// open it.
	resolve(port string) (string, error)
	open(real string, set settings) (device, error)
}

// device is an open port. Read is called by one goroutine at a time, Write,
// Drain and Discard by one at a time, which may be another one. Close is
// called last, when all have returned.
type device interface {
	// Read waits for at least one byte. It ends with errQuiet when none came
	// for the duration quiet (0: no limit) and with errInterrupted.
	Read(p []byte, quiet time.Duration) (int, error)
	// Write answers how many bytes the system took; all of them unless there
	// is an error.
	Write(ctx context.Context, p []byte) (int, error)
	// Drain waits until all that was written has left.
	Drain(ctx context.Context) error
	// Discard drops what was received and not read, written and not sent.
	Discard() error
	// Waiting is how many bytes were received and not read; 0 where the system
	// does not tell.
	Waiting() int
	// Signals reads the modem lines, and SetSignals sets those that are not nil.
	Signals() (abi.SerialSignals, error)
	SetSignals(dtr, rts *bool) error
	// Break sends a break for so long, or until ctx ends or Interrupt.
	Break(ctx context.Context, d time.Duration) error
	// Configure sets the line; what was received stays.
	Configure(set settings) error
	// Interrupt ends Read, Write and Drain, now and from now on, until Resume.
	Interrupt()
	Resume()
	// Close waits a moment for what was written, discards the rest, and
	// returns within closeGrace and a little.
	Close() error
}

const closeGrace = 250 * time.Millisecond

var (
	errQuiet       = errors.New("the line is quiet")
	errInterrupted = errors.New("the port is being closed")
	errNotAPort    = errors.New("not a serial port")
	errBusy        = errors.New("another process has it open exclusively")
	errLost        = errors.New("the link was lost")
	errUnsupported = errors.New("not supported by this system's serial driver")
)

// openError is why a port was not opened, and whether trying again can help.
type openError struct {
	fault error
	retry bool
}

func (e *openError) faultOrNil() error {
	if e == nil {
		return nil
	}
	return e.fault
}

// timedOut is the error after the last try.
func (e *openError) timedOut(port string) error {
	last := fault.Of(e.fault)
	f := fault.Wrap(last.Kind, e.fault, "Connection refused per timeout for device %s", port)
	f.Hint = last.Hint
	return f
}

// refused names the reason that the system gave.
func refused(port string, err error) *openError {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV):
		return &openError{fault.Wrap(fault.PortNotFound, err, "serial port %s is not there", port), true}
	case errors.Is(err, fs.ErrPermission):
		return &openError{fault.Wrap(fault.ResourceUnavailable, err, "serial port %s may not be opened by this server's user", port).
			WithHint("Add the server's user to the group that owns the port (ls -l %s; usually dialout: sudo usermod -aG dialout <user>), then restart the server.", port), false}
	case errors.Is(err, errNotAPort), errors.Is(err, syscall.ENOTTY):
		return &openError{fault.Wrap(fault.Invalid, err, "%s is not a serial port", port).
			WithFields(fault.Field{Pointer: "/port", Detail: "not a serial port"}).
			WithHint("Name a serial device; ls -l /dev/serial/by-id shows them."), false}
	case errors.Is(err, errUnsupported), errors.Is(err, syscall.EINVAL):
		return &openError{fault.Wrap(fault.Unsupported, err, "serial port %s cannot be set so", port).
			WithHint("Use settings that the port's driver knows."), false}
	case errors.Is(err, errBusy), errors.Is(err, syscall.EBUSY):
		return &openError{fault.Wrap(fault.PortInUse, err, "serial port %s is in use", port).
			WithHint("Stop the other program (fuser -v %s names it), or use another port.", port), true}
	}
	return &openError{fault.Wrap(fault.ResourceUnavailable, err, "serial port %s cannot be opened", port), true}
}
