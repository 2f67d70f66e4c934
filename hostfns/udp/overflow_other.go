//go:build !linux

package udp

import "net"

// overflow is what the system dropped, which it does not tell here.
type overflow struct{}

func (*overflow) watch(net.Conn) {}

func (*overflow) read(conn net.Conn, buf []byte) (int, error) { return conn.Read(buf) }

func (*overflow) more() uint64 { return 0 }
