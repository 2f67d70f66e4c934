package wire

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

// hasty is a server without protection that uses each new token at once.
type hasty struct {
	t      *testing.T
	conn   net.Conn
	tokens uint32
}

func (s *hasty) read() (kind string, handle uint32, rest *Reader) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(s.conn, head); err != nil {
		return "", 0, nil
	}
	body := make([]byte, binary.LittleEndian.Uint32(head[4:])-8)
	if _, err := io.ReadFull(s.conn, body); err != nil {
		return "", 0, nil
	}
	r := NewReader(body)
	switch kind = string(head[:3]); kind {
	case "OPN":
		r.U32()
		r.Text()
		r.Bytes()
		r.Bytes()
	case "MSG":
		r.U64()
	default:
		return kind, 0, r
	}
	r.U32()
	return kind, r.U32(), r
}

// chunk is a whole message of what begins with its kind.
func chunk(start *Writer, handle uint32, reply uint16, body func(*Writer)) []byte {
	start.U32(1) // of the sequence, which nobody looks at
	start.U32(handle)
	start.typeID(reply)
	start.U64(0)
	start.U32(handle)
	start.U32(0)
	start.U8(0)
	start.U32(0)
	start.Raw([]byte{0, 0, 0})
	body(start)
	binary.LittleEndian.PutUint32(start.dst[4:], uint32(len(start.dst)))
	return start.dst
}

// token is the answer to a request for one.
func (s *hasty) token(handle uint32) []byte {
	s.tokens++
	w := &Writer{}
	w.Raw([]byte("OPNF\x00\x00\x00\x00"))
	w.U32(7)
	w.Text(ua.SecurityPolicyURINone)
	w.Bytes(nil)
	w.Bytes(nil)
	return chunk(w, handle, id.OpenSecureChannelResponse_Encoding_DefaultBinary, func(w *Writer) {
		w.U32(0)
		w.U32(7)
		w.U32(s.tokens)
		w.U64(0)
		w.U32(3_600_000)
		w.Bytes(nil)
	})
}

// answer is that to a request for anything else.
func (s *hasty) answer(handle uint32) []byte {
	w := &Writer{}
	w.Raw([]byte("MSGF\x00\x00\x00\x00"))
	w.U32(7)
	w.U32(s.tokens)
	return chunk(w, handle, id.ReadResponse_Encoding_DefaultBinary, func(*Writer) {})
}

// serve answers a request that waits in one breath with the token that is asked for
// behind it, and by that token.
func (s *hasty) serve(asked chan<- struct{}) {
	if kind, _, _ := s.read(); kind != "HEL" {
		s.t.Errorf("it begins with %q", kind)
	}
	w := Writer{}
	w.Raw([]byte("ACKF"))
	for _, v := range []uint32{28, 0, chunkSize, chunkSize, 0, 0} {
		w.U32(v)
	}
	_, _ = s.conn.Write(w.dst) // the client says what it has missed
	var waits []uint32
	for {
		kind, handle, _ := s.read()
		switch kind {
		case "MSG":
			waits = append(waits, handle)
			asked <- struct{}{}
		case "OPN":
			all := s.token(handle)
			for _, one := range waits {
				all = append(all, s.answer(one)...)
			}
			waits = nil
			_, _ = s.conn.Write(all)
		default:
			return
		}
	}
}

// TestServerMayUseANewTokenAtOnce: what comes right behind a new token, and by it, is
// read, however late whoever asked for the token gets to run.
func TestServerMayUseANewTokenAtOnce(t *testing.T) {
	near, far := net.Pipe()
	asked, served := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(served)
		(&hasty{t: t, conn: far}).serve(asked)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := Open(ctx, near, "opc.tcp://plant", Security{Policy: ua.SecurityPolicyURINone, Mode: ua.MessageSecurityModeNone})
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		done := make(chan error, 1)
		go func() {
			done <- c.Do(ctx, Request{Type: id.ReadRequest_Encoding_DefaultBinary, Reply: id.ReadResponse_Encoding_DefaultBinary, Write: func(*Writer) {}})
		}()
		<-asked
		if _, err := c.Renew(ctx); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	_ = far.Close() // it has ended
	<-served
}
