//go:build !unix

package egress

import (
	"errors"
	"syscall"
)

// noBroadcast fails: what cannot be made sure of is not done.
func noBroadcast(syscall.RawConn) error {
	return errors.New("this system's sockets cannot be kept from broadcasting")
}
