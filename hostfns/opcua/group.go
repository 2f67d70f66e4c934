package opcua

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
	Name = "opcua"

	functionInfo      = "info"
	functionRead      = "read"
	functionBrowse    = "browse"
	functionSubscribe = "subscribe"
	functionWrite     = "write"
	functionCall      = "call"
)

// Config is what the group is made of.
type Config struct {
	// Egress is the way out.
	Egress *egress.Egress
	// Events and Bytes bound what one session keeps until it is acknowledged;
	// default 4096 and 4 MiB.
	Events int
	Bytes  int

	pace pace
}

// pace is how fast a session notices things.
type pace struct {
	probe  time.Duration // between requests that see whether the server is there
	answer time.Duration // that a server has for them, and for each step of a connection
	alive  time.Duration // the longest that a subscription is to be silent
	retry  time.Duration // the longest wait between attempts to connect
	again  time.Duration // between attempts to watch what could not be watched
}

const (
	defaultEvents = 4096
	defaultBytes  = 4 << 20
)

// Group is the OPC UA servers that can be reached.
type Group struct {
	cfg   Config
	trust *trust
}

// New is the group.
func New(cfg Config) *Group {
	if cfg.Events <= 0 {
		cfg.Events = defaultEvents
	}
	if cfg.Bytes <= 0 {
		cfg.Bytes = defaultBytes
	}
	if cfg.pace == (pace{}) {
		cfg.pace = pace{probe: 4 * time.Second, answer: 5 * time.Second, alive: 5 * time.Second, retry: 2 * time.Second, again: 15 * time.Second}
	}
	return &Group{cfg: cfg, trust: newTrust()}
}

// Name is "opcua".
func (*Group) Name() string { return Name }

// Functions lists the host functions.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: capability.OpenFunction, Right: spec.Read, Sentence: "connect to the OPC UA servers that it is granted"},
		{Name: functionInfo, Right: spec.Read, Sentence: "see the certificates and the namespaces of an OPC UA connection"},
		{Name: functionRead, Right: spec.Read, Sentence: "read values and attributes of OPC UA nodes"},
		{Name: functionBrowse, Right: spec.Read, Sentence: "browse the nodes of an OPC UA server"},
		{Name: functionSubscribe, Right: spec.Read, Shapes: true, Sentence: "be told of changes by an OPC UA server"},
		{Name: functionWrite, Right: spec.Write, Sentence: "write to OPC UA nodes", Rehearse: rehearseWrite},
		{Name: functionCall, Right: spec.Write, Sentence: "call methods of an OPC UA server", Rehearse: rehearseCall},
	}
}

// Cannot implements capability.Bounded.
func (*Group) Cannot() []string {
	return []string{
		"Cannot connect to private addresses, this machine included, unless a grant names their network (as in cidr:192.168.1.0/24).",
		"Cannot follow a server to another address that it advertises.",
	}
}

// Matches implements capability.Matcher.
func (*Group) Matches(pattern, resource string) bool { return covers(pattern, resource) }

// CheckPattern implements capability.Matcher.
func (*Group) CheckPattern(pattern string) error { return checkPattern(pattern) }

var _ interface {
	capability.Matcher
	capability.Bounded
} = (*Group)(nil)

// Target reads an encoded abi.OPCUAOpen. The resource is the endpoint in its one
// spelling.
func (*Group) Target(args []byte) (capability.Target, error) {
	set, err := readSettings(args)
	if err != nil {
		return capability.Target{}, err
	}
	return capability.Target{Resource: set.endpoint, Key: set.key}, nil
}

// Open connects to the server, trying again until it is there or open_timeout
// or ctx ends. What a retry cannot mend (a certificate that is not trusted, a
// user who is not let in) is an error at once.
func (g *Group) Open(ctx context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	set, err := readSettings(args)
	if err != nil {
		return nil, err
	}
	rules, err := egress.NetworkRules(Name, scope.Grants)
	if err != nil {
		return nil, err
	}
	if g.cfg.Egress == nil {
		return nil, fault.New(fault.Unsupported, "opcua: there is no way out")
	}
	who := &caller{
		set: set, owner: scope.Owner, trust: g.trust, kept: g.trust.place(scope.Owner, scope.Sealed), secret: scope.Secrets, answer: g.cfg.pace.answer, alive: g.cfg.pace.alive,
		out: g.cfg.Egress.Revocable(rules),
	}
	l, err := g.connect(ctx, who)
	if err != nil {
		return nil, err
	}
	s := newSession(g, who, scope)
	s.start(ctx, l)
	return s, nil
}

// connect makes the first connection.
func (g *Group) connect(ctx context.Context, who *caller) (*link, error) {
	wait, cancel := capability.BeforeDeadline(ctx, who.set.openTimeout)
	defer cancel()
	pause := time.NewTicker(who.set.openRetry)
	defer pause.Stop()
	for {
		l, err := who.connect(wait)
		if err == nil || !mayHelp(err) {
			return l, err
		}
		select {
		case <-pause.C:
			if wait.Err() == nil {
				continue
			}
		case <-wait.Done():
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, fault.Wrap(fault.Canceled, ctx.Err(), "%s was not opened", who.set.endpoint)
		}
		return nil, err
	}
}

// mayHelp reports whether another attempt may succeed.
func mayHelp(err error) bool {
	k := fault.Of(err).Kind
	return k == fault.ResourceUnavailable || k == fault.Timeout
}
