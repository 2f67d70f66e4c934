package actor

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Config is what an actor is made of.
type Config struct {
	Connector string // id
	// Lane is which part of the connector this is: "" where it has one, else a
	// device or an endpoint.
	Lane string
	// Common is what the connector's lanes share; nil: this one has all for
	// itself.
	Common *Common
	// Tenant and Account name what the guests' memory and processor time are
	// charged to: the connector's own account within the tenant's. Common, if
	// there is one, has its own.
	Tenant, Account string
	Engine          *engine.Engine
	Groups          capability.Registry
	Host            Host
	// Epoch is this start's, higher than any before of this lane, and no other
	// lane's.
	Epoch uint64
	// Resume is what the tenant's log knows of the lane.
	Resume outbox.State
	// Health takes what the guest that runs declares of itself, and that it is
	// undeclared once none runs; nil: nobody asks.
	Health func(abi.HealthState)
	// Exchange holds the connector's open questions; nil: it is asked none.
	Exchange *exchange.Table
	// Locks are the grants that have an interlock; nil: none has.
	Locks Locks
	// Place is where a guest may be tried beside those that run, until it is
	// given back: the tenant has few. nil: anywhere.
	Place func(ctx context.Context) (free func(), err error)
	// Peers reaches the tenant's other connectors; nil: there are none.
	Peers Peers
	// Purse is the connector's part of what all share; nil: all of it.
	Purse capability.Purse
	// Sealed keeps what a group needs for the connector; nil: nothing is kept.
	Sealed func(group string) capability.Sealed
	// Files are those of the connector's parameters; nil: there are none.
	Files capability.Files
	// Deployment is what a deployment is made of; nil: the actor is not for one.
	Deployment capability.Deployment
	// Mask takes the tenant's secrets out of a text; nil: there are none.
	Mask func(string) string
	Log  *slog.Logger
}

// Version is what a guest is made from: the connector's spec and the modules
// that it names, compiled.
type Version struct {
	Connector spec.Connector
	// Config is what the guest is told, with its secrets opened; nil: the
	// connector's own.
	Config json.RawMessage
	// Limits are what the guest is held to: the connector's, under the
	// tenant's ceiling, with the defaults filled in.
	Limits spec.Limits
	// Devices are those of the lane, or of all the connector where it has one
	// lane; the guest is told of the first MaxDevices.
	Devices []abi.Device
	// Polls are when a guest in poll mode is asked; nil: each second.
	Polls []Poll
	// Hold keeps what the version is made of beyond the guest that runs, for a
	// job that outlives it; nil: it is not given back meanwhile.
	Hold       func() (release func(context.Context))
	Manifest   abi.Manifest
	Module     *engine.Module
	Converters *Choice // nil: records travel as they are
}

func (v *Version) config() json.RawMessage {
	switch {
	case len(v.Config) > 0:
		return v.Config
	case len(v.Connector.Config) > 0:
		return v.Connector.Config
	}
	return json.RawMessage("{}")
}

// Actor is one lane of a connector on this node. Run is called by one goroutine at a
// time, Swap, Test, Call and Ask by others; Status by anybody.
type Actor struct {
	cfg Config
	env *surroundings

	// What the lane goes on from, whichever guest it runs.
	epoch   uint64
	next    uint64 // sequence of the next record
	cursor  []byte // replaced, never written into; guarded by mu
	timers  timers
	gap     time.Time  // data may be missing since; zero: nothing is
	keep    []*session // of a guest that crashed, until the next one has opened
	outages outages

	install  chan installation
	calls    chan *request // of Call, for whichever lane runs
	deposits chan *deposit // of jobs, for whichever lane runs
	jobs     jobs
	turns    turns         // of the connector's jobs
	pots     pots          // what the connector's lanes have together
	post     *post         // messages, for whichever lane runs
	lane     chan struct{} // closed while no lane runs; guarded by mu

	mu         sync.Mutex
	parting    string  // why the guest is to close; "": a stop
	polls      *[]Poll // that the lane is to take up; nil: none
	status     lifecycle.Status
	running    *guest    // nil: none
	converting *Choice   // the running version's
	serves     bool      // the running version answers calls
	failing    string    // why polls fail, when several in a row have; "": they do not
	feed       flow.Feed // of a lane that delivers; nil: none does
}

// New makes an actor that does nothing yet.
func New(cfg Config) *Actor {
	a := &Actor{
		cfg: cfg, epoch: cfg.Epoch, cursor: cfg.Resume.Cursor,
		install: make(chan installation), calls: make(chan *request, maxCalls), deposits: make(chan *deposit), lane: closed(),
		post: newPost(),
	}
	if cfg.Exchange == nil {
		a.cfg.Exchange = exchange.NewTable(exchange.Config{})
	}
	now := time.Now()
	a.turns, a.pots = make(turns, jobsAtOnce), newPots()
	if c := cfg.Common; c != nil {
		a.turns, a.pots = c.turns, c.pots
	}
	a.timers.common = a.pots.timers
	a.timers.restore(cfg.Resume.Timers)
	if cfg.Resume.Last > 0 && !cfg.Resume.Stopped {
		a.gap = time.Unix(0, cfg.Resume.LastAt)
	}
	a.status = lifecycle.Status{State: lifecycle.Stopped, Since: now, Epoch: a.epoch}
	a.env = &surroundings{
		engine: cfg.Engine, groups: cfg.Groups, sessions: newSessions(), notices: &notices{common: a.pots.waiting}, owner: cfg.Connector,
		account: cfg.Account, tenant: cfg.Tenant, quota: newQuota(), refusals: &refusals{tell: cfg.Host.Refused},
		lookup: cfg.Host.Lookup, kept: cfg.Host.Kept, line: a.takeLine, log: cfg.Log,
		reach: cfg.Peers, locks: cfg.Locks, mask: cfg.Mask, secret: cfg.Host.Secret, health: cfg.Health,
		deployment: cfg.Deployment,
		purse:      cfg.Purse,
		sealed:     cfg.Sealed,
		files:      cfg.Files,
	}
	a.env.devices, _ = cfg.Host.(DeviceReader)
	a.env.sessions.common = a.pots.sessions
	if c := cfg.Common; c != nil {
		a.env.common, a.env.quota, a.env.refusals, a.env.account, a.env.tenant = c, c.quota, c.refusals, c.account, c.tenant
	}
	return a
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// Run opens a guest and drives it until stop is closed, and then lets it
// finish its step; ctx ends it at once. It returns nil after an orderly stop,
// else why the guest is dead. Sessions stay open either way, until Close.
func (a *Actor) Run(ctx context.Context, stop <-chan struct{}, v Version, reason string) error {
	gone := make(chan struct{})
	a.mu.Lock()
	a.lane = gone
	a.mu.Unlock()
	defer close(gone)
	defer a.undeclare()

	l := &lane{Actor: a, stop: stop, idle: time.NewTimer(time.Hour)}
	defer l.idle.Stop()
	defer l.disconnect()
	if err := l.begin(ctx, v, reason); err != nil {
		return err
	}
	a.Move(lifecycle.Opened, nil)
	a.showSessions()
	for {
		err := l.settleGaps(ctx, l.guest.handles)
		if err == nil {
			err = l.run(ctx)
		}
		if failed := l.land(ctx); err == nil {
			err = failed
		}
		l.answer(ctx)
		l.rehearsals.close() // they may hold sessions
		if err == nil {
			break
		}
		l.bury(ctx, err)
		if !l.resumes(err) {
			return err
		}
		if err := l.begin(ctx, l.version, abi.ReasonRestart); err != nil {
			return err
		}
	}
	drained := l.drain(ctx) && l.settleGaps(ctx, nil) == nil
	l.catchUp(ctx, drainTime)
	l.guest.close(ctx, a.parted())
	if !drained {
		return nil // the next start says what may be missing
	}
	return a.lastBlock(ctx)
}

// begin makes a guest of a version and gives it the lane.
func (l *lane) begin(ctx context.Context, v Version, reason string) error {
	l.regrantKept(ctx, v.Connector.Grants)
	c, err := l.prepare(ctx, v, reason)
	if err != nil {
		return err
	}
	l.rehearsals.begin(ctx)
	l.guest = nil
	if err := l.takeOver(ctx, c); err != nil {
		l.rehearsals.close()
		l.abandon(ctx, c.guest)
		return err
	}
	l.closeUnused(ctx)
	return nil
}

// bury drops a guest that failed.
func (l *lane) bury(ctx context.Context, cause error) {
	if l.guest.inst.State() == engine.Dead {
		l.count(func(c *lifecycle.Counters) { c.Traps++ })
	}
	l.guest.farewell(ctx, cause)
	l.abandon(ctx, l.guest)
}

// abandon drops a guest and keeps its sessions for the next one.
func (a *Actor) abandon(ctx context.Context, g *guest) {
	a.keep = append(a.keep, g.handles...)
	g.handles = nil
	g.drop(ctx)
}

// lastBlock marks an orderly stop in the log, so that no gap is assumed at the
// next start.
func (a *Actor) lastBlock(ctx context.Context) error {
	if a.Status().Counters.Blocks == 0 && a.cfg.Resume.Last == 0 {
		return nil // the log does not know it: no gap would be assumed
	}
	_, err := a.cfg.Host.Commit(context.WithoutCancel(ctx), &outbox.Block{
		Connector: a.cfg.Connector, Lane: a.cfg.Lane, Epoch: a.epoch, First: a.next,
		Received: time.Now().UnixNano(), Stopped: true,
	})
	return err
}

// Close closes all sessions. Run must have returned.
func (a *Actor) Close(ctx context.Context) error {
	a.post.close(notListening())
	a.jobs.close()
	a.env.notices.close()
	a.timers.close()
	a.letGo()
	a.env.settle()
	return a.env.sessions.sweep(ctx)
}

// letGo releases what was kept of a crashed guest.
func (a *Actor) letGo() {
	for _, s := range a.keep {
		a.env.sessions.release(s)
	}
	a.keep = nil
}

// Move moves the connector along the table of its life. cause, if any, is the
// reason that is shown. A move that the table does not have is logged and
// ignored, because the connector itself must go on.
func (a *Actor) Move(on lifecycle.Event, cause error) {
	a.mu.Lock()
	to, err := lifecycle.Next(a.status.State, on)
	if err == nil {
		if to != a.status.State {
			a.status.Since = time.Now()
		}
		a.status.State, a.status.Reason, a.status.Code, a.status.Try = to, "", "", ""
		if f := fault.Of(cause); f != nil {
			a.status.Reason, a.status.Code = brief(a.env.masked(f.Text)), f.Kind.String()
			a.status.Try = brief(a.env.masked(f.Advice()))
		}
		switch on {
		case lifecycle.Crash:
			a.status.Restarts++
		case lifecycle.Swapped:
			a.status.Swaps++
		default:
		}
	}
	a.mu.Unlock()
	if err != nil {
		a.cfg.Log.Error("move refused", "error", err)
		return
	}
	a.cfg.Host.Report(a.Status())
}

// brief is the start of a text on one line: a trap's whole trace is in the log.
func brief(text string) string {
	const lines = 4
	var kept []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && len(kept) < lines {
			kept = append(kept, line)
		}
	}
	return fault.Clip(strings.Join(kept, "; "), maxReason)
}

// Status is what is known of the connector now.
func (a *Actor) Status() lifecycle.Status {
	a.mu.Lock()
	s := a.status
	if a.feed != nil {
		backlog := a.feed.Backlog()
		s.Delivery.Behind, s.Delivery.Buffered, s.Delivery.Missed = backlog.Blocks, backlog.Records, backlog.Missed
		s.Delivery.Active = true
		s.Delivery.Waiting, s.Delivery.About, s.Delivery.Oldest = backlog.Waiting, backlog.About, backlog.Oldest
	}
	a.mu.Unlock()
	s.Sessions = a.env.sessions.status()
	a.usage(&s)
	return s
}

// Brief is Status without what has to be gathered: sessions, limits, memory.
func (a *Actor) Brief() lifecycle.Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status
}

// count changes the counters under their lock.
func (a *Actor) count(change func(*lifecycle.Counters)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.status.Counters)
}

// candidate is a guest that has opened, with what open asked for.
type candidate struct {
	guest   *guest
	version Version
	opened  bool
	outcome []byte
}

// prepare makes a guest of this version and opens it as a candidate: it adopts
// the live sessions, may not write to them, and gets no events.
func (a *Actor) prepare(ctx context.Context, v Version, reason string) (*candidate, error) {
	g, err := a.candidate(ctx, v, reason)
	if err != nil {
		return nil, err
	}
	if v.Manifest.Mode == abi.ModeRun && reason == abi.ReasonSwap {
		return &candidate{guest: g, version: v}, nil // opened when it takes over
	}
	out, err := g.open(ctx, a.input(g, v, reason))
	if err != nil {
		a.discard(ctx, g)
		return nil, err
	}
	return &candidate{guest: g, version: v, opened: true, outcome: slices.Clone(out)}, nil
}

func (a *Actor) candidate(ctx context.Context, v Version, reason string) (*guest, error) {
	limits := v.Limits.Under(spec.Ceiling{})
	alone := reason != abi.ReasonSwap && reason != abi.ReasonTest && reason != abi.ReasonJob
	if alone {
		a.env.hold(limits)
	} else {
		a.env.holdFirst(limits)
	}
	g, err := a.env.newGuest(ctx, v.Module, &v.Manifest, v.config(), v.Connector.Grants, limits)
	if err != nil {
		return nil, err
	}
	g.candidate = !alone
	return g, nil
}

// input is what open and test are handed.
func (a *Actor) input(g *guest, v Version, reason string) abi.OpenInput {
	return abi.OpenInput{
		Connector: v.Connector.Name, Config: v.config(), Reason: reason, ABIMinor: abi.Minor,
		Groups: g.groupNames(), Cursor: a.position(), Lane: a.cfg.Lane,
		Devices: v.Devices[:min(len(v.Devices), abi.MaxDevices)], Revision: v.Connector.Revision, Set: v.Connector.Set,
	}
}

// position is the source's cursor, for a candidate that opens beside the lane.
func (a *Actor) position() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cursor
}

// discard drops a guest that never took over, and closes the sessions that it
// alone had opened.
func (a *Actor) discard(ctx context.Context, g *guest) {
	g.drop(ctx)
	a.closeUnused(ctx)
}

func (a *Actor) closeUnused(ctx context.Context) {
	if err := a.env.sessions.sweep(ctx); err != nil {
		a.cfg.Log.Warn("session not closed", "error", err)
	}
}

// takeLine takes a line of the log. Those of guests have been let through by
// the quota; what it has refused is told when there is room again.
func (a *Actor) takeLine(level abi.LogLevel, source, target, text string) {
	if source == FromGuest {
		a.count(func(c *lifecycle.Counters) { c.LogLines++ })
		a.tellLost()
	}
	a.cfg.Host.Line(level, source, target, text)
}

func (a *Actor) tellLost() {
	if lost := a.env.quota.lostLines(); lost > 0 {
		a.cfg.Host.Line(abi.LogWarning, FromHost, "log", strconv.FormatUint(lost, 10)+" lines of the module were dropped: it writes too many")
	}
}

// Test makes a guest of this version beside whatever runs and asks it whether
// its connection works: by its test, else by its open. It may read the live
// sessions and not write to them, and is dropped afterwards. A failed test is
// a result, not an error.
func (a *Actor) Test(ctx context.Context, v Version) abi.TestResult {
	g, err := a.candidate(ctx, v, abi.ReasonTest)
	if err != nil {
		return failed(err)
	}
	defer a.discard(ctx, g)
	result, err := g.test(ctx, a.input(g, v, abi.ReasonTest))
	if fault.Is(err, fault.Unsupported) {
		result = abi.TestResult{Success: true, Message: "the module opens and closes; it has no test of its own"}
		_, err = g.open(ctx, a.input(g, v, abi.ReasonTest))
	}
	if err != nil {
		return failed(err)
	}
	g.close(ctx, abi.ReasonTest)
	return result
}

func failed(err error) abi.TestResult {
	f := fault.Of(err)
	return abi.TestResult{Message: f.Text, Details: []abi.Header{
		{Name: "code", Value: []byte(f.Kind.String())}, {Name: "hint", Value: []byte(f.Advice())},
	}}
}
