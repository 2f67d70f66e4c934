package tcp

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unconfirmed bounds how long what was sent may stay unconfirmed before the
// connection counts as lost: the system would try for a quarter of an hour.
func unconfirmed(c *net.TCPConn, most time.Duration) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(most.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
