package supervisor

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/device/twin"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/interlock"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// readings are the twins as the interlocks ask them.
type readings struct{ *twin.Twins }

// Latest implements interlock.Readings.
func (r readings) Latest(connector, device, tag string) (interlock.Reading, bool) {
	is, ok := r.Twins.Latest(connector, device, tag)
	if !ok {
		return interlock.Reading{}, false
	}
	n, numeric := is.Number()
	return interlock.Reading{Number: n, Numeric: numeric, Text: is.Text(), Good: is.Good(), Time: is.At()}, true
}

// locks remember which grants of a connector have an interlock, until its spec
// may be another.
type locks struct {
	mu      sync.RWMutex
	by      map[string]*spec.Connector // with its id, its name and these grants alone
	changes uint64                     // of any spec
}

// known is what is remembered of a connector, and as of which change.
func (l *locks) known(id string) (c *spec.Connector, asOf uint64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.by[id], l.changes
}

// learn remembers what was read behind that change, unless another one came
// meanwhile.
func (l *locks) learn(c *spec.Connector, asOf uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changes != asOf {
		return
	}
	if l.by == nil {
		l.by = map[string]*spec.Connector{}
	}
	l.by[c.ID] = c
}

// locked is the connector with the grants alone that have an interlock; nobody
// may change it. Every write of every guest asks for it, so that it is read once
// for each spec.
func (t *Tenant) locked(ctx context.Context, id string) (*spec.Connector, error) {
	c, asOf := t.locks.known(id)
	if c != nil {
		return c, nil
	}
	c, err := t.readLocked(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return &spec.Connector{}, nil
	case err != nil:
		return nil, err
	}
	t.locks.learn(c, asOf)
	return c, nil
}

func (t *Tenant) readLocked(ctx context.Context, id string) (*spec.Connector, error) {
	var full spec.Connector
	err := t.space.View(ctx, func(r store.Reader) error {
		e, err := r.Get(store.Connectors, id)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(e.Value, &full); err != nil {
			return fault.Wrap(fault.Integrity, err, "connector %s", id)
		}
		return nil
	})
	return &spec.Connector{ID: id, Name: full.Name, Grants: interlock.Locked(full.Grants)}, err
}

// Respecified says that a connector's spec may be another now. Whoever writes
// one calls it behind the commit and before it answers, so that a changed
// interlock counts from then on for the guest that runs; Reconcile does so too.
func (t *Tenant) Respecified(id string) {
	t.locks.mu.Lock()
	defer t.locks.mu.Unlock()
	t.locks.changes++
	delete(t.locks.by, id)
}

// locksOf is locked, as the connector's actors ask for it.
func (t *Tenant) locksOf(id string) actor.Locks {
	return func(ctx context.Context) ([]spec.Grant, error) {
		c, err := t.locked(ctx, id)
		if err != nil {
			return nil, err
		}
		return c.Grants, nil
	}
}

// Word is what is said for a message beside the message itself.
type Word struct {
	// By is who asks, for the trail; the zero value: the sender of the message.
	By identity.Who
	// Person is who asks where a second person is wanted.
	Person interlock.Person
	// For are those for whom it asks, where it asks for others: a connector does
	// for whoever asked it. None of them is a second person.
	For []interlock.Person
	// Approver is who approved the write; the zero value: nobody.
	Approver interlock.Person
	// DryRun asks what would be written, and writes nothing.
	DryRun bool
}

// askers are all who asked, whatever is between them and the message.
func (w *Word) askers() []interlock.Person {
	if len(w.For) > 0 {
		return w.For
	}
	return []interlock.Person{w.Person}
}

// SendWith is Send with a word for the interlocks.
func (t *Tenant) SendWith(ctx context.Context, id string, m abi.Message, w Word) (*exchange.Question, error) {
	c, err := t.locked(ctx, id)
	if err != nil {
		return nil, err
	}
	if !interlock.Needed(c, m.Type) {
		if w.DryRun {
			return t.sendRehearsal(ctx, id, &m, &interlock.Permit{DryRun: true}, w)
		}
		return t.send(ctx, id, &m, nil, w)
	}
	if w.By == (identity.Who{}) {
		w.By = whoSent(m.Sender)
	}
	m.Deadline = deadlineOf(&m, time.Now()).UnixNano()
	judged, unregistered, err := t.meant(ctx, c.ID, &m)
	if err != nil {
		return nil, err
	}
	permit, writes, err := t.interlocks.Judge(ctx, interlock.Ask{
		Connector: c, Message: judged, Unregistered: unregistered, Approved: w.Approver != interlock.Person{}, DryRun: w.DryRun, Now: time.Now(),
	})
	switch {
	case fault.Is(err, fault.ApprovalRequired):
		return nil, t.hold(ctx, c, &m, writes, w)
	case err != nil:
		t.noteWrites(t.writeEvents(c, &m, writes, w, permit, err))
		return nil, whereItStands(c, err)
	case permit.DryRun:
		t.noteWrites(t.writeEvents(c, &m, writes, w, permit, nil))
		return t.sendRehearsal(ctx, id, &m, &permit, w)
	}
	// The trail has it before it is done, so that nothing is done in silence.
	err = t.space.Update(ctx, func(wr store.Writer) error {
		return identity.Append(wr, t.writeEvents(c, &m, writes, w, permit, nil)...)
	})
	if err != nil {
		return nil, err
	}
	q, err := t.send(ctx, id, &m, &permit, w)
	if err != nil { // it was let through, and nobody took it
		t.noteWrites(t.writeEvents(c, &m, writes, w, permit, err))
	}
	return q, err
}

// whereItStands adds to a refusal where its rules can be read, and what gets past
// them.
func whereItStands(c *spec.Connector, err error) error {
	if f := fault.Of(err); f.Kind == fault.Interlocked && f.Hint == "" && len(c.Grants) > 0 {
		return f.WithHint("`snaprail grants interlock %s %s` shows what may be written; an administrator lets more through for a while with `snaprail writes override %s --reason ...`.",
			c.Name, c.Grants[0].Group, c.Name)
	}
	return err
}

// sendRehearsal sends a message that nothing is to be written for. One that has
// no guest here cannot be rehearsed.
func (t *Tenant) sendRehearsal(ctx context.Context, id string, m *abi.Message, permit *interlock.Permit, w Word) (*exchange.Question, error) {
	to, err := t.handlerOf(ctx, id, m.Device)
	if err != nil {
		return nil, err
	}
	if _, ok := to.(*actor.Actor); !ok {
		return nil, fault.New(fault.Interlocked, "a dry run is for connectors with a module here, and this one is attached from elsewhere: nothing was sent")
	}
	return t.send(ctx, id, m, permit, w)
}

// hold keeps a write until somebody else approves it, and says how.
func (t *Tenant) hold(ctx context.Context, c *spec.Connector, m *abi.Message, writes []interlock.Write, w Word) error {
	var held interlock.Pended
	err := t.space.Update(ctx, func(wr store.Writer) (err error) {
		if held, err = interlock.Hold(wr, c.ID, m, writes, interlock.Asked{By: w.Person, For: w.For}, time.Now()); err != nil {
			return err
		}
		e := t.writeEvents(c, m, writes, w, interlock.Permit{}, fault.New(fault.ApprovalRequired, "it waits as %s", held.ID))
		return identity.Append(wr, e...)
	})
	if err != nil {
		return err
	}
	return fault.New(fault.ApprovalRequired, "somebody else has to approve this write: it waits as %s until %s", held.ID, held.Expires.Format(time.RFC3339)).
		WithHint("Another user approves it within %s: `snaprail writes approve %s`.", interlock.ApprovalTime, held.ID)
}

// whoSent is the sender of a message, for the trail.
func whoSent(sender string) identity.Who {
	kind, id, _ := strings.Cut(sender, ":")
	if identity.WhoKind(kind) == identity.ByUser {
		return identity.Who{Kind: identity.ByUser, Name: id}
	}
	return identity.Who{Kind: identity.WhoKind(kind), ID: id}
}
