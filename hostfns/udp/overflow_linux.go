package udp

import (
	"encoding/binary"
	"net"

	"golang.org/x/sys/unix"
)

// overflow is how many datagrams the system has dropped because nobody read them
// in time. It says so beside each datagram that is read.
type overflow struct {
	conn        *net.UDPConn // nil: nothing is known
	oob         [64]byte
	total, told uint32 // of the socket; they may wrap
}

func (o *overflow) watch(conn net.Conn) {
	c, ok := conn.(*net.UDPConn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	failed := err
	if err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	}); err == nil && failed == nil {
		o.conn = c
	}
}

// read is conn.Read.
func (o *overflow) read(conn net.Conn, buf []byte) (int, error) {
	if o.conn == nil {
		return conn.Read(buf)
	}
	n, oobn, _, _, err := o.conn.ReadMsgUDPAddrPort(buf, o.oob[:])
	if err != nil {
		return n, err
	}
	messages, _ := unix.ParseSocketControlMessage(o.oob[:oobn])
	for i := range messages {
		m := &messages[i]
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_RXQ_OVFL && len(m.Data) >= 4 {
			o.total = binary.NativeEndian.Uint32(m.Data)
		}
	}
	return n, nil
}

// more is how many have been dropped since it was asked last.
func (o *overflow) more() uint64 {
	n := o.total - o.told
	o.told = o.total
	return uint64(n)
}
