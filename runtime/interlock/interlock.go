// Package interlock judges what is to be written to devices before any guest
// hears of it: which tags, between which bounds, by how much, how often, when,
// and only while certain readings hold. A tenant has one Interlocks; the rules
// are on the grants of a connector.
//
// The supervisor asks it for each message and gives what it says to the lane
// with the message; without such a Permit a guest writes nothing through a
// grant that has an interlock. What is not plainly allowed is refused: a message
// whose content is not understood, a tag that no rule names, a reading that is
// missing, old or bad, a step from a value that nobody knows.
package interlock

import (
	"context"
	"encoding/json"
	"path"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Reading is what was last read of a tag.
type Reading struct {
	Number  float64
	Numeric bool
	Text    string
	Good    bool // the quality
	Time    time.Time
}

// Readings knows what was last read: the twins.
type Readings interface {
	Latest(connector, device, tag string) (Reading, bool)
}

// Config is what the interlocks of a tenant are made of.
type Config struct {
	Space    store.Space // holds approvals and overrides
	Readings Readings
}

// Interlocks judge the writes of one tenant. They are safe for use by several
// goroutines.
type Interlocks struct {
	cfg Config

	mu      sync.Mutex
	history map[string]map[place]*written // by connector
}

// New makes the interlocks of a tenant.
func New(cfg Config) *Interlocks {
	return &Interlocks{cfg: cfg, history: map[string]map[place]*written{}}
}

// Write is one value that a message writes to one tag.
type Write struct {
	Device  string
	Tag     string
	Value   string // in JSON; "": the message has none
	number  float64
	numeric bool
}

// Permit is the word that a message may write. The zero Permit permits nothing,
// which is right where no grant has an interlock.
type Permit struct {
	// Grants are the groups and patterns of the grants whose interlocks let the
	// message through.
	Grants []spec.Grant
	Writes []Write
	// DryRun says that nothing may leave: what would be written is the answer.
	DryRun bool
	// Override is the id of the override that it was let through by; "": none.
	Override string
	// Until is when it ends: the deadline of its message.
	Until time.Time
}

// Needed reports whether messages of a type to the connector are judged: some
// grant that lets it write has an interlock, and they are not mere questions.
func Needed(c *spec.Connector, t abi.MessageType) bool {
	return t != abi.MessageQuery && len(Locked(c.Grants)) > 0
}

// Locked are the grants to write that have an interlock.
func Locked(grants []spec.Grant) []spec.Grant {
	var locked []spec.Grant
	for _, g := range grants {
		if g.Interlock != nil && slices.Contains(g.Rights, spec.Write) {
			locked = append(locked, g)
		}
	}
	return locked
}

// Ask is one message to be judged.
type Ask struct {
	Connector *spec.Connector
	Message   *abi.Message
	// Approved says that a second person has approved it.
	Approved bool
	// DryRun asks what would be written, whatever the grants say.
	DryRun bool
	// Unregistered says that the connector has no such device, and serves the
	// message all the same. A message to a connector with one device is judged as
	// one to that.
	Unregistered bool
	Now          time.Time
}

// Judge says whether a message may write, and notes that it has if so: what it
// permits counts as written. The writes are known even where it refuses, as far
// as they are understood.
//
// fault.Interlocked: a rule refuses, and the text says which one.
// fault.ApprovalRequired: somebody else has to approve it first; what was asked
// for has not been noted.
func (i *Interlocks) Judge(ctx context.Context, a Ask) (p Permit, writes []Write, err error) {
	overrides, err := i.overrides(ctx, a.Connector.ID, a.Now)
	if err != nil {
		return p, nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	var refusal *refused
	var through []target
	approve := false
	for _, g := range Locked(a.Connector.Grants) {
		found, no := i.judge(a, g.Interlock, overrides)
		switch {
		case no != nil:
			refusal = worse(refusal, no)
			if writes == nil {
				writes = no.writes
			}
			continue
		case found.approve:
			approve, writes = true, found.writes
			continue
		}
		p.Grants, p.Writes = append(p.Grants, g), found.writes
		through = append(through, found.targets...)
		p.DryRun = p.DryRun || found.dry
		p.Override = found.override
	}
	p.DryRun = p.DryRun || a.DryRun
	switch {
	case len(p.Grants) > 0:
		if !p.DryRun {
			i.note(a, through)
		}
		p.Until = a.deadline()
		return p, p.Writes, nil
	case approve:
		return Permit{}, writes, fault.New(fault.ApprovalRequired, "somebody else has to approve this write")
	}
	return Permit{}, writes, refusal.fault()
}

func (a *Ask) deadline() time.Time {
	if a.Message.Deadline > 0 {
		return time.Unix(0, a.Message.Deadline)
	}
	return a.Now.Add(10 * time.Second)
}

// verdict is what one interlock says of a message that it lets through.
type verdict struct {
	targets  []target
	writes   []Write
	dry      bool
	approve  bool // somebody else has to say yes first
	override string
}

// refused is why an interlock does not let a message through.
type refused struct {
	text   string
	near   int // how far the message got: the nearest refusal is told
	after  time.Duration
	writes []Write
}

func (r *refused) fault() error {
	f := fault.New(fault.Interlocked, "%s", r.text)
	f.RetryAfter = r.after
	return f
}

func worse(a, b *refused) *refused {
	if a == nil || b.near > a.near {
		return b
	}
	return a
}

// How far a message got.
const (
	nearForm = iota
	nearTag
	nearBounds
	nearRest
)

// judge asks one interlock. The lock is held.
func (i *Interlocks) judge(a Ask, lock *spec.Interlock, overrides []Override) (verdict, *refused) {
	targets, no := targetsOf(lock, a.Message)
	if no != nil {
		return verdict{}, no
	}
	v := verdict{targets: targets, dry: lock.DryRun}
	for _, t := range targets {
		v.writes = append(v.writes, t.Write)
	}
	v.override = overriddenBy(overrides, v.writes)
	if v.override != "" {
		return v, nil
	}
	for _, t := range targets {
		if no := i.bounds(a, t); no != nil {
			no.writes = v.writes
			return v, no
		}
	}
	no = i.conditions(a, lock)
	if no == nil {
		no = i.room(a, targets)
	}
	if no != nil {
		no.writes = v.writes
		return v, no
	}
	v.approve = lock.SecondPerson && !a.Approved && !lock.DryRun && !a.DryRun
	return v, nil
}

// overriddenBy is the override that covers all of the writes; "": none.
func overriddenBy(overrides []Override, writes []Write) string {
	for _, o := range overrides {
		if !slices.ContainsFunc(writes, func(w Write) bool { return !o.covers(w) }) {
			return o.ID
		}
	}
	return ""
}

func matches(pattern, tag string) bool {
	ok, err := path.Match(pattern, tag)
	return ok && err == nil
}

// Lets reports whether the message may write now through a grant, as the grant
// is now: one whose interlock has changed since has not let it through.
func (p *Permit) Lets(g spec.Grant, now time.Time) bool {
	return !p.DryRun && !now.After(p.Until) && slices.ContainsFunc(p.Grants, func(h spec.Grant) bool {
		return h.Group == g.Group && slices.Equal(h.Resources, g.Resources) && reflect.DeepEqual(h.Interlock, g.Interlock)
	})
}

// Rehearsal is what the message would write, in JSON, when nothing is to be
// written; nil: it is to be.
func (p *Permit) Rehearsal() json.RawMessage {
	if !p.DryRun {
		return nil
	}
	return ValuesOf(p.Writes)
}

// ValuesOf are writes as people see them, in JSON.
func ValuesOf(writes []Write) json.RawMessage {
	raw, err := json.Marshal(values(writes))
	if err != nil { // the values were JSON when they came
		return json.RawMessage("[]")
	}
	return raw
}

func values(writes []Write) []Value {
	all := make([]Value, 0, len(writes))
	for _, w := range writes {
		all = append(all, Value{w.Tag, json.RawMessage(w.Value)})
	}
	return all
}
