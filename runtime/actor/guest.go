package actor

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

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
