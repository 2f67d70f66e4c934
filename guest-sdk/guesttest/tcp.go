package guesttest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Streams plays the group tcp. Nothing is framed here: what the test hands in is
// one frame each.
type Streams struct {
	// Answer is what a peer says to a transaction; nil: nothing, until its time is
	// up. It is asked with what the guest sent.
	Answer func(address string, request []byte) ([]byte, error)

	tb      testing.TB
	exist   map[string]bool
	refuse  map[string]error
	opened  []abi.TCPOpen // the handle is 1 + the index
	written map[string][]byte
	waiting map[string][][]byte
	clock   int64
}

// TCP grants the group tcp on peers at these addresses. Any other does not answer.
func (h *Harness) TCP(addresses ...string) *Streams {
	s := &Streams{tb: h.tb, exist: map[string]bool{}, refuse: map[string]error{}, written: map[string][]byte{}, waiting: map[string][][]byte{}}
	for _, address := range addresses {
		s.exist[address] = true
	}
	h.Host("tcp", "open", s.open)
	h.Host("tcp", "write", s.write)
	h.Host("tcp", "read", s.read)
	h.Host("tcp", "transact", s.transact)
	return s
}

// Refuse makes whatever is asked of a peer fail with err, until it is nil.
func (s *Streams) Refuse(address string, err error) { s.refuse[address] = err }

// Opened are the arguments of the sessions, in the order of their handles. A
// second open with equal arguments takes over the first.
func (s *Streams) Opened() []abi.TCPOpen { return s.opened }

// Written is what the guest has sent to a peer.
func (s *Streams) Written(address string) string { return string(s.written[address]) }

// Receive makes frames wait for Read.
func (s *Streams) Receive(address string, frames ...string) {
	for _, f := range frames {
		s.waiting[address] = append(s.waiting[address], []byte(f))
	}
}

// Frame is the event of a frame from an open peer. Each is one second after the one
// before.
func (s *Streams) Frame(address, frame string) abi.Event {
	s.tb.Helper()
	event := s.Event(abi.EventData, address)
	event.Data = []byte(frame)
	return event
}

// Event is an event of an open connection.
func (s *Streams) Event(eventType abi.EventType, address string) abi.Event {
	s.tb.Helper()
	for i, args := range s.opened {
		if args.Address == address {
			s.clock += 1_000_000_000
			return abi.Event{Type: eventType, Handle: uint32(i + 1), Time: s.clock}
		}
	}
	s.tb.Fatalf("%s is not open", address)
	return abi.Event{}
}

func (s *Streams) open(request []byte) ([]byte, error) {
	var args abi.TCPOpen
	if err := args.Decode(slices.Clone(request)); err != nil {
		return nil, err
	}
	if err := s.refuse[args.Address]; err != nil && !args.Background {
		return nil, err
	}
	if !s.exist[args.Address] && !args.Background {
		return nil, noAnswer(args.Address)
	}
	for i := range s.opened {
		if reflect.DeepEqual(s.opened[i], args) {
			return abi.Handle{Handle: uint32(i + 1)}.Append(nil), nil
		}
	}
	s.opened = append(s.opened, args)
	return abi.Handle{Handle: uint32(len(s.opened))}.Append(nil), nil
}

func (s *Streams) write(request []byte) ([]byte, error) {
	var q abi.TCPWrite
	if err := q.Decode(request); err != nil {
		return nil, err
	}
	args, err := s.conn(q.Handle)
	if err != nil {
		return nil, err
	}
	s.written[args.Address] = append(s.written[args.Address], q.Data...)
	return abi.TCPWritten{Count: uint32(len(q.Data))}.Append(nil), nil
}

func (s *Streams) read(request []byte) ([]byte, error) {
	var q abi.TCPRead
	if err := q.Decode(request); err != nil {
		return nil, err
	}
	args, err := s.conn(q.Handle)
	if err != nil {
		return nil, err
	}
	if !args.Pull {
		return nil, &abi.Error{Kind: abi.FaultInvalid, Code: "invalid", Text: "the connection was not opened with pull"}
	}
	waiting := s.waiting[args.Address]
	if len(waiting) == 0 {
		return nil, noAnswer(args.Address)
	}
	data := waiting[0]
	s.waiting[args.Address] = waiting[1:]
	if at := bytes.Index(data, q.Until); len(q.Until) > 0 && at >= 0 && at+len(q.Until) < len(data) {
		end := at + len(q.Until)
		s.waiting[args.Address] = append([][]byte{data[end:]}, waiting[1:]...)
		data = data[:end]
	}
	return s.data(data), nil
}

func (s *Streams) transact(request []byte) ([]byte, error) {
	var q abi.TCPTransact
	if err := q.Decode(request); err != nil {
		return nil, err
	}
	args, err := s.conn(q.Handle)
	if err != nil {
		return nil, err
	}
	s.written[args.Address] = append(s.written[args.Address], q.Data...)
	if args.Pull {
		delete(s.waiting, args.Address)
	}
	if s.Answer == nil {
		return nil, noAnswer(args.Address)
	}
	data, err := s.Answer(args.Address, slices.Clone(q.Data))
	if err != nil {
		return nil, err
	}
	if data == nil {
		return nil, noAnswer(args.Address)
	}
	return s.data(data), nil
}

func (s *Streams) data(data []byte) []byte {
	s.clock += 1_000_000_000
	return abi.TCPData{Data: data, Time: s.clock}.Append(nil)
}

func (s *Streams) conn(handle uint32) (abi.TCPOpen, error) {
	if handle == 0 || int(handle) > len(s.opened) {
		return abi.TCPOpen{}, notFound(fmt.Sprintf("no handle %d", handle))
	}
	args := s.opened[handle-1]
	return args, s.refuse[args.Address]
}

func noAnswer(address string) error {
	return &abi.Error{Kind: abi.FaultTimeout, Code: "timeout", Text: address + " did not answer in time"}
}
