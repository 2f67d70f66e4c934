package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxSocketID bounds the id that a client gives a request.
const maxSocketID = 64

// request does what one frame asks for. What takes long goes on behind it; a
// message has been put into its mailbox, so that the next one comes behind it.
func (k *socket) request(ctx context.Context, raw []byte) {
	var r client.SocketRequest
	from := json.NewDecoder(bytes.NewReader(raw))
	from.DisallowUnknownFields()
	if err := from.Decode(&r); err != nil || from.Decode(&struct{}{}) != io.EOF {
		r.ID = fault.Clip(r.ID, maxSocketID)
		k.refuse(ctx, r.ID, fault.New(fault.BodyInvalid, "a frame holds one request as JSON, with id, op and what the op needs"))
		return
	}
	if err := k.do(ctx, &r); err != nil {
		k.refuse(ctx, fault.Clip(r.ID, maxSocketID), err)
	}
}

func (k *socket) do(ctx context.Context, r *client.SocketRequest) error {
	switch {
	case len(r.ID) > maxSocketID:
		return fault.New(fault.Invalid, "id: has at most %d bytes", maxSocketID)
	case r.Op == "ping":
		k.tell(ctx, ctx, client.SocketEvent{Op: "pong", ID: r.ID, Final: true})
		return nil
	case r.Op == "cancel":
		return k.cancel(r.ID)
	case r.ID == "":
		return fault.New(fault.Invalid, "id: a request has one, for what comes back")
	}
	if err := k.server.spend(identityOf(k.c), false, nil); err != nil {
		return err
	}
	switch {
	case r.Op == "stream":
		return k.stream(ctx, r)
	case slices.Contains(control.MessageTypes(), r.Op):
		return k.send(ctx, r)
	}
	return fault.New(fault.Invalid, "op: %.40q is none: they are publish, query, rpc, command, attributes, stream, cancel and ping", r.Op)
}

// refuse says what is wrong with a request.
func (k *socket) refuse(ctx context.Context, id string, err error) {
	p := problemOf(k.c, k.server.public(k.c, err)) //nolint:contextcheck // it is the request's
	k.tell(ctx, ctx, client.SocketEvent{Op: "problem", ID: id, Final: true, Problem: &p})
}

// tell is say for whom nobody hears if it fails. A reader that lags is dropped.
func (k *socket) tell(ctx, patience context.Context, e client.SocketEvent) (ok bool) {
	return k.kept(ctx, k.say(ctx, patience, e))
}

// kept drops a reader that lags, and reports whether the connection is well.
func (k *socket) kept(ctx context.Context, err error) bool {
	if errors.Is(err, errLags) {
		k.dropped()
		k.end(ctx, fault.New(fault.SlowReader, "the reader is too slow"))
	}
	return err == nil
}

// enter makes room for a request and gives it a context of its own, which ends
// with leave, or when the client cancels it.
func (k *socket) enter(ctx context.Context, id string) (_ context.Context, leave func(), err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open[id] != nil {
		return nil, nil, fault.New(fault.Exists, "a request with the id %q is open", id)
	}
	if len(k.open) >= socketRequests {
		return nil, nil, fault.New(fault.Exhausted, "%d requests are open already", socketRequests).WithRetryAfter(time.Second)
	}
	ctx, cancel := context.WithCancel(ctx)
	k.open[id] = cancel
	return ctx, func() {
		cancel()
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.open, id)
	}, nil
}

// cancel ends a request, which says so itself.
func (k *socket) cancel(id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	cancel := k.open[id]
	if cancel == nil {
		return fault.New(fault.NotFound, "no request %q is open", id).WithHint("It may have come to its end already.")
	}
	cancel()
	return nil
}

// send sends a message, and its replies as they come.
func (k *socket) send(ctx context.Context, r *client.SocketRequest) error {
	if r.Message == nil {
		r.Message = &client.Message{}
	}
	m, err := messageOf(r.Op, r.Message)
	if err != nil {
		return err
	}
	tenant := tenantOf(k.c)
	if m.later {
		t, err := tenant.Post(ctx, r.Connector, ticketInput(m, r.Message))
		if err != nil {
			return err
		}
		form := ticketForm(t)
		k.tell(ctx, ctx, client.SocketEvent{Op: "ticket", ID: r.ID, Final: true, Ticket: &form})
		return nil
	}
	own, leave, err := k.enter(ctx, r.ID)
	if err != nil {
		return err
	}
	e, err := tenant.Send(own, r.Connector, m.input)
	if err != nil {
		leave()
		return err
	}
	k.under.Go(func() {
		defer leave()
		defer e.Close()
		k.replies(ctx, own, r.ID, e, m.shape)
	})
	return nil
}

func (k *socket) replies(ctx, own context.Context, id string, e *control.Exchange, shape control.Shape) {
	for {
		r, err := e.Next(own)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil { // canceled, or everything ends
			k.tell(ctx, ctx, client.SocketEvent{Op: "end", ID: id, Final: true})
			return
		}
		form := replyForm(&r, shape)
		if !k.tell(ctx, own, client.SocketEvent{Op: "reply", ID: id, Final: r.Final(), Reply: &form}) && own.Err() == nil {
			return
		}
	}
}

// stream sends records as they come.
func (k *socket) stream(ctx context.Context, r *client.SocketRequest) error {
	tenant := identityOf(k.c).Tenant
	f, err := k.server.newRecordFeed(tenantOf(k.c), tenant, control.StreamOptions{After: r.From, Connector: r.Connector, Topic: r.Topic}, r.Format)
	if err != nil {
		return err
	}
	if err := f.open(ctx); err != nil {
		return err
	}
	own, leave, err := k.enter(ctx, r.ID)
	if err != nil {
		f.rest()
		return err
	}
	free, err := k.server.streams.enter(tenant)
	if err != nil {
		leave()
		f.rest()
		return err
	}
	k.under.Go(func() {
		defer free()
		defer leave()
		defer f.rest()
		p := &pusher{lines: true, slow: k.server.pace.slow, send: func(lines []byte) error { return k.records(ctx, own, r.ID, lines) }}
		err := k.server.move(own, f, p)
		switch {
		case ctx.Err() != nil || !k.kept(ctx, lagging(err)):
		case own.Err() != nil:
			k.tell(ctx, ctx, client.SocketEvent{Op: "end", ID: r.ID, Final: true})
		default:
			k.refuse(ctx, r.ID, err)
		}
	})
	return nil
}

// lagging is err if that is what it says.
func lagging(err error) error {
	if errors.Is(err, errLags) {
		return err
	}
	return nil
}

// records writes lines, each of them one record, as an event each.
func (k *socket) records(ctx, own context.Context, id string, lines []byte) error {
	begin := append(append([]byte(`{"op":"record","id":`), quoted(id)...), `,"record":`...)
	var frame []byte
	for line := range bytes.Lines(lines) {
		frame = append(append(append(frame[:0], begin...), bytes.TrimSuffix(line, []byte("\n"))...), '}')
		if err := k.write(ctx, own, frame); err != nil {
			return err
		}
	}
	return nil
}
