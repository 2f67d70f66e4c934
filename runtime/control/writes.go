package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/interlock"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// The words of interlocks that callers need.
type (
	// Pended is a write that waits, or waited, for a second person.
	Pended = interlock.Pended
	// Override lets writes through for a while that the rules would refuse.
	Override = interlock.Override
)

// Writes are the writes that wait or waited for a second person, and the
// overrides of interlocks that count now, the newest first.
type Writes struct {
	Waiting   []Pended
	Overrides []Override
}

// Writes lists what the interlocks keep.
func (t *Tenant) Writes(ctx context.Context) (list Writes, err error) {
	if err := t.may(ctx, identity.Writes, identity.Read); err != nil {
		return list, err
	}
	err = t.space.View(ctx, func(r store.Reader) (err error) {
		list.Waiting, list.Overrides, err = interlock.List(r, time.Now())
		return err
	})
	for i := range list.Waiting {
		p := &list.Waiting[i]
		p.Message = nil
		for n := range p.Writes {
			p.Writes[n].Value = t.shown(p.Writes[n].Value)
		}
	}
	return list, err
}

// shown is a value without the tenant's secrets.
func (t *Tenant) shown(raw json.RawMessage) json.RawMessage {
	masked := t.runtime.Vault().Mask().Text(string(raw))
	if masked == string(raw) {
		return raw
	}
	text, _ := json.Marshal(strings.Trim(masked, `"`)) // a text cannot fail
	return text
}

// ApproveWrite lets a write through that waits for a second person, and sends it
// now: the bounds are those of this moment. The answer is as Send's. One that
// could not be sent waits again, for what is left of its time. Who asked
// for the write cannot approve it, and neither can a token that is nobody's own.
func (t *Tenant) ApproveWrite(ctx context.Context, id string, wait time.Duration) (*Exchange, error) {
	if err := t.may(ctx, identity.Writes, identity.Use); err != nil {
		return nil, err
	}
	if wait < 0 || wait > supervisor.LongestWait {
		return nil, fault.New(fault.Invalid, "a caller waits 1ms to %s", supervisor.LongestWait)
	}
	if wait == 0 {
		wait = supervisor.UsualWait
	}
	p, c, err := t.approve(ctx, id)
	if err != nil {
		return nil, err
	}
	var m abi.Message
	if err := m.Decode(p.Message); err != nil {
		return nil, fault.Wrap(fault.Integrity, err, "the write %s", id)
	}
	deadline := time.Now().Add(wait)
	m.Deadline = deadline.UnixNano()
	if m.Correlation != exchange.NoReply {
		m.Correlation = ""
	}
	within, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	q, err := t.runtime.SendWith(within, c.ID, m, supervisor.Word{By: t.who, Person: p.By, For: p.For, Approver: p.Approver})
	if err != nil {
		return nil, t.putBack(ctx, p, &c, err)
	}
	return &Exchange{Connector: c.ID, Deadline: q.Deadline(), Replies: q.Replies(), question: q}, nil
}

// approve takes a write that waits, in one transaction with the trail.
func (t *Tenant) approve(ctx context.Context, id string) (p interlock.Pended, c spec.Connector, err error) {
	err = t.space.Update(ctx, func(w store.Writer) error {
		if p, err = interlock.Approve(w, id, t.person(), time.Now()); err != nil {
			return err
		}
		if c, err = find(w, p.Connector); err != nil {
			return err
		}
		if len(interlock.Locked(c.Grants)) == 0 {
			return fault.New(fault.WrongState, "the interlock is gone that wanted a second person for the write %s, so nothing would judge it now", p.ID).
				WithHint("Ask for it again, if it is still wanted.")
		}
		e := t.event(identity.WriteApprove, &c)
		e.On, e.Detail = p.ID, "asked for by "+p.String()
		return identity.Append(w, e)
	})
	if fault.Is(err, fault.ApprovalRequired) {
		t.cfg.Audit.Note(t.id, identity.Event{
			Who: t.who, Action: identity.WriteApprove, Connector: p.Connector, On: p.ID,
			Outcome: identity.Refused, Code: fault.Of(err).Kind.String(), Detail: err.Error(),
		})
	}
	return p, c, err
}

// putBack lets a write wait again that was approved and that surely nobody took:
// the connector was about to restart, too much waited for it, or the rules
// refuse it at this moment. Who asked for it need not ask again. It answers the
// cause.
func (t *Tenant) putBack(ctx context.Context, p interlock.Pended, c *spec.Connector, cause error) error {
	f := fault.Of(cause)
	switch f.Kind {
	case fault.WrongState, fault.Exhausted, fault.Interlocked:
	default:
		return cause
	}
	var waits bool
	err := t.space.Update(context.WithoutCancel(ctx), func(w store.Writer) (err error) {
		if waits, err = interlock.PutBack(w, p); err != nil || !waits {
			return err
		}
		e := t.event(identity.WriteApprove, c)
		e.On, e.Outcome, e.Code, e.Detail = p.ID, identity.Refused, f.Kind.String(), "it waits again, because nobody took it"
		return identity.Append(w, e)
	})
	if err != nil || !waits {
		return cause
	}
	return f.WithHint("%s", strings.TrimSpace(f.Advice()+" The write waits again until "+p.Expires.Format(time.RFC3339)+": approve it once more."))
}

// person is who calls, as a second person is told from the first: by the user,
// whether it is a session or a token of the user's own.
func (t *Tenant) person() interlock.Person {
	user := t.as.User
	if t.as.Kind == identity.KindUser && user == "" {
		user = t.as.ID
	}
	return interlock.Person{Name: t.by(), User: user, Admin: t.as.Role.Includes(identity.Admin)}
}

// OverrideInput is an override as a caller asks for it.
type OverrideInput struct {
	Connector string
	Device    string   // "": any
	Tags      []string // patterns; none: all
	Reason    string
	Expires   time.Time // within a day
}

// Override lets writes to a connector through that its interlocks would refuse,
// for a while and with a reason.
func (t *Tenant) Override(ctx context.Context, in OverrideInput) (o interlock.Override, err error) {
	if err := t.may(ctx, identity.Writes, identity.Write); err != nil {
		return o, err
	}
	err = t.space.Update(ctx, func(w store.Writer) error {
		c, err := find(w, in.Connector)
		if err != nil {
			return err
		}
		o, err = interlock.PutOverride(w, interlock.Override{
			Connector: c.ID, Device: in.Device, Tags: in.Tags, Reason: in.Reason, By: t.by(), Expires: in.Expires.UTC(),
		}, time.Now())
		if err != nil {
			return err
		}
		e := t.event(identity.WriteOverride, &c)
		e.On, e.Detail = o.ID, "until "+o.Expires.Format(time.RFC3339)+": "+o.Reason
		return identity.Append(w, e)
	})
	return o, err
}

// EndOverride ends an override before its time.
func (t *Tenant) EndOverride(ctx context.Context, id string) error {
	if err := t.may(ctx, identity.Writes, identity.Write); err != nil {
		return err
	}
	return t.space.Update(ctx, func(w store.Writer) error {
		o, err := interlock.EndOverride(w, id, time.Now())
		if err != nil {
			return err
		}
		return identity.Append(w, identity.Event{
			Who: t.who, Action: identity.WriteOverride, Connector: o.Connector, On: o.ID, Outcome: identity.Done, Detail: "ended",
		})
	})
}

// isEnd reports whether an error is the end of replies.
func isEnd(err error) bool { return errors.Is(err, io.EOF) }
