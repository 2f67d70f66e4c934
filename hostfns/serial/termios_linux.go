//go:build linux && !ppc64le

package serial

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Configure sets the line.
//
// dsrdtr is accepted and changes nothing: Linux has no such flow control, and
// raises DTR and RTS when a port is opened. One and a half stop bits are sent
// with 5 data bits only; with others the hardware sends two, which every
// receiver takes. A pseudo-terminal takes all settings and heeds none.
func (t *tty) Configure(set settings) error {
	return t.control(func(fd int) error {
		mode, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
		if err != nil {
			return fmt.Errorf("read the line's settings: %w", err)
		}
		apply(mode, set)
		if err := unix.IoctlSetTermios(fd, unix.TCSETS2, mode); err != nil {
			return fmt.Errorf("set the line: %w", err)
		}
		return setExclusive(fd, set.exclusive)
	})
}

// apply makes mode raw, with the settings.
func apply(mode *unix.Termios, set settings) {
	mode.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.IGNPAR | unix.PARMRK | unix.INPCK | unix.ISTRIP |
		unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IUCLC | unix.IXON | unix.IXOFF | unix.IXANY
	mode.Oflag &^= unix.OPOST
	mode.Lflag &^= unix.ICANON | unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ECHONL | unix.ECHOCTL |
		unix.ECHOPRT | unix.ECHOKE | unix.ISIG | unix.IEXTEN
	mode.Cflag &^= unix.CBAUD | unix.CBAUD<<ibshift | unix.CSIZE | unix.CSTOPB | unix.PARENB | unix.PARODD | unix.CMSPAR | unix.CRTSCTS
	// BOTHER takes the speed as a number: any speed that the hardware can do.
	mode.Cflag |= unix.CREAD | unix.CLOCAL | unix.BOTHER | unix.BOTHER<<ibshift | characterBits(set)
	mode.Ispeed, mode.Ospeed = set.baud, set.baud
	if set.parity != 'N' {
		mode.Iflag |= unix.INPCK
	}
	if set.xonxoff {
		mode.Iflag |= unix.IXON | unix.IXOFF
	}
	if set.rtscts {
		mode.Cflag |= unix.CRTSCTS
	}
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
}

// ibshift is where the input speed stands in c_cflag.
const ibshift = 16

func characterBits(set settings) uint32 {
	bits := map[uint32]uint32{5: unix.CS5, 6: unix.CS6, 7: unix.CS7, 8: unix.CS8}[set.dataBits]
	switch set.parity {
	case 'E':
		bits |= unix.PARENB
	case 'O':
		bits |= unix.PARENB | unix.PARODD
	case 'M':
		bits |= unix.PARENB | unix.PARODD | unix.CMSPAR
	case 'S':
		bits |= unix.PARENB | unix.CMSPAR
	}
	if set.stopX2 > 2 {
		bits |= unix.CSTOPB
	}
	return bits
}

// setExclusive keeps other processes off the port: TIOCEXCL against all but
// the superuser, and the lock that pyserial takes, against its users.
func setExclusive(fd int, exclusive bool) error {
	if !exclusive {
		return errors.Join(tolerate(unix.IoctlSetInt(fd, unix.TIOCNXCL, 0)), unix.Flock(fd, unix.LOCK_UN))
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return errBusy
	}
	return tolerate(unix.IoctlSetInt(fd, unix.TIOCEXCL, 0))
}

// tolerate forgives a device that does not know a request.
func tolerate(err error) error {
	if errors.Is(err, unix.ENOTTY) {
		return nil
	}
	return err
}
