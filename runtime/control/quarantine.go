package control

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/snaprail/snaprail/runtime/delivery"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Quarantined is an input or a record of a connector that could not be handled.
type Quarantined struct {
	Position                string // of it in the outbox, by which it is named
	Connector, Lane, Device string
	Of                      string // event, record, delivery, message
	Group                   string // of an event: whose session it came from
	Reason                  string
	Summary                 string // its content in words: a request's path and body, a record's key
	At                      time.Time
	Bytes                   int
	Retryable               bool

	// Not in lists:

	Input   []byte    // whole, as its group or the contract encodes it
	Content []Content // of an event: what its group brought; nil: Input is that
	Record  *Record   // of a delivery
	Source  string    // of a delivery: the name that the connector had which it came from
}

// maxSettled bounds the records that are noted one by one as done with, of one
// connector: of those before all others, one position is noted.
const maxSettled = 2048

// settledMarks is what of a connector's quarantine is done with. It outlives the
// records no longer than they are kept.
type settledMarks struct {
	Through delivery.Position   `json:"through,omitzero"` // all up to and with this position
	Each    []delivery.Position `json:"each,omitempty"`   // positions behind that
}

func (s *settledMarks) has(at delivery.Position) bool {
	return at.Compare(s.Through) <= 0 || slices.Contains(s.Each, at)
}

// add notes a position, once.
func (s *settledMarks) add(at delivery.Position) {
	if !s.has(at) {
		s.Each = append(s.Each, at)
	}
}

// Quarantine lists what of a connector could not be handled and is put aside,
// newest first. The page's After is a position: of what is older. more is how
// many older ones are kept and not listed.
func (t *Tenant) Quarantine(ctx context.Context, idOrName string, p Page) (list []Quarantined, next string, more uint64, err error) {
	if err := t.may(ctx, identity.Stream, identity.Read); err != nil {
		return nil, "", 0, err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", 0, err
	}
	var after delivery.Position
	if p.After != "" {
		if after, err = asidePosition(p.After); err != nil {
			return nil, "", 0, err
		}
	}
	c, err := t.read(ctx, idOrName)
	if err != nil {
		return nil, "", 0, err
	}
	all, more, err := t.quarantined(ctx, c.ID)
	if err != nil {
		return nil, "", 0, err
	}
	for i := range slices.Backward(all) {
		if p.After != "" && all[i].Compare(after) >= 0 {
			continue
		}
		if len(list) == limit {
			return list, list[limit-1].Position, more, nil
		}
		list = append(list, t.quarantinedForm(&all[i]))
	}
	return list, "", more, nil
}

// quarantined is what is put aside and not done with, oldest first.
func (t *Tenant) quarantined(ctx context.Context, id string) (left []delivery.Aside, more uint64, err error) {
	all, more, err := t.runtime.Aside(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	marks, err := t.marks(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	if len(all) > 0 && all[0].Compare(marks.Through) <= 0 {
		more = 0 // they are older than what is done with
	}
	return slices.DeleteFunc(all, func(a delivery.Aside) bool { return marks.has(a.Position) }), more, nil
}

func (t *Tenant) quarantinedForm(a *delivery.Aside) Quarantined {
	mask := t.runtime.Vault().Mask()
	return Quarantined{
		Position: a.String(), Connector: a.Connector, Lane: a.Lane, Device: a.Device, Of: a.Of.String(), Group: a.Group,
		Reason: mask.Text(a.Reason), Summary: mask.Text(a.Summary), At: a.At, Bytes: a.Bytes, Retryable: a.Of == outbox.RejectDelivery,
	}
}

func (t *Tenant) marks(ctx context.Context, id string) (m settledMarks, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		m, err = marksIn(r, id)
		return err
	})
	return m, err
}

func marksIn(r store.Reader, id string) (m settledMarks, err error) {
	e, err := r.Get(store.Quarantine, id)
	if fault.Is(err, fault.NotFound) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(e.Value, &m)
	}
	return m, err
}

// seenTo takes out of a status what was refused last, if it is not in quarantine any
// more.
func (t *Tenant) seenTo(s *lifecycle.Status, marks *settledMarks) {
	var at delivery.Position
	if s.LastRefused != nil && at.UnmarshalText([]byte(s.LastRefused.Position)) == nil &&
		(at.Block < t.runtime.Outbox().First() || marks.has(at)) {
		s.LastRefused = nil
	}
}

// mark notes what is done with, and drops the notes of what the log does not hold
// any more.
func (t *Tenant) mark(w store.Writer, id string, change func(*settledMarks)) error {
	m, err := marksIn(w, id)
	if err != nil {
		return err
	}
	change(&m)
	first := t.runtime.Outbox().First()
	m.Each = slices.DeleteFunc(m.Each, func(p delivery.Position) bool { return p.Block < first || p.Compare(m.Through) <= 0 })
	if len(m.Each) > maxSettled {
		return fault.New(fault.Exhausted, "%d records of the quarantine are noted as done with one by one, which is the most", maxSettled).
			WithHint("Drop all up to one of them: `snaprail quarantine drop CONNECTOR --through POSITION`.")
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "quarantine of %s", id)
	}
	_, err = w.Put(store.Quarantine, id, raw)
	return err
}

// QuarantinedRecord is one of them, whole.
func (t *Tenant) QuarantinedRecord(ctx context.Context, idOrName, at string) (Quarantined, error) {
	if err := t.may(ctx, identity.Stream, identity.Read); err != nil {
		return Quarantined{}, err
	}
	c, err := t.read(ctx, idOrName)
	if err != nil {
		return Quarantined{}, err
	}
	a, err := t.aside(ctx, &c, at)
	if err != nil {
		return Quarantined{}, err
	}
	b, r := a.block, a.Reject
	mask := t.runtime.Vault().Mask()
	q := t.quarantinedForm(&delivery.Aside{
		Position: a.at, Connector: b.Connector, Lane: b.Lane, Device: r.Device, Of: r.Of, Group: r.Group, Reason: r.Reason,
		Summary: r.Summary(len(r.Input)), At: time.Unix(0, b.Received).UTC(), Bytes: len(r.Input),
	})
	q.Input = mask.Bytes(r.Input)
	if r.Of == outbox.RejectEvent {
		q.Content = contentOf(r.Group, r.Input)
		for i := range q.Content {
			q.Content[i].hide(mask)
		}
	}
	q.Record, q.Source = t.delivered(ctx, r, mask)
	return q, nil
}

// putAside is something that was put aside, with its block.
type putAside struct {
	*outbox.Reject

	at    delivery.Position
	block *outbox.Block
}

// asidePosition is the position of something that was put aside. Invalid: the text is
// none.
func asidePosition(text string) (at delivery.Position, err error) {
	if at.UnmarshalText([]byte(text)) != nil {
		return at, fault.New(fault.Invalid, "%.100q is no position: that is two numbers with a dot between them, as in 184.0", text).
			WithHint("`snaprail quarantine list CONNECTOR` shows the positions of what there is.")
	}
	return at, nil
}

// aside is what was put aside of a connector at a position and is not done with.
func (t *Tenant) aside(ctx context.Context, c *spec.Connector, position string) (k putAside, err error) {
	missing := func() error {
		return fault.New(fault.NotFound, "nothing is in quarantine at %.100q of %s", position, c.Name).
			WithHint("`snaprail quarantine list %s` shows what there is; what was dropped, settled or is beyond retention is not.", c.Name)
	}
	if k.at, err = asidePosition(position); err != nil {
		return k, err
	}
	k.block, k.Reject, err = delivery.Read(t.runtime.Outbox(), k.at)
	if fault.Is(err, fault.NotFound) || err == nil && k.block.Connector != c.ID {
		return k, missing()
	}
	if err != nil {
		return k, err
	}
	marks, err := t.marks(ctx, c.ID)
	if err == nil && marks.has(k.at) {
		err = missing()
	}
	return k, err
}

// DropQuarantined says that one of them is done with.
func (t *Tenant) DropQuarantined(ctx context.Context, idOrName, at string) error {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return err
	}
	c, err := t.read(ctx, idOrName)
	if err != nil {
		return err
	}
	k, err := t.aside(ctx, &c, at)
	if err != nil {
		return err
	}
	return t.drop(ctx, &c, at, func(m *settledMarks) { m.add(k.at) })
}

// DropQuarantine says that all up to and with a position are done with; how many
// of the listed ones that is, is answered.
func (t *Tenant) DropQuarantine(ctx context.Context, idOrName, through string) (dropped int, err error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return 0, err
	}
	c, err := t.read(ctx, idOrName)
	if err != nil {
		return 0, err
	}
	last, err := asidePosition(through)
	if err != nil {
		return 0, err
	}
	if head := t.runtime.Outbox().Head(); last.Block > head {
		return 0, fault.New(fault.Invalid, "through: position %s is behind the end of the outbox, which is at block %d", through, head)
	}
	left, _, err := t.quarantined(ctx, c.ID)
	if err != nil {
		return 0, err
	}
	for i := range left {
		if left[i].Compare(last) <= 0 {
			dropped++
		}
	}
	return dropped, t.drop(ctx, &c, "through "+through, func(m *settledMarks) {
		if last.Compare(m.Through) > 0 {
			m.Through = last
		}
	})
}

func (t *Tenant) drop(ctx context.Context, c *spec.Connector, on string, change func(*settledMarks)) error {
	return t.space.Update(ctx, func(w store.Writer) error {
		if _, err := find(w, c.ID); err != nil {
			return err
		}
		e := t.event(identity.QuarantineDrop, c)
		e.On = on
		if err := identity.Append(w, e); err != nil {
			return err
		}
		return t.mark(w, c.ID, change)
	})
}

// settled notes records that were handed in again as done with. When the store
// does not take it they stay in the list, and are delivered again if somebody asks
// for that.
func (t *Tenant) settled(ctx context.Context, id string, at []delivery.Position) {
	err := t.space.Update(ctx, func(w store.Writer) error {
		if _, err := find(w, id); err != nil { // it is gone meanwhile, and its marks
			return err
		}
		return t.mark(w, id, func(m *settledMarks) {
			for _, p := range at {
				m.add(p)
			}
		})
	})
	if err != nil && t.cfg.Log != nil {
		t.cfg.Log.WarnContext(ctx, "records that were handed in again stay in quarantine", "connector", id, "from", at[0], "records", len(at), "error", err)
	}
}
