package supervisor

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// The ways in which a connector is divided into lanes, as manifests say them.
const (
	laneConnector = "connector"
	laneDevice    = "device"
	laneEndpoint  = "endpoint"
)

// maxLanes bounds the lanes of one connector. Devices beyond it are not served,
// and the status says so.
const maxLanes = 1024

// rollingAtOnce is how many lanes of a connector swap at the same time: each
// needs room for two guests meanwhile.
const rollingAtOnce = 4

// idleRound is how long a runner waits that nobody pokes.
const idleRound = time.Hour

// layout is which lane serves which device.
type layout struct {
	kind  string
	lane  map[string]string // by device; of those that are served
	names []string          // of the lanes, sorted
	over  int               // devices that are beyond the bound
}

// division is what the lanes of a connector should be.
type division struct {
	layout

	devices map[string][]*spec.Device // by lane; the roster's
	own     *ownPlans
	known   map[string]bool // lanes of any device that is kept, served or not
	reopen  bool
	perDev  bool // each device is polled by itself
}

// divide divides a connector into lanes. A module that cannot be read is the one
// lane's trouble, which says so.
func (r *runner) divide(ctx context.Context, c *spec.Connector) (*division, error) {
	if err := r.roll(ctx); err != nil {
		return nil, err
	}
	p := &division{own: r.roster.own, layout: layout{kind: laneConnector, lane: map[string]string{}}, devices: map[string][]*spec.Device{}, known: map[string]bool{}}
	if m, err := r.modules.shelf.Get(ctx, c.Module); err == nil {
		if m.Manifest.Lanes != "" {
			p.kind = m.Manifest.Lanes
		}
		p.perDev = m.Manifest.Polls == abi.PollsDevice
	}
	p.reopen = p.kind != laneConnector || p.perDev
	if p.kind == laneConnector {
		p.devices[""] = nil
	}
	for i := range r.roster.list {
		p.add(&r.roster.list[i])
	}
	p.names = slices.Sorted(maps.Keys(p.devices))
	return p, nil
}

// add finds the lane of a device.
func (p *division) add(d *spec.Device) {
	name := ""
	switch p.kind {
	case laneDevice:
		name = d.ID
	case laneEndpoint:
		name = d.Endpoint
	}
	p.known[name] = true
	if !served(d) {
		return
	}
	if _, ok := p.devices[name]; !ok && len(p.devices) >= maxLanes {
		p.over++
		return
	}
	p.devices[name] = append(p.devices[name], d)
	p.lane[d.ID] = name
}

// goal is what one lane should be.
func (p *division) goal(name string, c *spec.Connector, anew uint64) *goal {
	devices := p.devices[name]
	g := &goal{spec: c, reopen: p.reopen, anew: anew, own: p.own, devices: make([]abi.Device, len(devices))}
	for i, d := range devices {
		g.devices[i] = toldOf(d)
	}
	g.polls = pollsOf(c, devices, p.kind == laneDevice, p.perDev)
	return g
}

// round is a new revision's way through the lanes: the first lane that runs
// tries it, and the others follow when it could take over.
type round struct {
	base   *spec.Connector // what all lanes are to run
	canary string          // of the revision that comes
	trying uint64          // that revision; 0: none
}

// conduct sees to it that there are the lanes that there should be. It waits for
// none of them.
func (r *runner) conduct(ctx context.Context, c *spec.Connector) error {
	began := time.Now()
	p, err := r.divide(ctx, c)
	if err != nil {
		return err
	}
	read := time.Since(began)
	r.mu.Lock()
	divided := len(r.lanes) > 0 && r.layout.kind != p.kind
	first := len(r.lanes) == 0
	r.mu.Unlock()
	if divided {
		r.dismiss(ctx) // the old lanes hold what the new ones will open
		first = true
	}
	if first {
		if err := r.ready(ctx); err != nil {
			return err
		}
		r.rounds = round{base: c}
	}
	r.tidy(ctx, p)
	began = time.Now()
	r.direct(c, p)
	if p.kind != laneConnector {
		r.reconvert(ctx, r.rounds.base, p.own)
	}
	r.rested(read + time.Since(began))
	return nil
}

// direct gives the lanes their goals, and ends those that are too many.
func (r *runner) direct(c *spec.Connector, p *division) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.layout = p.layout
	for name, l := range r.lanes {
		if _, ok := p.devices[name]; !ok && l.want != nil {
			l.want = nil
			l.poke()
		}
	}
	r.follow(c, p)
	r.taken = r.anew
	for _, name := range p.names {
		of := r.rounds.base
		if name == r.rounds.canary && r.rounds.trying == c.Revision {
			of = c
		}
		r.aim(name, p.goal(name, of, r.anew))
	}
	if len(p.names) == 0 {
		r.handled = max(r.handled, c.Revision)
		r.rest(c.Revision, c.Module)
	}
}

// aim gives a lane its goal, and makes it if there is none. The lock is held.
func (r *runner) aim(name string, g *goal) {
	l, ok := r.lanes[name]
	if !ok {
		r.newLane(name, g)
		return
	}
	news := name == "" || !g.equal(l.want)
	if l.want = g; news {
		l.poke()
	}
}

// follow decides which revision the lanes are to run. The lock is held.
func (r *runner) follow(c *spec.Connector, p *division) {
	o := &r.rounds
	if p.kind == laneConnector || o.base.Revision == c.Revision || same(o.base, c) || takesAway(o.base.Grants, c.Grants) {
		o.base, o.trying = c, 0 // what was taken away is so for all lanes at once, whatever one makes of it
		return
	}
	if o.trying != c.Revision || r.lanes[o.canary] == nil {
		o.trying, o.canary = c.Revision, r.first(p)
	}
	l := r.lanes[o.canary]
	switch {
	case l == nil: // none runs, so that none can try it beside the old one
		o.base, o.trying = c, 0
	case l.handled < c.Revision:
	case l.spurned == c.Revision:
		r.handled = max(r.handled, c.Revision)
	case l.actor != nil && l.actor.Status().Revision >= c.Revision:
		o.base, o.trying = c, 0
	}
}

// first is the first lane that runs; "": none does. The lock is held.
func (r *runner) first(p *division) string {
	for _, name := range p.names {
		if l := r.lanes[name]; l != nil && l.want != nil && l.actor != nil && works(l.actor.Status().State) {
			return name
		}
	}
	return ""
}

func works(s lifecycle.State) bool {
	return s == lifecycle.Running || s == lifecycle.Degraded || s == lifecycle.Updating || s == lifecycle.Paused
}

// laneHandled notes how far the lanes are.
func (r *runner) laneHandled(l *lane) {
	r.mu.Lock()
	least := l.handled
	for _, other := range r.lanes {
		if other.want != nil {
			least = min(least, other.handled)
		}
	}
	r.handled = max(r.handled, least)
	tried := r.rounds.trying != 0 && l.name == r.rounds.canary
	r.mu.Unlock()
	if tried {
		r.poke()
	}
	r.wake()
}

// ready makes ready for the first lane: what a crash left unapplied is applied,
// and what is kept is counted.
func (r *runner) ready(ctx context.Context) error {
	if err := r.replay(ctx, r.id); err != nil {
		return err
	}
	if err := r.host.countKept(ctx); err != nil {
		return err
	}
	if r.common == nil {
		r.common = actor.NewCommon(r.super.cfg.Engine, r.name, r.account(r.id), r.host.Refused)
	}
	return nil
}

// dismiss ends all lanes and waits for them.
func (r *runner) dismiss(context.Context) {
	r.mu.Lock()
	for _, l := range r.lanes {
		l.want = nil
		l.poke()
	}
	r.mu.Unlock()
	r.awaitLanes()
	r.settle()
}

func (r *runner) awaitLanes() {
	r.mu.Lock()
	lanes := slices.Collect(maps.Values(r.lanes))
	r.mu.Unlock()
	for _, l := range lanes {
		<-l.gone
	}
}

// settle gives back what the lanes shared.
func (r *runner) settle() {
	if r.common != nil {
		r.common.Close()
		r.common = nil
	}
}

// tidy forgets the lanes of devices that are no more: their states, cursors and timers.
// Those of a device that is merely disconnected stay.
func (r *runner) tidy(ctx context.Context, p *division) {
	if p.kind == laneConnector {
		return
	}
	for name := range r.log.Lanes(r.id) {
		r.mu.Lock()
		live := r.lanes[name] != nil
		r.mu.Unlock()
		if name == "" || live || p.known[name] {
			continue
		}
		if err := r.forgetLane(ctx, name); err != nil {
			r.notes.Warn("what a removed device left is not purged", "connector", r.id, "lane", name, "error", err)
		}
	}
}

// laneFor is the lane that serves a device, or the connector's one lane for no
// device. fault.DeviceUnknown: none serves it. fault.WrongState: no lane runs.
func (r *runner) laneFor(device string) (*lane, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, ok := r.layout.lane[device]
	switch {
	case r.layout.kind == laneConnector || r.layout.kind == "":
		name = ""
	case device == "" && len(r.layout.names) == 1:
		name = r.layout.names[0]
	case device == "" && len(r.layout.names) == 0:
		return nil, fault.New(fault.DeviceUnknown, "the connector has no device yet, and works for its devices alone").
			WithHint("Add one with `snaprail devices add CONNECTOR DEVICE --type TYPE`, and name it in the message.")
	case device == "":
		return nil, fault.New(fault.DeviceUnknown, "the connector has %d lanes, and the message names no device", len(r.layout.names)).
			WithHint("name the device: each has a lane of its own")
	case !ok:
		return nil, fault.New(fault.DeviceUnknown, "the connector serves no device %q", device)
	}
	l := r.lanes[name]
	if l == nil {
		return nil, fault.New(fault.WrongState, "the connector does not run, so nobody can answer").
			WithHint("activate the connector, or read its status for why it does not run")
	}
	return l, nil
}

// some is the actor of the first lane that works, else of any; nil: there is
// none.
func (r *runner) some() *actor.Actor {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found *actor.Actor
	for _, name := range slices.Sorted(maps.Keys(r.lanes)) {
		a := r.lanes[name].actor
		if a == nil {
			continue
		}
		if works(a.Status().State) {
			return a
		}
		if found == nil {
			found = a
		}
	}
	return found
}
