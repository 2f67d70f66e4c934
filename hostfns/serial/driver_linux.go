//go:build linux && !ppc64le

package serial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// ttys drives Linux terminals through the runtime's poller: a read or a write
// parks a goroutine and not a thread, ends by a deadline, works with any
// number of descriptors, and a descriptor is closed only when the last call on
// it has returned, so that its number cannot be another file's in between.
type ttys struct{}

func systemDriver() driver { return ttys{} }

func systemLister() lister { return sysfs{class: "/sys/class/tty", links: "/dev/serial"} }

func absolute(port string) bool { return filepath.IsAbs(port) }

func (ttys) resolve(port string) (string, error) {
	real, err := filepath.EvalSymlinks(port)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", err
	}
	if info.Mode()&os.ModeCharDevice == 0 {
		return "", errNotAPort
	}
	return real, nil
}

func (ttys) open(real string, set settings) (device, error) {
	file, err := os.OpenFile(real, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	t := &tty{file: file, halt: make(chan struct{})}
	if t.conn, err = file.SyscallConn(); err == nil {
		err = t.Configure(set)
	}
	if err == nil {
		err = file.SetDeadline(time.Time{}) // fails where the poller cannot wait
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return t, nil
}

// tty is an open terminal.
type tty struct {
	file  *os.File
	conn  syscall.RawConn
	timed bool // a read deadline is set; the reader's alone

	mu      sync.Mutex
	stopped bool
	halt    chan struct{} // closed while stopped
}

// Read waits for bytes.
func (t *tty) Read(p []byte, quiet time.Duration) (int, error) {
	if quiet > 0 || t.timed {
		t.setReadDeadline(quiet)
	}
	n, err := t.file.Read(p)
	switch {
	case err == nil:
		return n, nil
	case t.isStopped():
		return n, errInterrupted
	case errors.Is(err, os.ErrDeadlineExceeded):
		if t.Waiting() > 0 { // it was us who were late
			return t.Read(p, quiet)
		}
		return n, errQuiet
	case errors.Is(err, io.EOF):
		return n, fmt.Errorf("read %s: hung up", t.file.Name())
	}
	return n, err
}

func (t *tty) setReadDeadline(quiet time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	t.timed = quiet > 0
	var at time.Time
	if t.timed {
		at = time.Now().Add(quiet)
	}
	_ = t.file.SetReadDeadline(at) // it worked at open
}

// Write ends with ctx.
func (t *tty) Write(ctx context.Context, p []byte) (int, error) {
	if err := t.setWriteDeadline(time.Time{}); err != nil {
		return 0, err
	}
	fired := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		_ = t.setWriteDeadline(past())
		close(fired)
	})
	n, err := t.file.Write(p)
	if !release() {
		<-fired // or it would end the next write
	}
	switch {
	case err == nil:
		return n, nil
	case t.isStopped():
		return n, errInterrupted
	case ctx.Err() != nil:
		return n, ctx.Err()
	}
	return n, err
}

func (t *tty) setWriteDeadline(at time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return errInterrupted
	}
	return t.file.SetWriteDeadline(at)
}

// past is a deadline that has passed.
func past() time.Time { return time.Unix(1, 0) }

// Drain waits until the driver's buffer and, where the driver tells, the
// sender itself are empty. It asks again and again, because the system's own
// wait (tcdrain) cannot be ended while flow control holds the line.
func (t *tty) Drain(ctx context.Context) error {
	t.mu.Lock()
	halt := t.halt
	t.mu.Unlock()
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for {
		sent, err := t.sent()
		if sent || err != nil {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-halt:
			return errInterrupted
		}
	}
}

// sent reports whether all that was written has left.
func (t *tty) sent() (sent bool, err error) {
	err = t.control(func(fd int) error {
		waiting, err := unix.IoctlGetInt(fd, unix.TIOCOUTQ)
		sent = err == nil && waiting == 0 && senderEmpty(fd)
		return err
	})
	return sent, err
}

// senderEmpty is true as well for drivers that do not tell.
func senderEmpty(fd int) bool {
	status, err := unix.IoctlGetInt(fd, unix.TIOCSERGETLSR)
	return err != nil || status&unix.TIOCSER_TEMT != 0
}

// Waiting asks the driver.
func (t *tty) Waiting() (n int) {
	_ = t.control(func(fd int) (err error) { // fails on a lost link, which Read tells
		n, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
		return err
	})
	return n
}

// Signals reads the modem lines.
func (t *tty) Signals() (s abi.SerialSignals, err error) {
	err = t.control(func(fd int) error {
		bits, err := unix.IoctlGetInt(fd, unix.TIOCMGET)
		s = abi.SerialSignals{CTS: bits&unix.TIOCM_CTS != 0, DSR: bits&unix.TIOCM_DSR != 0, RI: bits&unix.TIOCM_RI != 0, DCD: bits&unix.TIOCM_CD != 0}
		return withoutModem(err)
	})
	return s, err
}

// SetSignals sets DTR and RTS.
func (t *tty) SetSignals(dtr, rts *bool) error {
	return t.control(func(fd int) error {
		for _, line := range []struct {
			to  *bool
			bit int
		}{{dtr, unix.TIOCM_DTR}, {rts, unix.TIOCM_RTS}} {
			request := uint(unix.TIOCMBIC)
			switch {
			case line.to == nil:
				continue
			case *line.to:
				request = unix.TIOCMBIS
			}
			if err := unix.IoctlSetPointerInt(fd, request, line.bit); err != nil {
				return withoutModem(err)
			}
		}
		return nil
	})
}

// withoutModem names the error of a line that has no modem lines.
func withoutModem(err error) error {
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
		return errors.Join(errUnsupported, err)
	}
	return err
}

// Break sends a break, and always ends it.
func (t *tty) Break(ctx context.Context, d time.Duration) error {
	t.mu.Lock()
	halt := t.halt
	t.mu.Unlock()
	set := func(request uint) error {
		return t.control(func(fd int) error { return unix.IoctlSetInt(fd, request, 0) })
	}
	if err := set(unix.TIOCSBRK); err != nil {
		return withoutModem(err)
	}
	var early error
	select {
	case <-time.After(d):
	case <-ctx.Done():
		early = ctx.Err()
	case <-halt:
		early = errInterrupted
	}
	return errors.Join(early, set(unix.TIOCCBRK))
}

// Discard drops both of the kernel's buffers.
func (t *tty) Discard() error { return t.flush(unix.TCIOFLUSH) }

func (t *tty) flush(which int) error {
	return t.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, which) })
}

// Interrupt ends what waits, and what is going to.
func (t *tty) Interrupt() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	t.stopped = true
	close(t.halt)
	_ = t.file.SetDeadline(past())
}

// Resume takes Interrupt back.
func (t *tty) Resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped, t.timed, t.halt = false, false, make(chan struct{})
	_ = t.file.SetDeadline(time.Time{})
}

func (t *tty) isStopped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stopped
}

// Close lets the last bytes out first. What the line does not take in time is
// discarded, because the kernel would hold the descriptor for it for up to 30
// seconds (closing_wait).
func (t *tty) Close() error {
	until := time.Now().Add(closeGrace)
	for sent, err := t.sent(); !sent && err == nil && time.Now().Before(until); sent, err = t.sent() {
		<-time.After(5 * time.Millisecond)
	}
	_ = t.flush(unix.TCOFLUSH) // fails on a lost link, where nothing waits
	// The lock belongs to the line, and would stay while anybody has it open.
	_ = t.control(func(fd int) error { return setExclusive(fd, false) })
	return t.file.Close()
}

// control runs what with the descriptor, without making it blocking.
func (t *tty) control(what func(fd int) error) error {
	var inner error
	if err := t.conn.Control(func(fd uintptr) { inner = what(int(fd)) }); err != nil {
		return err
	}
	return inner
}
