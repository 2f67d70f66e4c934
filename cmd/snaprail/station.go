package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/runtime/fault"
)

// station is a simulated weather station: it writes lines such as "422498\n"
// (temperature 42, humidity 24, battery 98) into one end of a pseudo-terminal
// pair. Whoever opens the other end sees a serial port.
type station struct {
	// Port is the path of the end that a connector opens.
	Port string

	near, far *os.File
	reading   [3]int
	number    uint64
	written   atomic.Uint64 // frames
	numbered  bool          // each frame ends with its number, in eight digits
}

// newStation opens a pseudo-terminal pair, without the echo and the line
// editing of a terminal.
func newStation(numbered bool) (*station, error) {
	near, far, err := pty.Open()
	if err != nil {
		return nil, fault.Wrap(fault.ResourceUnavailable, err, "pseudo-terminal").
			WithHint("The system must offer /dev/ptmx and /dev/pts.")
	}
	s := &station{Port: far.Name(), near: near, far: far, reading: [3]int{42, 24, 98}, numbered: numbered}
	// The pair comes blocking, so that a write that nobody reads would not end.
	if err := errors.Join(onDescriptor(near, func(fd int) error { return unix.SetNonblock(fd, true) }), onDescriptor(far, makeRaw)); err != nil {
		return nil, errors.Join(fault.Wrap(fault.ResourceUnavailable, err, "pseudo-terminal"), s.close())
	}
	return s, nil
}

// onDescriptor does something to a file's descriptor and leaves its mode alone.
func onDescriptor(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = conn.Control(func(fd uintptr) { inner = do(int(fd)) })
	return errors.Join(err, inner)
}

// makeRaw is cfmakeraw(3): bytes pass as they are.
func makeRaw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// play writes a frame at every interval until ctx ends. A line that nobody
// reads holds it up, as a serial line with flow control would.
func (s *station) play(ctx context.Context, interval time.Duration) error {
	defer context.AfterFunc(ctx, func() { _ = s.near.SetWriteDeadline(time.Now()) })()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(s.near, s.frame()); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		s.written.Add(1)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// frame is the next line. The readings wander by one at a time, and stay
// within two digits.
func (s *station) frame() string {
	for i := range s.reading {
		s.reading[i] = min(max(s.reading[i]+rand.IntN(3)-1, 10), 99) //nolint:gosec // weather needs no secrecy
	}
	s.number++
	if s.numbered {
		return fmt.Sprintf("%02d%02d%02d%08d\n", s.reading[0], s.reading[1], s.reading[2], s.number)
	}
	return fmt.Sprintf("%02d%02d%02d\n", s.reading[0], s.reading[1], s.reading[2])
}

func (s *station) close() error { return errors.Join(s.near.Close(), s.far.Close()) }
