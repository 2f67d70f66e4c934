package mqtt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
)

// stub is a broker that does what the test says. Subscriptions are granted, and
// pings answered, unless it is silent.
type stub struct {
	t        *testing.T
	listener net.Listener
	at       string
	version  byte

	receiveMaximum uint16
	present        bool
	silent         atomic.Bool

	conn    net.Conn
	hello   []byte // the CONNECT's body
	packets chan wire.Packet
}

func listen(t *testing.T) *stub {
	t.Helper()
	var c net.ListenConfig
	l, err := c.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stub{t: t, listener: l, at: l.Addr().String(), version: wire.V5}
	t.Cleanup(func() {
		_ = l.Close()
		s.drop()
	})
	return s
}

// open is a session of the group that the stub has let in.
func (s *stub) open(t *testing.T, g *Group, change ...func(*abi.MQTTOpen)) client {
	t.Helper()
	a := args(s.at, change...)
	if a.Version == wire.V311 {
		s.version = wire.V311
	}
	let := make(chan struct{})
	go func() {
		defer close(let)
		s.accept(true, s.present)
	}()
	c := open(t, g, scope(s.at), a)
	<-let
	return c
}

// accept takes the next connection, in the place of the one before, and answers its
// CONNECT, unless it is not to.
func (s *stub) accept(answer, present bool) {
	s.drop()
	conn, err := s.listener.Accept()
	if err != nil {
		if !errors.Is(err, net.ErrClosed) {
			s.t.Error(err)
		}
		return
	}
	s.conn, s.packets = conn, make(chan wire.Packet, 1000)
	kind, body, err := s.raw()
	if err != nil || kind>>4 != byte(wire.Connect) {
		s.t.Errorf("no CONNECT: %x, %v", kind, err)
		return
	}
	s.hello = body
	if answer {
		s.write(s.connAck(present, 0))
	}
	go s.read(conn, s.packets)
}

// connAck lets the client in, or says why not.
func (s *stub) connAck(present bool, reason byte, properties ...byte) []byte {
	body := []byte{0, reason}
	if present {
		body[0] = 1
	}
	if s.version == wire.V5 {
		if s.receiveMaximum > 0 {
			properties = binary.BigEndian.AppendUint16(append(properties, 33), s.receiveMaximum)
		}
		body = append(append(body, byte(len(properties))), properties...)
	}
	return append([]byte{byte(wire.ConnAck) << 4, byte(len(body))}, body...)
}

func (s *stub) write(b []byte) {
	if _, err := s.conn.Write(b); err != nil {
		s.t.Error(err)
	}
}

// drop ends the connection without a word.
func (s *stub) drop() {
	if s.conn != nil {
		_ = s.conn.Close()
		for range s.packets { // until its reader has ended
		}
		s.conn = nil
	}
}

func (s *stub) raw() (kind byte, body []byte, err error) { return rawPacket(s.conn) }

func rawPacket(r io.Reader) (kind byte, body []byte, err error) {
	var b [1]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, nil, err
	}
	kind = b[0]
	n := 0
	for shift := 0; ; shift += 7 {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, nil, err
		}
		n |= int(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			break
		}
	}
	body = make([]byte, n)
	_, err = io.ReadFull(r, body)
	return kind, body, err
}

// read answers what every broker answers, and hands on the rest.
func (s *stub) read(conn net.Conn, to chan<- wire.Packet) {
	defer close(to)
	for {
		kind, body, err := rawPacket(conn)
		if err != nil {
			return
		}
		switch wire.Type(kind >> 4) {
		case wire.PingReq:
			if !s.silent.Load() {
				_, _ = conn.Write([]byte{byte(wire.PingResp) << 4, 0})
			}
		case wire.Subscribe:
			reply := []byte{byte(wire.SubAck) << 4, 3, body[0], body[1], 2}
			if s.version == wire.V5 {
				reply = []byte{byte(wire.SubAck) << 4, 4, body[0], body[1], 0, 2}
			}
			_, _ = conn.Write(reply)
		case wire.Disconnect:
			p := wire.Packet{Type: wire.Disconnect}
			if len(body) > 0 {
				p.Reason = body[0]
			}
			to <- p
			_ = conn.Close()
		default:
			whole := append([]byte{kind}, lengthOf(len(body))...)
			p, err := wire.NewReader(bytes.NewReader(append(whole, body...)), s.version, 1<<20).Next()
			if err != nil {
				s.t.Errorf("the client wrote %x: %v", whole, err)
				return
			}
			to <- p
		}
	}
}

func lengthOf(n int) (b []byte) {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// next is the next packet of the client.
func (s *stub) next() wire.Packet {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	select {
	case p, ok := <-s.packets:
		if !ok {
			s.t.Fatal("the client has gone")
		}
		return p
	case <-ctx.Done():
		s.t.Fatal("the client says nothing")
	}
	return wire.Packet{}
}

// expect is the next n packets, all of one type.
func (s *stub) expect(kind wire.Type, n int) (list []wire.Packet) {
	s.t.Helper()
	for range n {
		p := s.next()
		if p.Type != kind {
			s.t.Fatalf("got %+v, want type %d", p, kind)
		}
		list = append(list, p)
	}
	return list
}

// publish writes a message to the client.
func (s *stub) publish(topic, payload string, qos byte, id uint16, dup bool) {
	s.write(wire.AppendMessage(nil, s.version, &wire.Message{Topic: topic, Payload: []byte(payload), QoS: qos}, id, dup))
}
