package actor

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The deadlines of a guest's entry points, unless the connector's limits say
// otherwise.
const (
	DefaultCallTimeout = 5 * time.Second
	// DefaultOpenTimeout leaves a port the ten seconds that it may take.
	DefaultOpenTimeout = 15 * time.Second
	closeTimeout       = 2 * time.Second
	// noTimeout is handed to the engine: the actor sets every deadline itself.
	noTimeout = 365 * 24 * time.Hour
)

// maxHandles bounds the sessions that one guest may hold.
const maxHandles = 64

// surroundings are what guests of one connector, or of one converter, share.
type surroundings struct {
	engine   *engine.Engine
	groups   capability.Registry
	sessions *sessions // nil: a converter, which opens none
	owner    string
	lookup   func(ctx context.Context, key string) ([]byte, bool, error)
	line     func(level abi.LogLevel, source, target, text string)
	log      *slog.Logger
}

// guest is one instance of a module with what it holds. It is called by one
// goroutine at a time.
type guest struct {
	*surroundings
	inst   *engine.Instance
	grants []spec.Grant
	limits spec.Limits
	stage  stage

	handles []*session                    // handle n is handles[n-1]
	own     map[string]capability.Session // of groups without open

	// candidate is set until the guest takes over: it may not write to
	// anything outside.
	candidate bool
	// loop serves receive and emit in run mode; nil otherwise.
	loop looper

	linked engine.Link
	denied uint64
	in     []byte // reused for every input
}

// looper is the lane as a guest in run mode sees it.
type looper interface {
	receive(ctx context.Context, in, out []byte) ([]byte, error)
	emit(ctx context.Context, in, out []byte) ([]byte, error)
}

// newGuest links and instantiates a guest; open has not been called yet.
func (s *surroundings) newGuest(ctx context.Context, m *engine.Module, manifest *abi.Manifest, grants []spec.Grant, limits spec.Limits) (*guest, error) {
	link, err := Link(manifest, grants, s.groups)
	if err != nil {
		return nil, err
	}
	g := &guest{surroundings: s, grants: grants, limits: limits, linked: link, own: map[string]capability.Session{}}
	g.stage.lookup = s.lookup
	for name, access := range link {
		group, _ := s.groups.Group(name)
		if access != engine.Linked || capability.Opens(group) {
			continue
		}
		end, err := group.Open(ctx, g.scope(name), nil)
		if err != nil {
			g.drop(ctx)
			return nil, err
		}
		g.own[name] = end
	}
	ctx, cancel := context.WithTimeout(ctx, limits.OpenTimeout.Or(DefaultOpenTimeout))
	defer cancel()
	g.inst, err = s.engine.Instantiate(ctx, m, engine.InstanceConfig{
		Link: link, Host: g, MemoryBytes: limits.MemoryBytes, CallTimeout: noTimeout,
	})
	if err != nil {
		g.drop(ctx)
		return nil, err
	}
	return g, nil
}

func (g *guest) scope(group string) capability.Scope {
	return capability.Scope{
		Grants: grantsOf(g.grants, group), Owner: g.owner, State: &g.stage, Lines: g,
		Log: g.log.With("group", group),
	}
}

func grantsOf(all []spec.Grant, group string) []spec.Grant {
	var of []spec.Grant
	for _, g := range all {
		if g.Group == group {
			of = append(of, g)
		}
	}
	return of
}

// call calls an entry point under a deadline. The input is built in the
// guest's buffer; the reply is valid until the next call.
func (g *guest) call(ctx context.Context, timeout time.Duration, entry string, in []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return g.inst.Call(ctx, entry, in)
}

func (g *guest) callTimeout() time.Duration { return g.limits.CallTimeout.Or(DefaultCallTimeout) }

// open calls the guest's open; its outcome is what open asks for.
func (g *guest) open(ctx context.Context, in abi.OpenInput) ([]byte, error) {
	g.in = in.Append(g.in[:0])
	return g.call(ctx, g.limits.OpenTimeout.Or(DefaultOpenTimeout), abi.EntryOpen, g.in)
}

// test asks a guest that has not been opened whether its connection works. It
// may take as long as an open.
func (g *guest) test(ctx context.Context, in abi.OpenInput) (result abi.TestResult, err error) {
	g.in = in.Append(g.in[:0])
	out, err := g.call(ctx, g.limits.OpenTimeout.Or(DefaultOpenTimeout), abi.EntryTest, g.in)
	if err != nil {
		return result, err
	}
	if err := result.Decode(out); err != nil {
		return result, fault.Wrap(fault.Guest, err, "the module's test answered what cannot be read")
	}
	return result, nil
}

// close says goodbye to the guest, if it can still be called, and drops it.
// What it still holds of sessions is released, not closed.
func (g *guest) close(ctx context.Context, reason string) {
	if g.inst != nil && g.inst.State() == engine.Idle && g.inst.Has(abi.EntryClose) {
		g.in = abi.CloseInput{Reason: reason}.Append(g.in[:0])
		if _, err := g.call(ctx, closeTimeout, abi.EntryClose, g.in); err != nil && !fault.Is(err, fault.Unsupported) {
			g.line(abi.LogWarning, FromHost, "", "close: "+err.Error())
		}
	}
	g.drop(ctx)
}

// drop frees the instance and lets go of the sessions.
func (g *guest) drop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if g.inst != nil {
		if err := g.inst.Close(ctx); err != nil {
			g.log.Warn("guest not closed", "error", err)
		}
	}
	for name, end := range g.own {
		if err := end.Close(ctx); err != nil {
			g.log.Warn("session not closed", "group", name, "error", err)
		}
	}
	for _, s := range g.handles {
		g.sessions.release(s)
	}
	g.handles, g.own = nil, nil
}

// HostCall serves a host function for the engine. It runs on the goroutine
// that called the guest.
func (g *guest) HostCall(ctx context.Context, group, function string, in, out []byte) ([]byte, error) {
	if group == abi.CoreGroup {
		return g.core(ctx, function, in, out)
	}
	gr, ok := g.groups.Group(group)
	if !ok {
		return nil, fault.New(fault.Unsupported, "no group %q", group)
	}
	if end, ok := g.own[group]; ok {
		return end.Call(ctx, function, in, out)
	}
	if function == capability.OpenFunction {
		return g.openSession(ctx, gr, in, out)
	}
	s, err := g.byHandle(in)
	if err != nil {
		return nil, err
	}
	if s.group != group {
		return nil, fault.New(fault.SessionClosed, "%s: the handle belongs to %s", group, s.group)
	}
	f, _ := capability.Find(gr, function)
	if err := g.mayCall(group, f, s.resource); err != nil {
		g.denied++
		return nil, err
	}
	s.calls.Lock()
	defer s.calls.Unlock()
	return s.end.Call(ctx, function, in, out)
}

func (g *guest) mayCall(group string, f capability.Function, resource string) error {
	if f.Right == spec.Write && g.candidate {
		return fault.New(fault.NotActive, "%s.%s: the running version still owns the writes", group, f.Name)
	}
	if f.Right == "" {
		return nil
	}
	return capability.Check(group, grantsOf(g.grants, group), resource, f.Right)
}

func (g *guest) core(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	if g.loop == nil {
		return nil, fault.New(fault.Unsupported, "core.%s: only in run mode", function).
			WithHint("set mode to run in the manifest, or return an outcome instead")
	}
	switch function {
	case "receive":
		return g.loop.receive(ctx, in, out)
	case "emit":
		return g.loop.emit(ctx, in, out)
	}
	return nil, fault.New(fault.Unsupported, "no host function core.%s", function)
}

// openSession gives the guest a handle on the session with these arguments:
// the live one of the connector, or a new one.
func (g *guest) openSession(ctx context.Context, group capability.Group, args, out []byte) ([]byte, error) {
	if g.sessions == nil {
		return nil, fault.New(fault.Denied, "a converter cannot open %s", group.Name())
	}
	target, err := group.Target(args)
	if err != nil {
		return nil, err
	}
	if err := capability.Check(group.Name(), grantsOf(g.grants, group.Name()), target.Resource, ""); err != nil {
		g.denied++
		return nil, err
	}
	s, err := g.sessions.open(ctx, group, target, g.scope(group.Name()), args)
	if err != nil {
		return nil, err
	}
	for i, held := range g.handles {
		if held == s {
			g.sessions.release(s) // one hold for each guest
			return abi.Handle{Handle: uint32(i + 1)}.Append(out[:0]), nil
		}
	}
	if len(g.handles) >= maxHandles {
		g.sessions.release(s)
		return nil, fault.New(fault.Exhausted, "a guest may hold %d handles", maxHandles)
	}
	g.handles = append(g.handles, s)
	return abi.Handle{Handle: uint32(len(g.handles))}.Append(out[:0]), nil
}

// byHandle is the session that field 1 of a request names.
func (g *guest) byHandle(in []byte) (*session, error) {
	var h abi.Handle
	if err := h.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "request")
	}
	if h.Handle == 0 || int(h.Handle) > len(g.handles) {
		return nil, fault.New(fault.SessionClosed, "no session has the handle %d", h.Handle).
			WithHint("call open first and use the handle that it returns")
	}
	return g.handles[h.Handle-1], nil
}

// Output takes a line that the guest wrote to stdout or stderr.
func (g *guest) Output(stream int, line []byte) {
	level, target := abi.LogInfo, "stdout"
	if stream == 2 {
		level, target = abi.LogWarning, "stderr"
	}
	g.line(level, FromGuest, target, string(line))
}

// Line takes a line of the guest's log.
func (g *guest) Line(level abi.LogLevel, target, text string) {
	g.line(level, FromGuest, target, text)
}

// groupNames lists the groups that the guest may call.
func (g *guest) groupNames() []string {
	var names []string
	for name, access := range g.linked {
		if access == engine.Linked {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
