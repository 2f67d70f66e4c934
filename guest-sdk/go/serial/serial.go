// Package serial opens serial ports of the host that were granted (group
// serial). What a port receives comes to the guest as events: one EventData for
// each frame, EventDown and EventUp when the port goes and comes back, EventGap
// when frames had to be dropped. A port that was opened raw is read instead, and
// Transact asks a device and waits for its answer: on a port that is Shared no
// other lane of the connector has the line meanwhile.
package serial

import (
	"bytes"
	"io"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Port is an open port. The host keeps it open while guests of the connector
// come and go, and closes it when none of them opens it again.
type Port struct {
	handle uint32
}

var _ io.Writer = Port{}

// Defaults is pyserial's idea of a port, cut into lines: 9600 8N1, a read
// timeout of 1 s, no flow control, ten seconds for it to appear.
func Defaults(port string) abi.SerialOpen {
	return abi.SerialOpen{
		Port:          port,
		BaudRate:      9600,
		DataBits:      8,
		Parity:        "N",
		StopBitsX2:    2,
		ReadTimeoutMS: 1000,
		Delimiter:     []byte("\n"),
		MaxFrame:      4096,
		OpenTimeoutMS: 10_000,
		OpenRetryMS:   100,
	}
}

// Open opens a port, or takes over the one that this connector has open with
// the same arguments. The error is an *abi.Error: denied without a grant,
// conflict when another connector has the port, timeout when it did not open
// within OpenTimeoutMS.
func Open(args abi.SerialOpen) (Port, error) {
	reply, err := hostOpen(args.Append(hostcall.Request()))
	if err != nil {
		return Port{}, err
	}
	var h abi.Handle
	if err := h.Decode(reply); err != nil {
		return Port{}, err
	}
	return Port{handle: h.Handle}, nil
}

// Handle is what the port's events carry.
func (p Port) Handle() uint32 { return p.handle }

// Write sends data. It may wait, up to the write timeout.
func (p Port) Write(data []byte) (int, error) {
	reply, err := hostWrite(abi.SerialWrite{Handle: p.handle, Data: data}.Append(hostcall.Request()))
	if err != nil {
		return 0, err
	}
	var written abi.SerialWritten
	if err := written.Decode(reply); err != nil {
		return 0, err
	}
	n := min(int(written.Count), len(data))
	if n < len(data) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// Drain waits until what was written has left the port.
func (p Port) Drain() error {
	_, err := hostDrain(abi.Handle{Handle: p.handle}.Append(hostcall.Request()))
	return err
}

// Flush throws away what has been received but not yet handed out, and what is
// written but not yet sent.
func (p Port) Flush() error {
	_, err := hostFlush(abi.Handle{Handle: p.handle}.Append(hostcall.Request()))
	return err
}

// Transact asks and waits for one frame in answer, for at most the timeout (0: the
// port's ReadTimeoutMS), while nobody else has the line. What came before it is
// thrown away. expect tells the frame's length where it can be known, so that
// silence need not be waited for. The error is an *abi.Error, of kind timeout when
// there is no answer.
func (p Port) Transact(request []byte, timeout time.Duration, expect ...abi.SerialExpect) (abi.SerialFrame, error) {
	frames, err := p.Exchange(abi.SerialTransact{Data: request, Frames: 1, TimeoutMS: milliseconds(timeout), Expect: expect})
	if err != nil {
		return abi.SerialFrame{}, err
	}
	if len(frames) == 0 { // in a dry run nobody answers
		return abi.SerialFrame{}, &abi.Error{Kind: abi.FaultTimeout, Code: "timeout", Text: "there is no answer"}
	}
	return frames[0], nil
}

// Exchange is Transact with all that it can do: several frames or none, and
// urgently, which a command is and a poll is not.
func (p Port) Exchange(q abi.SerialTransact) ([]abi.SerialFrame, error) {
	q.Handle = p.handle
	reply, err := hostTransact(q.Append(hostcall.Request()))
	if err != nil {
		return nil, err
	}
	var answer abi.SerialReply
	if err := answer.Decode(reply); err != nil {
		return nil, err
	}
	for i := range answer.Frames {
		answer.Frames[i].Data = bytes.Clone(answer.Frames[i].Data)
	}
	return answer.Frames, nil
}

// Read reads n bytes of a port that was opened raw, as pyserial does: after the
// timeout it answers what there is. nil: the port's ReadTimeoutMS.
func (p Port) Read(n int, timeout *time.Duration) ([]byte, error) {
	return p.read(hostRead, abi.SerialRead{Size: uint32(n)}, timeout)
}

// ReadUntil reads up to and including until (none: the port's Delimiter), and no
// more than limit bytes (0: MaxFrame).
func (p Port) ReadUntil(until []byte, limit int, timeout *time.Duration) ([]byte, error) {
	return p.read(hostReadUntil, abi.SerialRead{Until: until, Size: uint32(limit)}, timeout)
}

func (p Port) read(host func([]byte) ([]byte, error), q abi.SerialRead, timeout *time.Duration) ([]byte, error) {
	q.Handle = p.handle
	if timeout != nil {
		q.TimeoutMS = new(milliseconds(*timeout))
	}
	reply, err := host(q.Append(hostcall.Request()))
	if err != nil {
		return nil, err
	}
	var data abi.SerialData
	err = data.Decode(reply)
	return bytes.Clone(data.Data), err
}

// Signals reads the modem lines.
func (p Port) Signals() (signals abi.SerialSignals, err error) {
	reply, err := hostSignals(abi.Handle{Handle: p.handle}.Append(hostcall.Request()))
	if err == nil {
		err = signals.Decode(reply)
	}
	return signals, err
}

// SetSignals sets DTR and RTS; nil leaves one as it is.
func (p Port) SetSignals(dtr, rts *bool) error {
	q := abi.SerialSignal{Handle: p.handle, DTR: dtr, RTS: rts}
	_, err := hostSetSignals(q.Append(hostcall.Request()))
	return err
}

// Break holds the line in the break state for so long (0: 250 ms, at most 5 s).
func (p Port) Break(d time.Duration) error {
	q := abi.SerialBreak{Handle: p.handle, DurationMS: milliseconds(d)}
	_, err := hostBreak(q.Append(hostcall.Request()))
	return err
}

// List lists the machine's ports that are granted, by the names that are.
func List() ([]abi.SerialPort, error) {
	reply, err := hostList(hostcall.Request())
	if err != nil {
		return nil, err
	}
	var ports abi.SerialPorts
	err = ports.Decode(reply)
	return ports.Ports, err
}

// milliseconds is at least one for a timeout that is set.
func milliseconds(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64(max(d.Milliseconds(), 1))
}
