package guesttest

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Ports plays the group serial.
type Ports struct {
	tb      testing.TB
	exist   map[string]bool
	refuse  map[string]error
	opened  []abi.SerialOpen // the handle is 1 + the index
	written map[string][]byte
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
	}
	for _, port := range ports {
		p.exist[port] = true
	}
	h.Host("serial", "open", p.open)
	h.Host("serial", "write", p.write)
	h.Host("serial", "drain", p.known)
	h.Host("serial", "flush", p.known)
	return p
}

// Refuse makes opening a port fail with err.
func (p *Ports) Refuse(port string, err error) { p.refuse[port] = err }

// Opened are the arguments of the sessions, in the order of their handles. A
// second open with equal arguments takes over the first.
func (p *Ports) Opened() []abi.SerialOpen { return p.opened }

// Written is what the guest has sent to a port.
func (p *Ports) Written(port string) string { return string(p.written[port]) }

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
