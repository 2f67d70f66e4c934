package actor

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// closeTimeout is how long a guest may take to say goodbye, unless the
// connector's limits say otherwise.
const closeTimeout = 2 * time.Second

// noTimeout is the deadline of run, which a guest leaves when it is told to.
const noTimeout = 365 * 24 * time.Hour

// maxHandles bounds the sessions that one guest may hold.
const maxHandles = 64

// surroundings are what guests of one connector, or of one converter, share.
type surroundings struct {
	engine   *engine.Engine
	groups   capability.Registry
	sessions *sessions                    // nil: a converter, which opens none
	notices  *notices                     // of the host; nil: a converter, which gets none
	account  string                       // what the engine charges; "": nothing
	tenant   string                       // the account that it is a part of
	last     atomic.Pointer[engine.Usage] // of the account, once it is given back
	common   *Common                      // whose account and limits these are; nil: their own
	owner    string
	quota    *quota
	refusals *refusals
	lookup   func(ctx context.Context, key string) ([]byte, bool, error)
	kept     func() uint64
	devices  DeviceReader // nil: a converter, which has none
	line     func(level abi.LogLevel, source, target, text string)
	locks    Locks                                                  // nil: no grant has an interlock
	reach    Peers                                                  // nil: there are no other connectors
	mask     func(text string) string                               // takes the tenant's secrets out; nil: nothing
	secret   func(ctx context.Context, name string) ([]byte, error) // nil: there are none
	health   func(abi.HealthState)                                  // takes what a guest declares; nil: nobody asks
	log      *slog.Logger

	deployment capability.Deployment                // nil: none
	purse      capability.Purse                     // nil: all of it
	sealed     func(group string) capability.Sealed // nil: nothing is kept
	files      capability.Files                     // nil: there are none
}

// guest is one instance of a module with what it holds. It is called by one
// goroutine at a time.
type guest struct {
	*surroundings
	inst   *engine.Instance
	grants []spec.Grant
	named  []string // secrets that the connector names
	stage  stage

	handles []*session     // handle n is handles[n-1]
	drafts  []draft        // of sessions that another guest works with
	own     map[string]end // of groups without open

	// candidate is set until the guest takes over: it may not write to
	// anything outside.
	candidate bool
	// loop serves receive and emit; nil unless the guest is the lane's own.
	loop looper
	// asked are the questions that the guest works on; the lane's alone.
	asked []*exchange.Question
	// rehearsal keeps what the guest writes and does not let it out; nil: it is no
	// rehearsal.
	rehearsal *rehearsal
	input     []byte // of the call that a session of its own serves now

	linked engine.Link
	in     []byte // reused for every input
	plain  plain
	opened uint64 // memory once it was open; converters alone
	told   bool   // that its memory is nearly used up
	lost   bool   // its connection is, and it is about to close

	said bool            // whether it declared its health
	well abi.HealthState // what it declared last
}

// end is the guest's own session of a group, with the limit that its calls
// draw on; nil: none of its own.
type end struct {
	capability.Session

	draws *allowance
}

// looper is the lane as its guest sees it.
type looper interface {
	receive(ctx context.Context, in, out []byte) ([]byte, error)
	emit(ctx context.Context, in, out []byte) ([]byte, error)
	// settle waits until what the guest has answered before is durable.
	settle(ctx context.Context) error
}

// newGuest links and instantiates a guest; open has not been called yet.
func (s *surroundings) newGuest(ctx context.Context, m *engine.Module, manifest *abi.Manifest, config json.RawMessage, grants []spec.Grant, limits spec.Limits) (*guest, error) {
	link, err := Link(manifest, grants, s.groups)
	if err != nil {
		return nil, err
	}
	g := &guest{surroundings: s, grants: grants, named: namesOf(config, grants), linked: link, own: map[string]end{}}
	g.stage = stage{lookup: s.lookup, kept: s.kept, quota: s.quota, devices: staged{reader: s.devices, types: manifest.DeviceTypes}}
	for name, access := range link {
		group, _ := s.groups.Group(name)
		if access != engine.Linked || capability.Opens(group) {
			continue
		}
		scope := g.scope(name)
		scope.Caller, scope.Peers = caller{g, name}, peers{g}
		session, err := group.Open(ctx, scope, nil)
		if err != nil {
			g.drop(ctx)
			return nil, err
		}
		g.own[name] = end{session, s.drawsOn(group)}
	}
	cfg := s.instanceConfig(link, g, limits)
	cfg.Extism = extismSettings(config)
	g.inst, err = s.engine.Instantiate(ctx, m, cfg)
	if err != nil {
		g.fell(engine.EntryInitialize, err)
		g.drop(ctx)
		return nil, s.clean(err)
	}
	return g, nil
}

// instanceConfig is what the engine holds a guest to.
func (s *surroundings) instanceConfig(link engine.Link, host engine.Host, l spec.Limits) engine.InstanceConfig {
	return engine.InstanceConfig{
		Link: link, Host: host, Account: s.account,
		MemoryBytes: l.MemoryBytes, StackWords: uint32(l.StackWords), TableEntries: uint32(l.TableEntries), //nolint:gosec // within the table of limits
		MaxOutput:   uint32(l.OutputBytes), //nolint:gosec // within the table of limits
		CallTimeout: time.Duration(l.CallTimeout), Timeouts: timeouts(l),
	}
}

// timeouts are the deadlines by entry point that differ from the one of all
// calls.
func timeouts(l spec.Limits) map[string]time.Duration {
	all := map[string]time.Duration{
		engine.EntryInitialize: time.Duration(l.OpenTimeout),
		abi.EntryOpen:          time.Duration(l.OpenTimeout),
		abi.EntryTest:          time.Duration(l.OpenTimeout),
		abi.EntryClose:         min(closeTimeout, time.Duration(l.CallTimeout)),
		abi.EntryRun:           noTimeout,
		abi.EntryOnJob:         longestJob, // the job's own is its context's

		abi.EntryNormalizeImport: time.Duration(l.OpenTimeout), abi.EntryExchangeOAuthCode: time.Duration(l.OpenTimeout),
		abi.EntryOAuthAuthorizeURL: time.Duration(l.OpenTimeout),
		abi.EntryDeploy:            time.Duration(l.OpenTimeout), abi.EntryTearDown: time.Duration(l.OpenTimeout),
	}
	for entry, t := range l.Timeouts {
		all[entry] = time.Duration(t)
	}
	return all
}

// timeLimit is the limit on the time of an entry point.
func timeLimit(entry string) string {
	switch entry {
	case abi.EntryOpen, abi.EntryTest, engine.EntryInitialize,
		abi.EntryNormalizeImport, abi.EntryExchangeOAuthCode, abi.EntryOAuthAuthorizeURL,
		abi.EntryDeploy, abi.EntryTearDown:
		return spec.LimitOpen
	}
	return spec.LimitCall
}

// fell counts the limit, if it is one, that a call ended at.
func (g *guest) fell(entry string, err error) {
	var name string
	switch fault.Of(err).Kind {
	case fault.GuestMemory:
		name = spec.LimitMemory
	case fault.GuestTable:
		name = spec.LimitTableEntries
	case fault.GuestStack:
		name = spec.LimitStack
	case fault.GuestOutput:
		name = spec.LimitOutputBytes
	case fault.GuestDeadline:
		name = timeLimit(entry)
	case fault.TenantCPU:
		name = spec.LimitCPU
	default:
		return
	}
	_ = g.quota.reached(name) // the engine has said so already
}

// drawsOn is the limit that the calls of a group draw on beside the one of all
// host calls; nil: none.
func (s *surroundings) drawsOn(g capability.Group) *allowance {
	if l, ok := g.(capability.Limited); ok {
		return s.quota.named[l.Limit()]
	}
	return nil
}

func (g *guest) scope(group string) capability.Scope {
	scope := capability.Scope{
		Grants: grantsOf(g.grants, group), Owner: g.owner, Tenant: g.tenant, State: &g.stage, Lines: g, Secrets: namedSecrets{g.surroundings, g.named},
		Log: g.log.With("group", group), Deployment: g.deployment, Purse: g.purse,
		Tried: func() bool { return g.candidate || g.rehearsal != nil },
	}
	if g.devices != nil {
		scope.Devices = &g.stage.devices
		scope.Notifier, scope.Files = g, g.files
	}
	if g.sealed != nil {
		scope.Sealed = g.sealed(group)
	}
	return scope
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

// call calls an entry point, under the deadline that the engine has for it.
// The reply is valid until the next call.
func (g *guest) call(ctx context.Context, entry string, in []byte) ([]byte, error) {
	began := time.Now()
	out, err := g.inst.Call(ctx, entry, in)
	g.quota.called(entry, time.Since(began), len(out))
	if err != nil {
		g.fell(entry, err)
		err = g.clean(err)
	}
	return out, err
}

// open calls the guest's open; its outcome is what open asks for.
func (g *guest) open(ctx context.Context, in abi.OpenInput) ([]byte, error) {
	g.in = in.Append(g.in[:0])
	return g.call(ctx, abi.EntryOpen, g.in)
}

// test asks a guest that has not been opened whether its connection works. It
// may take as long as an open.
func (g *guest) test(ctx context.Context, in abi.OpenInput) (result abi.TestResult, err error) {
	g.in = in.Append(g.in[:0])
	out, err := g.call(ctx, abi.EntryTest, g.in)
	if err != nil {
		return result, err
	}
	if err := result.Decode(out); err != nil {
		return result, fault.Wrap(fault.Guest, err, "the module's test answered what cannot be read")
	}
	for i := range result.Details { // they lie in the guest's memory, which goes on without them
		result.Details[i].Value = bytes.Clone(result.Details[i].Value)
	}
	return result, nil
}

// close says goodbye to the guest, if it can still be called, and drops it.
// What it still holds of sessions is released, not closed.
func (g *guest) close(ctx context.Context, reason string) {
	g.sayClose(ctx, reason)
	g.drop(ctx)
}

// drop frees the instance and lets go of the sessions.
func (g *guest) drop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if g.inst != nil {
		g.measure()
		if err := g.inst.Close(ctx); err != nil {
			g.log.Warn("guest not closed", "error", err)
		}
	}
	for name, own := range g.own {
		if err := own.Close(ctx); err != nil {
			g.log.Warn("session not closed", "group", name, "error", err)
		}
	}
	for _, s := range g.handles {
		g.sessions.release(s)
	}
	g.handles, g.own = nil, nil
	g.refusals.flush(time.Now(), true)
}

// HostCall serves a host function for the engine, within the guest's limits.
// It runs on the goroutine that called the guest.
func (g *guest) HostCall(ctx context.Context, group, function string, in, out []byte) ([]byte, error) {
	own := g.own[group]
	if err := g.quota.call(own.draws, len(in)); err != nil {
		return nil, err
	}
	defer g.quota.ended(own.draws)
	reply, err := g.serve(ctx, own, group, function, in, out)
	g.quota.replied(len(reply))
	return reply, err
}

func (g *guest) serve(ctx context.Context, own end, group, function string, in, out []byte) ([]byte, error) {
	if g.rehearsal != nil && g.consumes(group, function) {
		return nil, fault.New(fault.Interlocked, "%s.%s: this is a dry run, and what it takes is the running module's", group, function)
	}
	if own.Session != nil {
		if g.candidate && g.consumes(group, function) {
			return nil, capability.Function{Name: function, Consumes: true}.Withheld(group)
		}
		if gr, _ := g.groups.Group(group); !capability.IsContained(gr) {
			if err := g.settled(ctx); err != nil {
				return nil, err
			}
		}
		g.input = in
		defer func() { g.input = nil }()
		return own.Call(ctx, function, in, out)
	}
	if group == abi.CoreGroup {
		return g.core(ctx, function, in, out)
	}
	gr, ok := g.groups.Group(group)
	if !ok {
		return nil, fault.New(fault.Unsupported, "no group %q", group)
	}
	if function == capability.OpenFunction {
		if err := g.settled(ctx); err != nil {
			return nil, err
		}
		return g.openSession(ctx, gr, in, out)
	}
	if d, ok := gr.(capability.Direct); ok && d.Direct(function) {
		return d.CallDirect(ctx, g.scope(group), function, in, out)
	}
	s, err := g.byHandle(in)
	if err != nil {
		return nil, err
	}
	if s.group != group {
		return nil, fault.New(fault.SessionClosed, "%s: the handle belongs to %s", group, s.group)
	}
	f, _ := capability.Find(gr, function)
	if err := g.mayCall(ctx, gr, f, s.resource); err != nil {
		g.refuse(group, function, s.resource, err)
		return nil, err
	}
	if f.Right == spec.Write && g.rehearsal != nil {
		return g.rehearsal.take(g, group, f, s.resource, in, out), nil
	}
	if f.Shapes {
		if d := g.draftOf(s); d != nil {
			return d.Call(ctx, function, in, out)
		}
	}
	if f.Right != spec.Read || f.Consumes {
		if err := g.settled(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.calls.enter(ctx); err != nil {
		return nil, err
	}
	defer s.calls.leave()
	return s.end.Call(ctx, function, in, out)
}

// settled waits until the guest's earlier steps are durable. What it does to the
// world outside may say that it has taken what it was handed, as an acknowledgement
// of its protocol does, and nobody may hear that before it is so (I1).
func (g *guest) settled(ctx context.Context) error {
	if g.loop == nil {
		return nil
	}
	return g.loop.settle(ctx)
}

// Denied takes a call to a group that was not granted, which the engine has
// refused.
func (g *guest) Denied(group, function string) {
	g.refusals.add(time.Now(), Refusal{Group: group, Function: function, Code: fault.Denied.String()})
}

// refuse counts a call that was refused for want of a right. What it asked for
// is kept and logged, and the guest has made it up.
func (s *surroundings) refuse(group, function, resource string, err error) {
	s.refusals.add(time.Now(), Refusal{
		Group: group, Function: function, Resource: strings.Clone(fault.Clip(s.masked(resource), maxRefused)),
		Code: fault.Of(err).Kind.String(),
	})
}

func (g *guest) mayCall(ctx context.Context, gr capability.Group, f capability.Function, resource string) error {
	group := gr.Name()
	var err error
	if f.Right != "" {
		err = capability.CheckIn(gr, grantsOf(g.grants, group), resource, f.Right)
	}
	if g.candidate && g.rehearsal == nil && err == nil { // what it may never do a test is to learn
		err = f.Withheld(group)
	}
	if f.Right == "" || err != nil {
		return err
	}
	if f.Right == spec.Write && g.rehearsal == nil {
		return g.interlocked(ctx, group, f.Name, resource)
	}
	return nil
}

// caller is a guest as its own session of a group sees it.
type caller struct {
	guest *guest
	group string
}

// Allow implements capability.Caller.
func (c caller) Allow(ctx context.Context, function string, right spec.Right) error {
	if right == spec.Write && c.guest.rehearsal != nil {
		group, _ := c.guest.groups.Group(c.group)
		f, _ := capability.Find(group, function)
		c.guest.rehearsal.take(c.guest, c.group, f, "", c.guest.input, nil)
		return fault.New(fault.Interlocked, "%s.%s: this is a dry run", c.group, function)
	}
	if right == spec.Write && c.guest.candidate {
		return fault.New(fault.NotActive, "%s.%s: the running version still owns the writes", c.group, function)
	}
	if right != spec.Write {
		return nil
	}
	err := c.guest.interlocked(ctx, c.group, function, "")
	if err != nil {
		c.Refused(function, "", err)
	}
	return err
}

// Refused implements capability.Caller.
func (c caller) Refused(function, resource string, err error) {
	c.guest.refuse(c.group, function, resource, err)
}

func (g *guest) core(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	if function == "health" {
		return out[:0], g.declare(in)
	}
	if g.loop == nil {
		return nil, g.notTheLanes(function)
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
	if err := capability.CheckIn(group, grantsOf(g.grants, group.Name()), target.Resource, ""); err != nil {
		g.refuse(group.Name(), capability.OpenFunction, target.Resource, err)
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
	g.begin(s)
	g.claim(s)
	return abi.Handle{Handle: uint32(len(g.handles))}.Append(out[:0]), nil
}

// byHandle is the session that field 1 of a request names.
func (g *guest) byHandle(in []byte) (*session, error) {
	var h abi.Handle
	if err := h.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "request")
	}
	if g.lost {
		return nil, fault.New(fault.SessionClosed, "the connection was lost: there is nobody to talk to")
	}
	if h.Handle == 0 || int(h.Handle) > len(g.handles) {
		return nil, fault.New(fault.SessionClosed, "no session has the handle %d", h.Handle).
			WithHint("call open first and use the handle that it returns")
	}
	return g.handles[h.Handle-1], nil
}

// Output takes a line that the guest wrote to stdout or stderr. One beyond the
// limit is dropped: there is no way to answer an error for it.
func (g *guest) Output(stream int, line []byte) {
	if !g.quota.line() {
		return
	}
	level, target := abi.LogInfo, "stdout"
	if stream == 2 {
		level, target = abi.LogWarning, "stderr"
	}
	g.line(level, FromGuest, target, string(line))
}

// Line takes a line of the guest's log, which the call that brought it has been
// let through for.
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
