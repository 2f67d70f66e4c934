package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxTicketContext bounds what a caller gives a ticket to carry.
const maxTicketContext = 4 << 10

// TicketState is how far a ticket is.
type TicketState string

// The states of a ticket.
const (
	TicketPending  TicketState = "pending"  // replies may still come
	TicketDone     TicketState = "done"     // the last one came, and was no error
	TicketFailed   TicketState = "failed"   // the last one was an error
	TicketCanceled TicketState = "canceled" // nobody waits any more
)

// TicketInput is a message whose replies are looked for later.
type TicketInput struct {
	MessageInput
	// Callback is a URL that the ticket is posted to when it has ended; "": none.
	Callback string
	// Context is any JSON of the caller's own, which the ticket carries, and Shape
	// the form that its replies are to have.
	Context json.RawMessage
	Shape   Shape
	// Form is the ticket as the callback's body shows it.
	Form func(Ticket) (json.RawMessage, error)
}

// Ticket stands for a message whose caller did not wait.
type Ticket struct {
	ID        string
	Connector string // id
	Name      string // of the connector, then
	Type      abi.MessageType
	Device    string
	Method    string
	State     TicketState
	Created   time.Time
	Deadline  time.Time
	Ended     time.Time // zero: it has not
	Expires   time.Time // it is forgotten; zero: it has not ended
	Replies   []Reply
	Context   json.RawMessage
	Shape     Shape
	Callback  Callback
	Revision  uint64 // counts what changes of it, from 1
}

// Callback is what became of a ticket's callback.
type Callback struct {
	URL   string // "": there is none
	State CallbackState
	Tries int
	Error string // of the last try that failed
}

// CallbackState is how far a callback is.
type CallbackState string

// The states of a callback.
const (
	CallbackWaiting   CallbackState = "waiting"
	CallbackDelivered CallbackState = "delivered"
	CallbackFailed    CallbackState = "failed"
)

// Post is Send for a caller that does not wait: the replies are kept with the
// ticket, for ten minutes behind the last one, and the callback is told. Tickets
// are kept in memory: they do not survive the server.
//
// fault.NotGrantable: the tenant may not reach the callback. fault.Exhausted: it
// has too many tickets that are pending.
func (t *Tenant) Post(ctx context.Context, connector string, in TicketInput) (Ticket, error) {
	if err := t.may(ctx, identity.Devices, identity.Use); err != nil {
		return Ticket{}, err
	}
	if len(in.Context) > maxTicketContext {
		return Ticket{}, fault.New(fault.Invalid, "the context has at most %d bytes", maxTicketContext)
	}
	caller, err := t.callback(in.Callback)
	if err != nil {
		return Ticket{}, err
	}
	var c spec.Connector
	err = t.space.View(ctx, func(r store.Reader) (err error) {
		c, err = find(r, connector)
		return err
	})
	if err != nil {
		return Ticket{}, err
	}
	id, err := newID("tkt")
	if err != nil {
		return Ticket{}, err
	}
	held, err := t.tickets.reserve(t.runtime, id)
	if err != nil {
		return Ticket{}, err
	}
	e, err := t.send(ctx, &c, in.MessageInput)
	t.noteMessage(&c, &in.MessageInput, err)
	if err != nil {
		t.tickets.release(held)
		return Ticket{}, err
	}
	first := Ticket{
		ID: id, Connector: c.ID, Name: c.Name, Type: in.Type, Device: in.Device, Method: in.Method, State: TicketPending,
		Created: time.Now().UTC(), Deadline: e.Deadline.UTC(), Context: in.Context, Shape: in.Shape, Revision: 1,
	}
	if caller != nil {
		first.Callback = Callback{URL: caller.url, State: CallbackWaiting}
		caller.tenant, caller.form = t.id, in.Form
	}
	return t.tickets.start(ctx, held, first, e, caller), nil
}

// Ticket is a ticket as it is now. fault.NotFound: there is none, or it has
// been forgotten.
func (t *Tenant) Ticket(ctx context.Context, id string) (Ticket, error) {
	if err := t.may(ctx, identity.Devices, identity.Use); err != nil {
		return Ticket{}, err
	}
	held, err := t.tickets.find(t.runtime, id)
	if err != nil {
		return Ticket{}, err
	}
	return held.now(), nil
}

// Tickets is a page of the tenant's tickets, the oldest first. They come without
// their replies.
func (t *Tenant) Tickets(ctx context.Context, p Page) (list []Ticket, next string, err error) {
	if err := t.may(ctx, identity.Devices, identity.Use); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	for _, held := range t.tickets.all(t.runtime) {
		if held.id <= p.After {
			continue
		}
		if len(list) == limit {
			return list, list[limit-1].ID, nil
		}
		shown := held.now()
		shown.Replies = nil
		list = append(list, shown)
	}
	return list, "", nil
}

// CancelTicket gives up a message that is pending, and forgets the ticket. A
// module that is working on the message goes on; its reply is late. revision is
// the one that the caller read; 0: whichever there is.
func (t *Tenant) CancelTicket(ctx context.Context, id string, revision uint64) error {
	if err := t.may(ctx, identity.Devices, identity.Use); err != nil {
		return err
	}
	held, err := t.tickets.find(t.runtime, id)
	if err != nil {
		return err
	}
	if now := held.now(); revision != 0 && revision != now.Revision {
		return fault.New(fault.StaleRevision, "ticket %s is at revision %d, not %d", id, now.Revision, revision)
	}
	held.cancel()
	t.tickets.release(held)
	return nil
}

// follow reads the replies of a ticket to their end.
func (h *heldTicket) follow(ctx context.Context, e *Exchange) {
	defer e.Close()
	for {
		r, err := e.Next(ctx)
		switch {
		case errors.Is(err, io.EOF): // behind the last one, which ended it
			h.end(TicketDone)
			return
		case err != nil: // it was canceled, or the server stops
			h.end(TicketCanceled)
			return
		}
		if !h.add(r) {
			return
		}
	}
}

// add keeps a reply, and reports whether more may come.
func (h *heldTicket) add(r Reply) (more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone {
		return false
	}
	size := replyBytes(&r)
	if h.bytes+size > maxTicketBytes || !h.set.room(size) {
		const most = maxTicketBytes
		f := fault.New(fault.TooLarge, "the replies are more than the %d bytes that a ticket holds, or all tickets hold too much", most).
			WithHint("Wait for the replies, as a stream.")
		info := f.Kind.Info()
		r = Reply{Status: abi.ReplyError, Code: uint32(info.Status), Err: fault.ToABI(f), Fault: f}
		size = replyBytes(&r)
	}
	h.bytes += size
	h.ticket.Replies = append(h.ticket.Replies, r)
	h.ticket.Revision++
	if !r.Final() {
		return true
	}
	state := TicketDone
	if r.Status == abi.ReplyError {
		state = TicketFailed
	}
	h.ended(state)
	return false
}

// end ends a ticket that has not ended.
func (h *heldTicket) end(state TicketState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended(state)
}

// ended is end with the lock held.
func (h *heldTicket) ended(state TicketState) {
	if h.ticket.State != TicketPending {
		return
	}
	h.ticket.State, h.ticket.Ended = state, time.Now().UTC()
	h.ticket.Expires = h.ticket.Ended.Add(keepTicket)
	h.ticket.Revision++
}

// called notes a try of the callback.
func (h *heldTicket) called(state CallbackState, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &h.ticket.Callback
	c.State, c.Error = state, ""
	c.Tries++
	if err != nil {
		c.Error = fault.Clip(fault.Of(err).Text, maxCallbackError)
	}
	h.ticket.Revision++
}

// now is a copy of the ticket.
func (h *heldTicket) now() Ticket {
	h.mu.Lock()
	defer h.mu.Unlock()
	shown := h.ticket
	shown.Replies = slices.Clone(h.ticket.Replies)
	return shown
}

func replyBytes(r *Reply) int {
	const each = 256
	n := len(r.Body) + len(r.Metadata) + len(r.ContentType) + each
	if r.Err != nil {
		n += len(r.Err.Text) + len(r.Err.Template) + len(r.Err.Hint)
		for _, p := range r.Err.Parameters {
			n += len(p)
		}
	}
	return n
}

func byID(a, b *heldTicket) int { return strings.Compare(a.id, b.id) }
