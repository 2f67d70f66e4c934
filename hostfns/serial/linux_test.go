//go:build linux && !ppc64le

package serial

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// received is how many bytes the kernel holds for the session.
func received(t *testing.T, s *Session) (n int) {
	t.Helper()
	dev, _ := s.current()
	switch d := dev.(type) {
	case *tty:
		if err := d.control(func(fd int) (err error) { n, err = unix.IoctlGetInt(fd, unix.TIOCINQ); return err }); err != nil {
			t.Fatal(err)
		}
	default:
		fd, err := unix.Open(s.set.port, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd) //nolint:errcheck // nothing was written
		if n, err = unix.IoctlGetInt(fd, unix.TIOCINQ); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// The settings arrive at the line. (A pseudo-terminal has no parity and no
// data bits, so apply is looked at for these.)
func TestSettingsReachTheLine(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "weather", r.args(func(o *abi.SerialOpen) {
		o.BaudRate, o.StopBitsX2, o.RTSCTS, o.XonXoff = 123456, 3, true, true
	}))
	mode := lineOf(t, s)
	if mode.Ospeed != 123456 || mode.Ispeed != 123456 {
		t.Errorf("speeds %d and %d", mode.Ospeed, mode.Ispeed)
	}
	if mode.Cflag&unix.CSTOPB == 0 || mode.Cflag&unix.CRTSCTS == 0 || mode.Iflag&unix.IXON == 0 || mode.Iflag&unix.IXOFF == 0 {
		t.Errorf("flags %#x %#x", mode.Cflag, mode.Iflag)
	}
	if mode.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 || mode.Oflag&unix.OPOST != 0 || mode.Iflag&unix.ICRNL != 0 {
		t.Errorf("the line is not raw: %#x %#x %#x", mode.Lflag, mode.Oflag, mode.Iflag)
	}
	closeSession(t, s)
	mode = lineOf(t, opened(t, New(Config{}), "weather", r.args()))
	if mode.Ospeed != 9600 || mode.Cflag&(unix.CSTOPB|unix.CRTSCTS) != 0 || mode.Iflag&unix.IXON != 0 {
		t.Errorf("the defaults do not undo what was set: %+v", mode)
	}
}

func lineOf(t *testing.T, s *Session) (mode *unix.Termios) {
	t.Helper()
	dev, _ := s.current()
	if err := dev.(*tty).control(func(fd int) (err error) { mode, err = unix.IoctlGetTermios(fd, unix.TCGETS2); return err }); err != nil {
		t.Fatal(err)
	}
	return mode
}

func TestCharacterBits(t *testing.T) {
	for parity, want := range map[byte]uint32{
		'N': 0, 'E': unix.PARENB, 'O': unix.PARENB | unix.PARODD,
		'M': unix.PARENB | unix.PARODD | unix.CMSPAR, 'S': unix.PARENB | unix.CMSPAR,
	} {
		var mode unix.Termios
		apply(&mode, settings{baud: 9600, dataBits: 7, parity: parity, stopX2: 2})
		if got := mode.Cflag & (unix.PARENB | unix.PARODD | unix.CMSPAR | unix.CSIZE | unix.CSTOPB); got != want|unix.CS7 {
			t.Errorf("parity %c: %#x", parity, got)
		}
	}
}

// Exclusive holds against other processes, the superuser's too, if they ask.
func TestExclusive(t *testing.T) {
	r := plugged(t)
	exclusive := r.args(func(o *abi.SerialOpen) { o.Exclusive = new(true) })
	s := opened(t, New(Config{}), "weather", exclusive)
	// Another group stands for another process: it does not share the claims.
	_, err := New(Config{}).Open(t.Context(), scope("other"), exclusive)
	if !fault.Is(err, fault.PortInUse) {
		t.Errorf("got %v", err)
	}
	closeSession(t, s)
	opened(t, New(Config{}), "other", exclusive)
}
