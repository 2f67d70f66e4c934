package actor

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/exchange"
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
