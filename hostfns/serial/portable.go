package serial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	bugst "go.bug.st/serial"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// portable drives ports through go.bug.st/serial, on systems where we have no
// driver of our own. That library closes a descriptor under a reader's and a
// writer's feet, and its Write has no end of its own; so here one goroutine
// does all writing and, when it has returned from that, the closing, and Read
// wakes often enough to see that it is to stop. The library waits by select:
// on Unix, a process with more than 1,024 open files cannot use it.
type portable struct{}

const (
	wakeUp    = 50 * time.Millisecond
	writeStep = 256 // bytes written without looking whether to go on
)

func (portable) resolve(port string) (string, error) {
	if runtime.GOOS == "windows" {
		return port, nil
	}
	real, err := filepath.EvalSymlinks(port)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(real)
	if err == nil && info.Mode()&os.ModeCharDevice == 0 {
		err = errNotAPort
	}
	return real, err
}

func (portable) open(real string, set settings) (device, error) {
	mode, err := bugstMode(set)
	if err != nil {
		return nil, err
	}
	port, err := bugst.Open(real, mode)
	if err != nil {
		return nil, bugstError(err)
	}
	b := &bridge{port: port, jobs: make(chan job), free: make(chan struct{}), halt: make(chan struct{})}
	go b.work()
	return b, nil
}

// ports lists names alone.
func (portable) ports() ([]abi.SerialPort, error) {
	names, err := bugst.GetPortsList()
	all := make([]abi.SerialPort, len(names))
	for i, name := range names {
		all[i].Path = name
	}
	return all, err
}

func bugstMode(set settings) (*bugst.Mode, error) {
	if set.xonxoff || set.rtscts {
		return nil, fmt.Errorf("flow control (xonxoff, rtscts): %w", errUnsupported)
	}
	return &bugst.Mode{
		BaudRate: int(set.baud), DataBits: int(set.dataBits),
		Parity: map[byte]bugst.Parity{
			'N': bugst.NoParity, 'E': bugst.EvenParity, 'O': bugst.OddParity,
			'M': bugst.MarkParity, 'S': bugst.SpaceParity,
		}[set.parity],
		StopBits: map[uint32]bugst.StopBits{
			2: bugst.OneStopBit, 3: bugst.OnePointFiveStopBits, 4: bugst.TwoStopBits,
		}[set.stopX2],
	}, nil
}

// bugstError tells the library's errors in the system's words.
func bugstError(err error) error {
	var port *bugst.PortError
	if !errors.As(err, &port) {
		return err
	}
	switch port.Code() { //nolint:exhaustive // the others are as the library tells them
	case bugst.PortBusy:
		return errors.Join(errBusy, err)
	case bugst.PortNotFound:
		return errors.Join(os.ErrNotExist, err)
	case bugst.PermissionDenied:
		return errors.Join(os.ErrPermission, err)
	case bugst.InvalidSerialPort:
		return errors.Join(errNotAPort, err)
	case bugst.InvalidSpeed, bugst.InvalidDataBits, bugst.InvalidParity, bugst.InvalidStopBits:
		return errors.Join(errUnsupported, err)
	}
	return err
}

// bridge is an open port.
type bridge struct {
	port bugst.Port
	jobs chan job
	free chan struct{} // closed when the port is closed

	mu      sync.Mutex
	stopped bool
	halt    chan struct{} // closed while stopped
	patient time.Duration // the read timeout that is set; the reader's alone
}

// job is something to do for the writing goroutine. It must end soon after its
// ctx, if somebody discards the port's output.
type job struct {
	ctx  context.Context //nolint:containedctx // it travels with the job
	do   func(context.Context) error
	done chan<- error
}

func (b *bridge) work() {
	defer close(b.free)
	defer func() { _ = b.port.Close() }() // nothing is left that could fail
	for j := range b.jobs {
		j.done <- j.do(j.ctx)
	}
}

// Read waits for bytes.
func (b *bridge) Read(p []byte, quiet time.Duration) (int, error) {
	var until time.Time
	if quiet > 0 {
		until = time.Now().Add(quiet)
	}
	for {
		if b.isStopped() {
			return 0, errInterrupted
		}
		step := wakeUp
		if quiet > 0 {
			step = min(step, max(time.Until(until), time.Millisecond))
		}
		if err := b.wait(step); err != nil {
			return 0, err
		}
		n, err := b.port.Read(p)
		switch {
		case err != nil:
			return n, fmt.Errorf("hung up: %w", err)
		case n > 0:
			return n, nil
		case quiet > 0 && !time.Now().Before(until):
			return 0, errQuiet
		}
	}
}

func (b *bridge) wait(step time.Duration) error {
	if step == b.patient {
		return nil
	}
	b.patient = step
	return b.port.SetReadTimeout(step)
}

// Write ends with ctx.
func (b *bridge) Write(ctx context.Context, p []byte) (int, error) {
	var n atomic.Int64 // the job may outlive this call
	p = bytes.Clone(p)
	err := b.hand(ctx, func(ctx context.Context) error {
		for rest := p; len(rest) > 0; {
			if err := ctx.Err(); err != nil {
				return err
			}
			m, err := b.port.Write(rest[:min(writeStep, len(rest))])
			n.Add(int64(m))
			if err != nil {
				return err
			}
			rest = rest[m:]
		}
		return nil
	})
	return int(n.Load()), err
}

// Drain ends with ctx.
func (b *bridge) Drain(ctx context.Context) error {
	return b.hand(ctx, func(context.Context) error { return b.port.Drain() })
}

// hand gives the writing goroutine a job and waits for its end, or for ctx's
// and a little.
func (b *bridge) hand(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.mu.Lock()
	halt := b.halt
	b.mu.Unlock()
	done := make(chan error, 1)
	select {
	case b.jobs <- job{ctx, do, done}:
	case <-ctx.Done():
		return ctx.Err()
	case <-halt:
		return errInterrupted
	}
	var stopped error
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		stopped = ctx.Err()
	case <-halt:
		stopped = errInterrupted
	}
	cancel()
	b.unblock(done)
	return stopped
}

// unblock discards output until the job ends, or closeGrace has passed: then
// the job holds the writing goroutine, and the port, for as long as it takes.
func (b *bridge) unblock(done <-chan error) {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.After(closeGrace); ; {
		_ = b.port.ResetOutputBuffer() // best effort
		select {
		case <-done: //nolint:errcheck // the caller has its own reason
			return
		case <-again.C:
		case <-end:
			return
		}
	}
}

// Waiting is not told.
func (b *bridge) Waiting() int { return 0 }

// Signals reads the modem lines.
func (b *bridge) Signals() (abi.SerialSignals, error) {
	bits, err := b.port.GetModemStatusBits()
	if err != nil {
		return abi.SerialSignals{}, errors.Join(errUnsupported, err)
	}
	return abi.SerialSignals{CTS: bits.CTS, DSR: bits.DSR, RI: bits.RI, DCD: bits.DCD}, nil
}

// SetSignals sets DTR and RTS.
func (b *bridge) SetSignals(dtr, rts *bool) error {
	if dtr != nil {
		if err := b.port.SetDTR(*dtr); err != nil {
			return errors.Join(errUnsupported, err)
		}
	}
	if rts != nil {
		if err := b.port.SetRTS(*rts); err != nil {
			return errors.Join(errUnsupported, err)
		}
	}
	return nil
}

// Break ends with ctx or with the break.
func (b *bridge) Break(ctx context.Context, d time.Duration) error {
	return b.hand(ctx, func(context.Context) error { return b.port.Break(d) })
}

// Discard drops both buffers.
func (b *bridge) Discard() error {
	return errors.Join(b.port.ResetInputBuffer(), b.port.ResetOutputBuffer())
}

// Configure sets the line.
func (b *bridge) Configure(set settings) error {
	mode, err := bugstMode(set)
	if err != nil {
		return err
	}
	return bugstError(b.port.SetMode(mode))
}

// Interrupt ends what waits.
func (b *bridge) Interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		b.stopped = true
		close(b.halt)
	}
}

// Resume takes Interrupt back.
func (b *bridge) Resume() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped, b.halt = false, make(chan struct{})
}

func (b *bridge) isStopped() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stopped
}

// Close ends the writing goroutine, which closes the port.
func (b *bridge) Close() error {
	close(b.jobs)
	select {
	case <-b.free:
		return nil
	case <-time.After(closeGrace):
		return errors.New("a write does not end; the port is closed when it has")
	}
}
