//go:build unix

package egress

import "syscall"

// noBroadcast makes the system refuse a broadcast address: Go allows them.
func noBroadcast(c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 0)
	})
	if err != nil {
		return err
	}
	return failed
}
