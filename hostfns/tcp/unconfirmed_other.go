//go:build !linux

package tcp

import (
	"net"
	"time"
)

// unconfirmed leaves it to the system how long what was sent may stay unconfirmed.
func unconfirmed(*net.TCPConn, time.Duration) error { return nil }
