package guesttest

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Ports plays the group serial.
type Ports struct {
	// Answer is what a device on a port says to a transact; nil: nothing, until its
	// time is up. It is asked with what the guest sent.
	Answer func(port string, request []byte) ([]byte, error)
	// Listed is what the guest sees of the machine's ports.
	Listed []abi.SerialPort

	tb      testing.TB
	exist   map[string]bool
	refuse  map[string]error
	opened  []abi.SerialOpen // the handle is 1 + the index
	written map[string][]byte
	waiting map[string][]byte
	clock   int64
}

// Serial grants the group serial on ports of these names. Any other port is not
// there: to open it is answered by a timeout, as a host does.
func (h *Harness) Serial(ports ...string) *Ports {
	p := &Ports{
		tb:      h.tb,
		exist:   make(map[string]bool),
		refuse:  make(map[string]error),
		written: make(map[string][]byte),
		waiting: make(map[string][]byte),
	}
	for _, port := range ports {
		p.exist[port] = true
	}
	h.Host("serial", "open", p.open)
	h.Host("serial", "write", p.write)
	h.Host("serial", "drain", p.known)
	h.Host("serial", "flush", p.known)
	h.Host("serial", "transact", p.transact)
	h.Host("serial", "read", p.read)
	h.Host("serial", "read_until", p.readUntil)
	h.Host("serial", "signals", p.known)
	h.Host("serial", "set_signals", p.known)
	h.Host("serial", "break", p.known)
	h.Host("serial", "list", func([]byte) ([]byte, error) { return (&abi.SerialPorts{Ports: p.Listed}).Append(nil), nil })
	return p
}

// Refuse makes opening a port fail with err.
func (p *Ports) Refuse(port string, err error) { p.refuse[port] = err }

// Opened are the arguments of the sessions, in the order of their handles. A
// second open with equal arguments takes over the first.
func (p *Ports) Opened() []abi.SerialOpen { return p.opened }

// Written is what the guest has sent to a port.
func (p *Ports) Written(port string) string { return string(p.written[port]) }

// Receive makes bytes wait for a read.
func (p *Ports) Receive(port, text string) {
	p.waiting[port] = append(p.waiting[port], text...)
}

// Frame is the event of a frame that an open port received. Each is one second
// after the one before.
func (p *Ports) Frame(port, frame string) abi.Event {
	p.tb.Helper()
	event := p.Event(abi.EventData, port)
	event.Data = []byte(frame)
	return event
}

// Event is an event of an open port.
func (p *Ports) Event(eventType abi.EventType, port string) abi.Event {
	p.tb.Helper()
	for i, args := range p.opened {
		if args.Port == port {
			p.clock += 1_000_000_000
			return abi.Event{Type: eventType, Handle: uint32(i + 1), Time: p.clock}
		}
	}
	p.tb.Fatalf("port %s is not open", port)
	return abi.Event{}
}

func (p *Ports) open(request []byte) ([]byte, error) {
	var args abi.SerialOpen
	if err := args.Decode(append([]byte(nil), request...)); err != nil {
		return nil, err
	}
	if err := p.refuse[args.Port]; err != nil {
		return nil, err
	}
	if !p.exist[args.Port] {
		return nil, &abi.Error{Kind: abi.FaultTimeout, Code: "timeout", Text: "no port " + args.Port}
	}
	for i := range p.opened {
		if reflect.DeepEqual(p.opened[i], args) {
			return abi.Handle{Handle: uint32(i + 1)}.Append(nil), nil
		}
	}
	p.opened = append(p.opened, args)
	return abi.Handle{Handle: uint32(len(p.opened))}.Append(nil), nil
}

func (p *Ports) write(request []byte) ([]byte, error) {
	var write abi.SerialWrite
	if err := write.Decode(request); err != nil {
		return nil, err
	}
	port, err := p.port(write.Handle)
	if err != nil {
		return nil, err
	}
	p.written[port] = append(p.written[port], write.Data...)
	return abi.SerialWritten{Count: uint32(len(write.Data))}.Append(nil), nil
}

func (p *Ports) transact(request []byte) ([]byte, error) {
	var q abi.SerialTransact
	if err := q.Decode(request); err != nil {
		return nil, err
	}
	port, err := p.port(q.Handle)
	if err != nil {
		return nil, err
	}
	p.written[port] = append(p.written[port], q.Data...)
	var reply abi.SerialReply
	if q.Frames > 0 {
		var frame []byte
		if p.Answer != nil {
			frame, err = p.Answer(port, q.Data)
		}
		if err != nil {
			return nil, err
		}
		if frame == nil {
			return nil, &abi.Error{Kind: abi.FaultTimeout, Code: "timeout", Text: "no answer on " + port}
		}
		p.clock += 1_000_000_000
		reply.Frames = []abi.SerialFrame{{Data: frame, Time: p.clock}}
	}
	return reply.Append(nil), nil
}

func (p *Ports) read(request []byte) ([]byte, error) {
	return p.take(request, func(_ []byte, q *abi.SerialRead) int { return max(int(q.Size), 1) })
}

func (p *Ports) readUntil(request []byte) ([]byte, error) {
	return p.take(request, func(waiting []byte, q *abi.SerialRead) int {
		until := q.Until
		if len(until) == 0 {
			until = p.opened[q.Handle-1].Delimiter
		}
		if at := bytes.Index(waiting, until); at >= 0 {
			return at + len(until)
		}
		return len(waiting)
	})
}

func (p *Ports) take(request []byte, size func([]byte, *abi.SerialRead) int) ([]byte, error) {
	var q abi.SerialRead
	if err := q.Decode(request); err != nil {
		return nil, err
	}
	port, err := p.port(q.Handle)
	if err != nil {
		return nil, err
	}
	waiting := p.waiting[port]
	n := min(size(waiting, &q), len(waiting))
	p.waiting[port] = waiting[n:]
	return (&abi.SerialData{Data: waiting[:n]}).Append(nil), nil
}

func (p *Ports) known(request []byte) ([]byte, error) {
	var h abi.Handle
	if err := h.Decode(request); err != nil {
		return nil, err
	}
	_, err := p.port(h.Handle)
	return nil, err
}

func (p *Ports) port(handle uint32) (string, error) {
	if handle == 0 || int(handle) > len(p.opened) {
		return "", notFound(fmt.Sprintf("no handle %d", handle))
	}
	return p.opened[handle-1].Port, nil
}
