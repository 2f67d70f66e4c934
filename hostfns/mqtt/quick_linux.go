package mqtt

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quick is a connection that confirms at once what it reads. Mosquitto, unless it is
// told otherwise, holds back a small message until what it has sent is confirmed
// (Nagle's algorithm), and a peer that confirms late costs 40 ms each time.
func quick(conn net.Conn) net.Conn {
	inner := conn
	if of, ok := conn.(interface{ NetConn() net.Conn }); ok {
		inner = of.NetConn()
	}
	tcp, ok := inner.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	return &quickConn{conn, tcp, raw}
}

type quickConn struct {
	net.Conn
	tcp *net.TCPConn // under it
	raw syscall.RawConn
}

func (c *quickConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	_ = c.raw.Control(func(fd uintptr) { // the kernel forgets it again and again; without it things are slow
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
	return n, err
}

// CloseWrite ends what is written, and goes on reading.
func (c *quickConn) CloseWrite() error { return c.tcp.CloseWrite() }
