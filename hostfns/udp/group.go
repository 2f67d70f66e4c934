package udp

import (
	"bytes"
	"context"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The names of the group and its functions.
const (
	Name = "udp"

	functionSend = "send"
)

// Config is what the group is made of.
type Config struct {
	// Egress is the way out.
	Egress *egress.Egress
	// Events and Bytes bound what one session keeps of what was received and is not
	// acknowledged; default 4096 and 1 MiB.
	Events int
	Bytes  int
	// Rate is how many datagrams one session may send in a second, and at once;
	// default 1000.
	Rate int
	// Heard is how many datagrams one session hears in a second, and at once; what
	// comes beyond that is dropped by the system, counted and told. Default 20000.
	Heard int
}

// The defaults and bounds.
const (
	defaultEvents   = 4096
	defaultBytes    = 1 << 20
	defaultRate     = 1000
	defaultHeard    = 20_000
	defaultDatagram = 1472 // what an Ethernet frame holds
	maxDatagram     = 65507
	minBuffer       = 4 << 10
)

// Group is the peers that can be reached.
type Group struct {
	cfg Config
}

// New is the group.
func New(cfg Config) *Group {
	if cfg.Events <= 0 {
		cfg.Events = defaultEvents
	}
	if cfg.Bytes <= 0 {
		cfg.Bytes = defaultBytes
	}
	if cfg.Rate <= 0 {
		cfg.Rate = defaultRate
	}
	if cfg.Heard <= 0 {
		cfg.Heard = defaultHeard
	}
	cfg.Bytes = max(cfg.Bytes, minBuffer)
	return &Group{cfg: cfg}
}

// Name is "udp".
func (*Group) Name() string { return Name }

// Functions lists the host functions.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: capability.OpenFunction, Right: spec.Read, Sentence: "receive datagrams from the UDP peers that it is granted"},
		{Name: functionSend, Right: spec.Write, Sentence: "send datagrams to the UDP peers that it is granted", Rehearse: rehearse},
	}
}

// Cannot implements capability.Bounded.
func (*Group) Cannot() []string {
	return []string{
		"Cannot exchange datagrams with private addresses, this machine included, unless a grant names their network (as in cidr:192.168.1.0/24), nor broadcast unless a grant names that address alone.",
		"Cannot receive datagrams from others than the peer that it has opened, nor send to multicast addresses.",
	}
}

// Matches implements capability.Matcher.
func (*Group) Matches(pattern, resource string) bool {
	return egress.EndpointMatches(pattern, resource)
}

// CheckPattern implements capability.Matcher.
func (*Group) CheckPattern(pattern string) error { return egress.CheckEndpoint(pattern) }

var _ interface {
	capability.Matcher
	capability.Bounded
} = (*Group)(nil)

// settings reads and checks an encoded abi.UDPOpen, and fills the defaults in.
func (g *Group) settings(args []byte) (abi.UDPOpen, error) {
	var a abi.UDPOpen
	if err := a.Decode(args); err != nil {
		return a, fault.Wrap(fault.Invalid, err, "udp.open: the request cannot be read")
	}
	address, err := egress.Endpoint(a.Address)
	if err != nil {
		return a, fault.Wrap(fault.Invalid, err, "udp.open: the address %q", fault.Clip(a.Address, 256)).
			WithFields(fault.Field{Pointer: "/address", Detail: err.Error()})
	}
	a.Address = address
	if a.MaxDatagram == 0 {
		a.MaxDatagram = defaultDatagram
	}
	if a.BufferBytes == 0 {
		a.BufferBytes = uint64(g.cfg.Bytes)
	}
	switch {
	case a.MaxDatagram > maxDatagram:
		err = fault.New(fault.Invalid, "udp.open: max_datagram is %d: at most %d", a.MaxDatagram, maxDatagram).
			WithFields(fault.Field{Pointer: "/max_datagram", Detail: "out of range"})
	case a.BufferBytes < minBuffer || a.BufferBytes > uint64(g.cfg.Bytes):
		err = fault.New(fault.Invalid, "udp.open: buffer_bytes is %d: want %d to %d", a.BufferBytes, minBuffer, g.cfg.Bytes).
			WithFields(fault.Field{Pointer: "/buffer_bytes", Detail: "out of range"})
	}
	return a, err
}

// Target reads an encoded abi.UDPOpen. The resource is the address in its one
// spelling.
func (g *Group) Target(args []byte) (capability.Target, error) {
	a, err := g.settings(args)
	if err != nil {
		return capability.Target{}, err
	}
	return capability.Target{Resource: a.Address, Key: string(a.Append(nil))}, nil
}

// Open makes the socket. Nothing is sent: whether the peer is there shows when it
// answers.
func (g *Group) Open(ctx context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	a, err := g.settings(args)
	if err != nil {
		return nil, err
	}
	if g.cfg.Egress == nil {
		return nil, fault.New(fault.Unsupported, "udp: there is no way out")
	}
	rules, err := egress.NetworkRules(Name, scope.Grants)
	if err != nil {
		return nil, err
	}
	conn, err := g.cfg.Egress.Dialer(rules).DialUDP(ctx, a.Address)
	if err != nil {
		return nil, egress.At(a.Address, a.Address, err)
	}
	return newSession(conn, a, g.cfg, scope), nil
}

// rehearse says what would be sent; the guest is told that all of it was.
func rehearse(in, out []byte) (data, reply []byte) {
	var q abi.UDPSend
	if q.Decode(in) != nil {
		return nil, out
	}
	return bytes.Join(q.Datagrams, []byte("\n")), abi.UDPSent{Count: uint32(len(q.Datagrams))}.Append(out)
}
