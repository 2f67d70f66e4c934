package main

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/serial"
	"github.com/snaprail/snaprail/guest-sdk/go/tcp"
)

// link carries requests to the units behind an endpoint.
type link interface {
	// ask sends a request to a unit and answers what it said, without the frame
	// around it, and when. size is how long the answer is to be. Unit 0 of a line is
	// all of them, and nobody answers.
	ask(unit byte, pdu []byte, size int, urgent bool) (answer []byte, at int64, err error)
}

// openLink opens a line, whose name begins with a slash (or is COM3), or connects. A
// test waits for the connection, and whoever runs does not.
func openLink(endpoint string, c *config) (link, error) {
	if onLine(endpoint) {
		port, err := serial.Open(c.serialOpen(endpoint))
		return &line{port: port, patience: duration(c.Timeout)}, err
	}
	if address, ok := strings.CutPrefix(endpoint, "rtu+tcp://"); ok {
		silence := leastSilence
		if c.InterByteTimeout != nil {
			silence = duration(*c.InterByteTimeout)
		}
		conn, err := connect(address, tcp.Gap(silence), c)
		return &tunnel{conn: conn, patience: duration(c.Timeout)}, err
	}
	conn, err := connect(strings.TrimPrefix(endpoint, "tcp://"), tcp.Length(4, 2, 0), c)
	return &network{conn: conn, patience: duration(c.Timeout)}, err
}

func connect(address string, framing *abi.Framing, c *config) (tcp.Conn, error) {
	if !strings.Contains(address, ":") {
		address += ":502"
	}
	return tcp.Open(abi.TCPOpen{Address: address, Pull: true, Background: !c.trial, Framing: framing, OpenTimeoutMS: milliseconds(c.OpenTimeout)})
}

func onLine(endpoint string) bool {
	return strings.HasPrefix(endpoint, "/") || strings.HasPrefix(endpoint, "COM")
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// line is RTU.
type line struct {
	port     serial.Port
	patience time.Duration
	frame    []byte
}

// The least of an RTU frame: unit, function, one byte, and the check.
const leastFrame = 5

func (l *line) ask(unit byte, pdu []byte, size int, urgent bool) ([]byte, int64, error) {
	l.frame = append(append(l.frame[:0], unit), pdu...)
	l.frame = binary.LittleEndian.AppendUint16(l.frame, crc16(l.frame))
	q := abi.SerialTransact{
		Data: l.frame, Frames: 1, TimeoutMS: uint64(l.patience.Milliseconds()), Urgent: urgent,
		Expect: []abi.SerialExpect{{At: 1, Mask: refusedBit, Value: refusedBit, Length: leastFrame}, {Length: uint32(size + 3)}},
	}
	if unit == 0 {
		q.Frames, q.Expect = 0, nil
	}
	frames, err := l.port.Exchange(q)
	if err != nil || unit == 0 {
		return nil, time.Now().UnixNano(), err
	}
	if len(frames) == 0 { // in a dry run nobody answers
		return nil, 0, &abi.Error{Kind: abi.FaultTimeout, Code: "timeout", Text: "there is no answer"}
	}
	answer, err := unframe(unit, frames[0].Data)
	return answer, frames[0].Time, err
}

// unframe takes off what RTU puts around an answer.
func unframe(unit byte, frame []byte) ([]byte, error) {
	n := len(frame) - 2
	switch {
	case len(frame) < leastFrame:
		return nil, damage("it has %d bytes", len(frame))
	case binary.LittleEndian.Uint16(frame[n:]) != crc16(frame[:n]):
		return nil, damage("its check does not hold")
	case frame[0] != unit:
		return nil, damage("unit %d answered in place of unit %d", frame[0], unit)
	}
	return frame[1:n], nil
}

// tunnel is RTU through a server that hands the bytes of a line on over TCP. The
// end of an answer is silence.
type tunnel struct {
	conn     tcp.Conn
	patience time.Duration
	frame    []byte
}

// leastSilence ends an answer where the config does not say otherwise.
const leastSilence = 20 * time.Millisecond

func (u *tunnel) ask(unit byte, pdu []byte, _ int, _ bool) ([]byte, int64, error) {
	u.frame = append(append(u.frame[:0], unit), pdu...)
	u.frame = binary.LittleEndian.AppendUint16(u.frame, crc16(u.frame))
	if unit == 0 {
		_, err := u.conn.Write(u.frame)
		return nil, time.Now().UnixNano(), err
	}
	data, err := u.conn.Transact(u.frame, u.patience)
	if err != nil {
		return nil, 0, err
	}
	answer, err := unframe(unit, data.Data)
	return append([]byte(nil), answer...), time.Now().UnixNano(), err
}

// network is Modbus TCP.
type network struct {
	conn     tcp.Conn
	patience time.Duration
	frame    []byte
	last     uint16 // transaction
}

// header is how long what stands before a unit and its answer is.
const header = 6

func (n *network) ask(unit byte, pdu []byte, _ int, _ bool) ([]byte, int64, error) {
	n.last++
	n.frame = binary.BigEndian.AppendUint16(n.frame[:0], n.last)
	n.frame = append(n.frame, 0, 0)
	n.frame = binary.BigEndian.AppendUint16(n.frame, uint16(1+len(pdu)))
	n.frame = append(append(n.frame, unit), pdu...)
	until := time.Now().Add(n.patience)
	data, err := n.conn.Transact(n.frame, n.patience)
	for ; err == nil; data, err = n.conn.Read(time.Until(until)) {
		answer, mine, err := n.unframe(unit, data.Data)
		if mine || err != nil {
			return answer, time.Now().UnixNano(), err
		}
		if time.Until(until) < time.Millisecond {
			break
		}
	}
	if err == nil {
		err = &abi.Error{Kind: abi.FaultTimeout, Code: "timeout", Text: "only answers to earlier requests came"}
	}
	return nil, 0, err
}

// unframe takes off the header. An answer that comes too late is not mine.
func (n *network) unframe(unit byte, frame []byte) (answer []byte, mine bool, err error) {
	switch {
	case len(frame) < header+3:
		return nil, true, damage("it has %d bytes", len(frame))
	case binary.BigEndian.Uint16(frame[2:]) != 0:
		return nil, true, damage("it is not of Modbus")
	case binary.BigEndian.Uint16(frame) != n.last:
		return nil, false, nil
	case frame[header] != unit:
		return nil, true, damage("unit %d answered in place of unit %d", frame[header], unit)
	}
	return append([]byte(nil), frame[header+1:]...), true, nil
}
