package tcp

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/framing"
)

// defaultRead is how much a read without framing answers at most, in bytes.
const defaultRead = 64 << 10

// Call serves write, read and transact.
func (s *Session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	if s.quit.Err() != nil {
		return nil, s.closed()
	}
	var err error
	switch function {
	case functionWrite:
		out, err = s.callWrite(ctx, in, out)
	case functionRead:
		out, err = s.callRead(ctx, in, out)
	case functionTransact:
		out, err = s.callTransact(ctx, in, out)
	default:
		err = fault.New(fault.Unsupported, "tcp has no function %q", function)
	}
	if err != nil {
		return nil, s.dialer.masked(err)
	}
	return out, nil
}

func (s *Session) closed() error {
	return fault.New(fault.SessionClosed, "the session of %s is closed", s.set.args.Address)
}

func unreadable(function string, err error) error {
	return fault.Wrap(fault.Invalid, err, "tcp.%s: the request cannot be read", function)
}

func (s *Session) callWrite(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.TCPWrite
	if err := q.Decode(in); err != nil {
		return nil, unreadable(functionWrite, err)
	}
	wait, cancel := capability.BeforeDeadline(ctx, s.set.writeTimeout)
	defer cancel()
	if err := s.write(wait, functionWrite, q.Data); err != nil {
		return nil, err
	}
	return abi.TCPWritten{Count: uint32(len(q.Data))}.Append(out[:0]), nil
}

// write sends data whole. After an error that leaves the peer with a part of it the
// connection is given up: nothing that is sent behind would mean what it says.
func (s *Session) write(ctx context.Context, function string, data []byte) error {
	if len(data) > abi.MaxRecord {
		return fault.New(fault.TooLarge, "tcp.%s: %d bytes: at most %d at once", function, len(data), abi.MaxRecord)
	}
	l, reason := s.current()
	if l == nil {
		return s.away(reason)
	}
	if s.set.framing.Kind == abi.FramingSLIP {
		data = s.frames.Encode(nil, data)
	}
	if len(data) == 0 {
		return nil
	}
	n, err := l.send(ctx, data)
	if err == nil {
		return nil
	}
	if n > 0 || s.dialer.tls != nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		l.abort() // the reader sees that
	}
	return s.named(function, err, n, len(data))
}

// send writes until ctx ends, which is then the error.
func (l *link) send(ctx context.Context, data []byte) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := l.SetWriteDeadline(time.Time{}); err != nil {
		return 0, err
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = l.SetWriteDeadline(time.Unix(1, 0)) // long past
		close(fired)
	})
	n, err := l.Write(data)
	if !stop() {
		<-fired
		if err != nil {
			err = ctx.Err()
		}
	}
	return n, err
}

// named is an error as the guest's author should read it.
func (s *Session) named(function string, err error, n, of int) error {
	sent := fault.New(fault.Internal, "%d of %d bytes were sent", n, of).Text
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Timeout, err, "tcp.%s: %s takes no more bytes (%s)", function, s.set.args.Address, sent).
			WithHint("Check that the peer reads what it is sent; the connection is made anew if it got a part.")
	case errors.Is(err, context.Canceled):
		return fault.Wrap(fault.Canceled, err, "tcp.%s to %s (%s)", function, s.set.args.Address, sent)
	case errors.Is(err, net.ErrClosed):
		return s.away("the connection was lost (" + sent + ")")
	}
	return fault.Wrap(fault.ResourceUnavailable, err, "tcp.%s to %s (%s)", function, s.set.args.Address, sent).
		WithRetryAfter(time.Second)
}

func (s *Session) away(reason string) error {
	if s.quit.Err() != nil {
		return s.closed()
	}
	return fault.New(fault.ResourceUnavailable, "%s is away: %s", s.set.args.Address, reason).WithRetryAfter(time.Second)
}

func (s *Session) callTransact(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.TCPTransact
	if err := q.Decode(in); err != nil {
		return nil, unreadable(functionTransact, err)
	}
	wait, cancel := capability.BeforeDeadline(ctx, milli(q.TimeoutMS))
	defer cancel()
	if s.inbox != nil {
		if n := s.inbox.discard(); n > 0 {
			s.events.Lose(stale, uint64(n))
		}
	}
	p := &transaction{answer: make(chan answer, 1)}
	s.begin(p)
	defer s.finish()
	if err := s.write(wait, functionTransact, q.Data); err != nil {
		return nil, err
	}
	select {
	case a := <-p.answer:
		return reply(a, out)
	case <-s.quit.Done():
		return nil, s.closed()
	case <-wait.Done():
	}
	s.finish()
	select {
	case a := <-p.answer: // in the last moment
		return reply(a, out)
	default:
		return nil, s.late(ctx, functionTransact)
	}
}

// begin makes the next frame the answer. The guest takes no events meanwhile, and the
// answer may come behind them, so there is room for more.
func (s *Session) begin(p *transaction) {
	s.mu.Lock()
	s.pending = p
	s.mu.Unlock()
	s.events.Widen(2)
}

// finish makes frames events again, or lets them wait.
func (s *Session) finish() {
	s.mu.Lock()
	s.pending = nil
	s.mu.Unlock()
	s.events.Widen(1)
}

func reply(a answer, out []byte) ([]byte, error) {
	if a.err != nil {
		return nil, a.err
	}
	return abi.TCPData{Data: a.frame.data, Time: a.frame.time}.Append(out[:0]), nil
}

// late is the end of a wait.
func (s *Session) late(ctx context.Context, function string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault.Wrap(fault.Canceled, ctx.Err(), "tcp.%s: %s", function, s.set.args.Address)
	}
	return fault.New(fault.Timeout, "tcp.%s: %s did not answer in time", function, s.set.args.Address).
		WithHint("Check that the peer understands what it is sent, or allow it more time.")
}

func (s *Session) callRead(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.TCPRead
	if err := q.Decode(in); err != nil {
		return nil, unreadable(functionRead, err)
	}
	switch {
	case s.inbox == nil:
		return nil, fault.New(fault.Invalid, "tcp.read: what this connection receives comes as events").
			WithHint("Open it with pull.")
	case len(q.Until) > framing.MaxDelimiter:
		return nil, fault.New(fault.Invalid, "tcp.read: until has %d bytes: at most %d", len(q.Until), framing.MaxDelimiter)
	}
	limit := defaultRead
	if q.Max > 0 {
		limit = int(q.Max)
	}
	limit = min(limit, s.set.buffer/2) // or there might never be room for so much
	wait, cancel := capability.BeforeDeadline(ctx, milli(q.TimeoutMS))
	defer cancel()
	for {
		f, ok, err := s.received(q.Until, limit)
		if ok || err != nil {
			return reply(answer{f, err}, out)
		}
		if l, reason := s.current(); l == nil {
			// What came before the loss is still good, so it was looked for first.
			if f, ok, err := s.received(q.Until, limit); ok || err != nil {
				return reply(answer{f, err}, out)
			}
			return nil, s.away(reason)
		}
		select {
		case <-s.inbox.ready: // also when the connection was lost
		case <-s.quit.Done():
			return nil, s.closed()
		case <-wait.Done():
			return nil, s.late(ctx, functionRead)
		}
	}
}

// received is what waits to be read.
func (s *Session) received(until []byte, limit int) (frame, bool, error) {
	if s.set.framing.Kind == abi.FramingNone {
		return s.inbox.piece(until, limit)
	}
	f, ok := s.inbox.next()
	return f, ok, nil
}

func milli(ms uint64) time.Duration { return within(ms, 0, time.Millisecond) }
