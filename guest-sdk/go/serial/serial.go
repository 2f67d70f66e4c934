// Package serial opens serial ports of the host that were granted (group
// serial). What a port receives comes to the guest as events: one EventData for
// each frame, EventDown and EventUp when the port goes and comes back, EventGap
// when frames had to be dropped.
package serial

import (
	"io"

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
