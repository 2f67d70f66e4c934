package tcp

import (
	"context"
	"errors"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The names of the group and its functions.
const (
	Name = "tcp"

	functionWrite    = "write"
	functionRead     = "read"
	functionTransact = "transact"
)

// Config is what the group is made of.
type Config struct {
	// Egress is the way out.
	Egress *egress.Egress
	// Events and Bytes bound what one session keeps of what was received and is not
	// acknowledged or read; default 4096 and 1 MiB.
	Events int
	Bytes  int
}

const (
	defaultEvents = 4096
	defaultBytes  = 1 << 20
)

// Group is the servers that can be reached.
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
	cfg.Bytes = max(cfg.Bytes, minBuffer)
	return &Group{cfg: cfg}
}

// Name is "tcp".
func (*Group) Name() string { return Name }

// Functions lists the host functions.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: capability.OpenFunction, Right: spec.Read, Sentence: "connect to the TCP servers that it is granted and receive what they send, with secrets that it does not see"},
		{Name: functionRead, Right: spec.Read, Consumes: true, Sentence: "wait for what a TCP server sends"},
		{Name: functionWrite, Right: spec.Write, Sentence: "send bytes to the TCP servers that it is granted", Rehearse: rehearseWrite},
		{Name: functionTransact, Right: spec.Write, Consumes: true, Sentence: "send requests to the TCP servers that it is granted and wait for the answers", Rehearse: rehearseTransact},
	}
}

// Cannot implements capability.Bounded.
func (*Group) Cannot() []string {
	return []string{
		"Cannot connect to private addresses, this machine included, unless a grant names their network (as in cidr:192.168.1.0/24).",
		"Cannot listen for connections over TCP.",
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

// Target reads an encoded abi.TCPOpen. The resource is the address in its one
// spelling.
func (g *Group) Target(args []byte) (capability.Target, error) {
	set, err := g.settings(args)
	if err != nil {
		return capability.Target{}, err
	}
	return capability.Target{Resource: set.args.Address, Key: set.key}, nil
}

// Open connects, trying again until the peer accepts, or open_timeout or ctx ends;
// with background it does not wait. What a retry cannot mend (an address that is
// not granted, a certificate that is not trusted) is an error at once.
func (g *Group) Open(ctx context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	set, err := g.settings(args)
	if err != nil {
		return nil, err
	}
	if g.cfg.Egress == nil {
		return nil, fault.New(fault.Unsupported, "tcp: there is no way out")
	}
	d, err := newDialer(ctx, g.cfg.Egress, set, scope)
	if err != nil {
		return nil, err
	}
	s := newSession(ctx, g, set, d, scope)
	if set.args.Background {
		s.start(nil) //nolint:contextcheck // the session outlives the call
		return s, nil
	}
	conn, err := s.connect(ctx)
	if err != nil {
		s.cancel()
		return nil, err
	}
	s.start(conn) //nolint:contextcheck // the session outlives the call
	return s, nil
}

// connect makes the first connection.
func (s *Session) connect(ctx context.Context) (*link, error) {
	wait, cancel := capability.BeforeDeadline(ctx, s.set.openTimeout)
	defer cancel()
	pause := time.NewTicker(max(s.set.retry, defaultRetry))
	defer pause.Stop()
	var said error // what the network said, before time was up
	for {
		l, err := s.dialer.dial(wait)
		switch {
		case err == nil:
			return l, nil
		case !mayHelp(err):
			return nil, err
		case said == nil || !fault.Is(err, fault.Timeout):
			said = err
		}
		select {
		case <-pause.C:
			if wait.Err() == nil {
				continue
			}
		case <-wait.Done():
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, fault.Wrap(fault.Canceled, ctx.Err(), "%s was not opened", s.set.args.Address)
		}
		return nil, said
	}
}

// mayHelp reports whether another attempt may succeed.
func mayHelp(err error) bool {
	k := fault.Of(err).Kind
	return k == fault.ResourceUnavailable || k == fault.Timeout
}
