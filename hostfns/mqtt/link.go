package mqtt

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The codes of results that are ours, and no broker's.
const (
	codeNotSent    = "not_sent"
	codeUnanswered = "not_acknowledged"
	codeDenied     = "denied"
	codeInvalid    = "invalid"
	codeTooLarge   = "packet_too_large"
	codeNoQoS      = "qos_not_supported"
	codeNoRetain   = "retain_not_supported"
	codeClosed     = "session_closed"
	codeInterlock  = "interlocked"
)

// The bounds of a connection.
const (
	maxPacket  = abi.MaxRecord + 64<<10 // bytes of one that is read
	maxUnsent  = 1 << 20                // bytes that wait to be written, beyond which no message is added
	maxUrgent  = 1 << 20                // more, for answers
	maxWindow  = 1024                   // messages of QoS 1 and 2 under way to the broker
	oldWindow  = 64                     // the same, to a broker of MQTT 3.1.1, which does not say
	writeTime  = 10 * time.Second
	goodbyeFor = 500 * time.Millisecond
)

// link is one connection, from its CONNACK on. One goroutine reads, one writes.
type link struct {
	conn    net.Conn
	version byte
	hello   wire.Packet // the CONNACK
	will    *abi.MQTTMessage
	began   time.Time

	window    int
	maxPacket int // of the broker; 0: any
	maxQoS    byte
	keepAlive time.Duration

	heard   atomic.Int64  // unix ns, when the last packet was read
	stalled atomic.Bool   // nothing is read now, for want of room
	subID   atomic.Uint32 // of the SUBSCRIBE
	subAck  chan []byte   // the codes of the SUBACK

	wake chan struct{}
	done chan struct{} // closed when it has failed
	over sync.WaitGroup

	mu      sync.Mutex
	unsent  []byte
	spare   []byte
	written []func(bool) // to be told when unsent is written
	err     error        // why it has failed
}

// append adds what write writes to what is to be sent. false: the connection has
// failed or, for what is not urgent, has no room. tell is called, from another
// goroutine, when it was written, or never will be.
func (l *link) append(write func([]byte) []byte, urgent bool, tell func(bool)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil || !urgent && len(l.unsent) >= maxUnsent {
		return false
	}
	l.unsent = write(l.unsent)
	if tell != nil {
		l.written = append(l.written, tell)
	}
	if len(l.unsent) > 2*maxUnsent+maxUrgent+maxPacket {
		l.failed(errors.New("the broker asks faster than it reads"))
		return true // tell is told
	}
	capability.Signal(l.wake)
	return true
}

// fail ends the connection, for the first reason that is given.
func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed(err)
}

func (l *link) failed(err error) {
	if l.err != nil {
		return
	}
	l.err = err
	close(l.done)
	_ = l.conn.SetDeadline(time.Now()) // whoever reads or writes ends
}

// reason is why the connection has failed.
func (l *link) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// write sends what is appended until the connection fails. more is called whenever
// there is room again.
func (l *link) write(more func()) {
	for {
		select {
		case <-l.wake:
		case <-l.done:
			l.tellAll(nil, false)
			return
		}
		l.mu.Lock()
		data, tell := l.unsent, l.written
		l.unsent, l.written = l.spare[:0], nil
		l.mu.Unlock()
		var err error
		if len(data) > 0 {
			_ = l.conn.SetWriteDeadline(time.Now().Add(writeTime))
			if l.reason() == nil { // else the deadline of fail was overwritten
				_, err = l.conn.Write(data)
			}
		}
		if err != nil {
			l.fail(lost(l.conn, err))
		}
		l.mu.Lock()
		if l.spare = data[:0]; cap(data) > 2*maxUnsent {
			l.spare = nil
		}
		l.mu.Unlock()
		for _, t := range tell {
			t(err == nil && l.reason() == nil)
		}
		more()
	}
}

// tellAll tells those who wait for what will not be written.
func (l *link) tellAll(tell []func(bool), written bool) {
	l.mu.Lock()
	tell = append(tell, l.written...)
	l.written = nil
	l.mu.Unlock()
	for _, t := range tell {
		t(written)
	}
}

// cannot says why the broker would not take a message; "": it may.
func (l *link) cannot(m *wire.Message) (code, text string) {
	switch {
	case m.QoS > l.maxQoS:
		return codeNoQoS, "the broker takes messages of a lower QoS alone"
	case m.Retain && l.hello.Properties.NoRetain:
		return codeNoRetain, "the broker retains no messages"
	case l.maxPacket > 0 && wire.Size(l.version, m) > l.maxPacket:
		return codeTooLarge, "the broker takes smaller messages alone"
	}
	return "", ""
}

// answer sends a receipt.
func (l *link) answer(r receipt) bool {
	return r.id == 0 || l.append(func(dst []byte) []byte { return wire.AppendAck(dst, l.version, r.kind, r.id, r.reason) }, true, nil)
}

// goodbye ends the connection with a DISCONNECT, after what is to be sent, and
// waits for the goroutines. The broker does not publish the will, unless the reason
// is reasonWithWill: in MQTT 3.1.1 it is told so by no DISCONNECT. It has to have read
// that before another connection takes this one's place, which it shows by ending it.
func (l *link) goodbye(reason byte, err error) {
	sent := make(chan struct{})
	wait := time.NewTimer(goodbyeFor)
	defer wait.Stop()
	silent := l.version != wire.V5 && reason == reasonWithWill
	last := func(dst []byte) []byte {
		if silent {
			return dst
		}
		return wire.AppendDisconnect(dst, l.version, reason)
	}
	if l.append(last, true, func(bool) { close(sent) }) {
		select {
		case <-sent:
			if half, ok := l.conn.(interface{ CloseWrite() error }); ok && silent {
				_ = half.CloseWrite() // else it is closed all the same
			}
			select {
			case <-l.done:
			case <-wait.C:
			}
		case <-wait.C:
		}
	}
	l.close(err)
}

// close ends the connection and waits for the goroutines.
func (l *link) close(err error) {
	l.fail(err)
	_ = l.conn.Close() // nobody hears of it
	l.over.Wait()
}

// errEnded is the error of a connection that the broker ended without a word.
var errEnded error = endedError{}

type endedError struct{}

func (endedError) Error() string { return "the broker ended the connection" }

// Unwrap is what it is to others.
func (e endedError) Unwrap() error { return fault.New(fault.ResourceUnavailable, "%s", e.Error()) }

// lost is an error of a connection as a fault.
func lost(conn net.Conn, err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errEnded
	case errors.Is(err, wire.ErrMalformed):
		return fault.New(fault.ResourceUnavailable, "the broker does not speak MQTT: %s", fault.Clip(err.Error(), maxReason))
	}
	return egress.At("the connection was lost", conn.RemoteAddr().String(), err)
}
