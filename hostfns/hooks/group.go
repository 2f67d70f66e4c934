package hooks

import (
	"context"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The names of the group and its functions.
const (
	Name = "hooks"

	functionReply = "reply"
)

// Config bounds what comes in. Zero fields mean the defaults.
type Config struct {
	Bodies  int           // that are under way at once, of all connectors; 1024
	Waiting int           // requests that wait, of all connectors; 4096
	Bytes   int64         // that bodies and waiting requests take; 256 MiB
	Names   int64         // bytes of what is remembered of requests that were answered; 128 MiB
	Body    time.Duration // that a body may take; 10 s
	Desks   int           // connectors without a session that are remembered; 1024
}

// The parts of the bounds that one of several may take.
const (
	connectorShare = 4  // bodies of one connector
	clientShare    = 16 // bodies of one address outside
	tenantShare    = 4  // requests of one tenant that wait, and what is remembered for it
)

func (c Config) withDefaults() Config {
	if c.Bodies <= 0 {
		c.Bodies = 1024
	}
	if c.Waiting <= 0 {
		c.Waiting = 4096
	}
	if c.Bytes <= 0 {
		c.Bytes = 256 << 20
	}
	if c.Names <= 0 {
		c.Names = 128 << 20
	}
	if c.Body <= 0 {
		c.Body = 10 * time.Second
	}
	if c.Desks <= 0 {
		c.Desks = 1024
	}
	return c
}

// Group is all addresses of all connectors.
type Group struct {
	cfg    Config
	bounds *bounds
	desks  *desks
}

// New is the group. It starts no goroutine.
func New(cfg Config) *Group {
	cfg = cfg.withDefaults()
	return &Group{cfg: cfg, bounds: newBounds(cfg), desks: newDesks(cfg.Desks)}
}

// Name is "hooks".
func (*Group) Name() string { return Name }

// Functions lists the host functions.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: capability.OpenFunction, Right: spec.Read, Sentence: "take the HTTP requests that come to the paths that it is granted, below an address of its own"},
		{Name: functionReply, Right: spec.Read, Consumes: true, Sentence: "say what the callers of these paths are answered"},
	}
}

// Cannot implements capability.Bounded.
func (*Group) Cannot() []string {
	return []string{
		"Cannot see a request before its signature was checked, nor the secret that it was checked with, nor a caller's cookies and credentials.",
	}
}

// Matches implements capability.Matcher.
func (*Group) Matches(pattern, resource string) bool {
	p, ok := strings.CutPrefix(pattern, scheme)
	r, is := strings.CutPrefix(resource, scheme)
	return ok && is && checkPath(p) == nil && checkPath(r) == nil && covers(p, r)
}

// CheckPattern implements capability.Matcher.
func (*Group) CheckPattern(pattern string) error {
	p, ok := strings.CutPrefix(pattern, scheme)
	if !ok {
		return errResource
	}
	return checkPath(p)
}

var _ interface {
	capability.Matcher
	capability.Checker
	capability.Bounded
} = (*Group)(nil)

// Target reads an encoded abi.HookOpen. The resource is all of its paths.
func (*Group) Target(args []byte) (capability.Target, error) {
	set, err := readSettings(args)
	if err != nil {
		return capability.Target{}, err
	}
	return capability.Target{Resource: scheme + strings.Join(set.args.Paths, between+scheme), Key: set.key}, nil
}

// Open opens the paths. Requests come from the moment on that the session is read.
func (g *Group) Open(ctx context.Context, scope capability.Scope, args []byte) (capability.Session, error) {
	set, err := readSettings(args)
	if err != nil {
		return nil, err
	}
	s := newSession(g, set, scope)
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	g.desks.add(s)
	return s, nil
}

// between stands between the paths of a resource; none holds a space.
const between = " "

// CheckGrants implements capability.Checker.
func (g *Group) CheckGrants(grants []spec.Grant, resource string, _ spec.Right) error {
	for path := range strings.SplitSeq(resource, between) {
		if !g.granted(grants, path) {
			shown := fault.Clip(path, 256)
			return fault.New(fault.Denied, "hooks: no grant covers %q with the right to read", shown).
				WithHint("Add a grant to the connector: `snaprail grants add CONNECTOR hooks %q`.", shown)
		}
	}
	return nil
}

func (g *Group) granted(grants []spec.Grant, resource string) bool {
	for _, grant := range grants {
		if !capability.Allows([]spec.Grant{{Rights: grant.Rights}}, "", spec.Read) {
			continue
		}
		for _, pattern := range grant.Resources {
			if g.Matches(pattern, resource) {
				return true
			}
		}
	}
	return false
}
