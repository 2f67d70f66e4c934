package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// session is one WebSocket, and what it is the code of.
type session struct {
	server   *Server
	guard    Guard
	conn     *websocket.Conn
	token    string
	source   string
	tenant   *control.Tenant
	leave    func() // nil: it was not counted in
	attached *control.Attached
	left     chan string            // gets the reason for which it has to go
	why      atomic.Pointer[string] // that reason
	intake   *intake
}

var _ control.RemoteCode = (*session)(nil)

// greet lets the code in: whose it is, and what it is the code of.
func (x *session) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	x.conn.SetReadLimit(maxGreeting)
	if err := x.validate(ctx); err != nil {
		return err
	}
	f, err := x.next(ctx)
	if err != nil {
		return err
	}
	if f.Op != opConnect || f.ResourceName != sources || f.ResourceID == "" {
		return fault.New(fault.MessageInvalid, "the message behind the token is %s, of a source", opConnect)
	}
	if len(f.Parameters.ReconnectSecret) > maxSecret {
		return fault.New(fault.TooLarge, "the reconnectSecret has at most %d bytes", maxSecret)
	}
	x.source = f.ResourceID
	if x.attached, err = x.tenant.Attach(ctx, f.ResourceID, f.Parameters.ReconnectSecret, x); err != nil {
		return err // by the close: a status would have the code come back at once, and for ever
	}
	x.conn.SetReadLimit(maxFrame)
	return x.write(ctx, order{
		Op: opConfigure, ResourceName: sources, ResourceID: x.source,
		Object: map[string]json.RawMessage{"config": x.attached.Config},
	})
}

// validate takes the token. A wrong one is the only thing that is answered by a
// status: the code takes that for its end, and it cannot mend it.
func (x *session) validate(ctx context.Context) error {
	f, err := x.next(ctx)
	if err != nil {
		return err
	}
	if f.Op != opValidate || json.Unmarshal(f.Object, &x.token) != nil {
		err = fault.New(fault.Unauthenticated, "the first message is %s, of a token", opValidate)
	} else {
		x.tenant, x.leave, err = x.guard.Enter(ctx, x.token)
	}
	if fault.Is(err, fault.Unauthenticated) {
		_ = x.write(ctx, troubleOf(fault.Of(err)))
	}
	if err != nil {
		return err
	}
	return x.write(ctx, answer{Status: http.StatusOK, Body: map[string]bool{"authenticated": true}})
}

// serve takes what comes until the session ends. What came before the end is
// kept before it returns.
func (x *session) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	x.intake = newIntake()
	first := make(chan error, 1) // why it ends
	run := func(f func(context.Context) error) <-chan struct{} {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			err := f(ctx)
			select {
			case first <- err:
			default:
			}
		}()
		return ended
	}
	heard, kept, watched := run(x.listen), run(x.keep), run(x.watch)
	err := <-first
	x.intake.close()
	select {
	case <-heard:
	default: // it ends with the connection
		x.closeFor(err)
		<-heard
	}
	late := time.AfterFunc(writing, cancel)
	defer late.Stop()
	<-kept
	cancel()
	<-watched
	return err
}

// closeFor has the connection closed, so that nobody reads on.
func (x *session) closeFor(err error) {
	f := fault.Of(err)
	if f == nil {
		_ = x.conn.Close(websocket.StatusServiceRestart, "come again")
		return
	}
	_ = x.conn.Close(closeCode(f), fault.Clip(f.Kind.String()+": "+f.Text, maxText))
}

// next reads one message.
func (x *session) next(ctx context.Context) (f frame, err error) {
	kind, raw, err := x.conn.Read(ctx)
	if err != nil {
		return f, readFault(err)
	}
	if kind != websocket.MessageText {
		return f, fault.New(fault.MessageInvalid, "the protocol has texts alone")
	}
	return read(raw)
}

func readFault(err error) error {
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return fault.New(fault.TooLarge, "a message has at most %d bytes", maxFrame)
	case websocket.CloseStatus(err) >= 0:
		return err
	}
	return goneError{err}
}

// write sends one message. Code that does not take it in time is cut off: it
// would hold up everybody who sends to it.
func (x *session) write(ctx context.Context, message any) error {
	raw, err := json.Marshal(message)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "message to a remote connector")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writing)
	defer cancel()
	if err := x.conn.Write(ctx, websocket.MessageText, raw); err != nil {
		return fault.Wrap(fault.NotConnected, err, "the remote connector has gone")
	}
	return nil
}

// listen takes notifications and replies until the connection ends.
func (x *session) listen(ctx context.Context) error {
	for {
		f, err := x.next(ctx)
		if fault.Is(err, fault.MessageInvalid) {
			x.refuse(ctx, err)
			continue
		}
		if err != nil {
			return err
		}
		switch {
		case f.Op == opNotify:
			err = x.notified(ctx, &f)
		case f.Op == "" && f.Status != 0:
			err = x.replied(ctx, &f)
		default:
			err = fault.New(fault.MessageInvalid, "the operation %q is unknown", fault.Clip(f.Op, 64))
			x.attached.Line(abi.LogWarning, err.Error())
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case gone(err):
			return err
		case err != nil:
			x.refuse(ctx, err)
		}
	}
}

// refuse says why a message was not taken.
func (x *session) refuse(ctx context.Context, err error) {
	_ = x.write(ctx, troubleOf(fault.Of(err))) // who does not hear it has gone
}

// notified takes an event.
func (x *session) notified(ctx context.Context, f *frame) error {
	if f.ResourceName != sources || f.ResourceID != x.source {
		return x.wrong("a notification of another source than %s", x.source)
	}
	if len(f.Object) == 0 || f.Object[0] != '{' {
		return x.wrong("a notification is an object")
	}
	return x.intake.add(ctx, abi.Record{
		Kind: abi.KindEvent, Time: time.Now().UnixNano(), ContentType: "application/json", Payload: f.Object,
	})
}

func (x *session) wrong(format string, args ...any) error {
	err := fault.New(fault.MessageInvalid, format, args...)
	x.attached.Line(abi.LogWarning, "refused: "+err.Text)
	return err
}

// replied takes a reply to a query.
func (x *session) replied(ctx context.Context, f *frame) error {
	r, wrong := replyOf(f)
	if err := x.attached.Answer(ctx, &r); wrong == nil {
		return err
	}
	return wrong
}

// Deliver implements control.RemoteCode.
func (x *session) Deliver(ctx context.Context, m *abi.Message) error {
	o, err := orderOf(x.source, m)
	if err != nil {
		return err
	}
	return x.write(ctx, o)
}

// Leave implements control.RemoteCode.
func (x *session) Leave(reason string) {
	select {
	case x.left <- reason:
	default:
	}
}
