// Package tcp speaks to servers over TCP or TLS that were granted (group tcp). The
// host keeps the connection while guests of the connector come and go, makes it
// anew when it breaks, and cuts what it receives into frames.
//
// What comes is told by events: one EventData for each frame, EventUp when there
// is a connection, EventDown when it is lost, EventGap when something was dropped.
// With Pull it waits for Read instead.
//
//	conn, err := tcp.Open(abi.TCPOpen{
//		Address: "plc1:502", Pull: true,
//		Framing: tcp.Length(4, 2, 0), // Modbus TCP
//	})
//	reply, err := conn.Transact(request, time.Second)
//
// A secret of the connector is named, not known: the host puts it where a field of
// TLS says secret://name.
package tcp

import (
	"io"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Conn is an open connection, or one that is being made anew.
type Conn struct {
	handle uint32
}

var _ io.Writer = Conn{}

// TLS is what to ask of TLS beyond the system's ways, in PEM. Each of CA,
// Certificate and Key may be a secret.
type TLS = abi.HTTPTLS

// Delimiter cuts after each occurrence of d, which is part of its frame.
func Delimiter(d string) *abi.Framing {
	return &abi.Framing{Kind: abi.FramingDelimiter, Delimiter: []byte(d)}
}

// Fixed cuts into frames of n bytes.
func Fixed(n int) *abi.Framing { return &abi.Framing{Kind: abi.FramingFixed, Size: uint32(n)} }

// Length cuts by a field of size bytes (1, 2, 3, 4 or 8), most significant first,
// at offset: a frame ends as many bytes behind it as it says, plus adjust.
func Length(offset, size int, adjust int64) *abi.Framing {
	return &abi.Framing{Kind: abi.FramingLength, LengthOffset: uint32(offset), LengthSize: uint32(size), LengthAdjust: adjust}
}

// SLIP decodes what comes and encodes what is written as RFC 1055 says.
func SLIP() *abi.Framing { return &abi.Framing{Kind: abi.FramingSLIP} }

// Gap ends a frame after so much silence.
func Gap(silence time.Duration) *abi.Framing {
	return &abi.Framing{Kind: abi.FramingGap, GapUS: uint64(silence.Microseconds())}
}

// Open connects, or takes over the session that this connector has with the same
// arguments. The error is an *abi.Error: denied without a grant, unavailable or
// timeout when nobody answers. With Background it does not wait for the peer.
func Open(args abi.TCPOpen) (Conn, error) {
	reply, err := hostOpen(args.Append(hostcall.Request()))
	if err != nil {
		return Conn{}, err
	}
	var h abi.Handle
	if err := h.Decode(reply); err != nil {
		return Conn{}, err
	}
	return Conn{handle: h.Handle}, nil
}

// Handle is what the connection's events carry.
func (c Conn) Handle() uint32 { return c.handle }

// Write sends data. It may wait, up to the write timeout. An error says how much
// was sent; after one the connection is made anew, since nobody knows how much of
// data the peer has read.
func (c Conn) Write(data []byte) (int, error) {
	reply, err := hostWrite(abi.TCPWrite{Handle: c.handle, Data: data}.Append(hostcall.Request()))
	if err != nil {
		return 0, err
	}
	var written abi.TCPWritten
	if err := written.Decode(reply); err != nil {
		return 0, err
	}
	n := min(int(written.Count), len(data))
	if n < len(data) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// Read waits for the next frame of a connection with Pull, at most for the
// timeout; 0: as long as the call may take. Without framing it is what there is, at
// most 64 KiB. What was read is gone: a guest that dies has lost it. The error is
// an *abi.Error: timeout, or unavailable when the connection is lost. The data is
// valid until the next call of the host.
func (c Conn) Read(timeout time.Duration) (abi.TCPData, error) {
	return c.read(abi.TCPRead{Handle: c.handle, TimeoutMS: milliseconds(timeout)})
}

// ReadUntil is Read, without framing, up to and including delimiter; what comes
// after it waits. The error is an *abi.Error, too large when limit bytes have come
// without it; 0: 64 KiB.
func (c Conn) ReadUntil(delimiter []byte, limit int, timeout time.Duration) (abi.TCPData, error) {
	return c.read(abi.TCPRead{Handle: c.handle, Until: delimiter, Max: uint32(max(limit, 0)), TimeoutMS: milliseconds(timeout)})
}

func (c Conn) read(request abi.TCPRead) (data abi.TCPData, err error) {
	reply, err := hostRead(request.Append(hostcall.Request()))
	if err == nil {
		err = data.Decode(reply)
	}
	return data, err
}

// Transact sends a request and waits for the frame that comes next; 0: as long as
// the call may take. Nobody else's frame comes between, but a late answer to the
// request before may: with Pull, what waits unread is thrown away first. The data is
// valid until the next call of the host.
func (c Conn) Transact(request []byte, timeout time.Duration) (data abi.TCPData, err error) {
	q := abi.TCPTransact{Handle: c.handle, Data: request, TimeoutMS: milliseconds(timeout)}
	reply, err := hostTransact(q.Append(hostcall.Request()))
	if err == nil {
		err = data.Decode(reply)
	}
	return data, err
}

// milliseconds is at least one for a timeout that is set.
func milliseconds(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64(max(d.Milliseconds(), 1))
}
