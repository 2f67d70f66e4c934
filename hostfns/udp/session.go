package udp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/queue"
)

// The names of gaps, as the guest sees them.
const (
	gapTooLong  = "datagram_too_long"
	gapOverflow = "overflow"
	gapRate     = "rate"
)

// Session is one connector's socket for one peer. Its goroutine receives; Call
// sends. Call and Close may run at the same time.
type Session struct {
	set    abi.UDPOpen
	conn   net.Conn
	out    *egress.Egress
	log    *slog.Logger
	events *queue.Queue[struct{}]
	rate   capability.Bucket // of what is sent
	most   int               // of it in a second
	heard  capability.Bucket
	lost   overflow

	closing sync.Once
	stop    chan struct{} // closed with the first Close
	done    chan struct{} // closed when the goroutine has returned

	mu     sync.Mutex // guards what follows
	reason string     // what the system said of the peer last; empty: nothing since it was heard
	closed bool
	denied *fault.Fault // the grants do not name the peer's network any more; nil: they do
}

var (
	_ capability.Source   = (*Session)(nil)
	_ capability.Reporter = (*Session)(nil)
)

func newSession(conn net.Conn, set abi.UDPOpen, cfg Config, scope capability.Scope) *Session {
	log := scope.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Session{
		set: set, conn: conn, out: cfg.Egress, log: log.With("peer", set.Address),
		events: queue.New[struct{}](queue.Config{Events: cfg.Events, Bytes: int(set.BufferBytes), Purse: scope.Purse}), //nolint:gosec // bounded by the settings
		rate:   capability.NewBucket(float64(cfg.Rate), float64(cfg.Rate)), most: cfg.Rate,
		heard: capability.NewBucket(float64(cfg.Heard), float64(cfg.Heard)),
		stop:  make(chan struct{}), done: make(chan struct{}),
	}
	s.lost.watch(conn)
	go s.receive()
	return s
}

// receive keeps what the peer sends until the session is closed. A peer that
// sends more than the session may hear is not read for a while: what the system
// has no room for then it drops itself, which costs nobody else anything.
func (s *Session) receive() {
	defer close(s.done)
	defer s.events.End()
	buf := make([]byte, s.set.MaxDatagram+1)
	for {
		n, err := s.lost.read(s.conn, buf)
		at := time.Now()
		now := at.UnixNano()
		if missed := s.lost.more(); missed > 0 {
			s.gap(gapRate, missed, now)
		}
		switch {
		case err == nil && s.refusal() != nil: // nobody may hear it
		case err == nil && n <= int(s.set.MaxDatagram):
			s.note("")
			s.keep(buf[:n], now)
		case err == nil:
			s.note("")
			s.gap(gapTooLong, 1, now)
		case errors.Is(err, net.ErrClosed):
			return
		default: // what the network says of a datagram that was sent
			s.note(fault.Clip(err.Error(), 256))
			if !errors.Is(err, syscall.ECONNREFUSED) && !s.pause(breath) {
				return
			}
		}
		if wait := s.heard.Take(1, at); wait > 0 && !s.pause(wait) {
			return
		}
	}
}

// keep keeps a copy of a datagram. What comes when there is no room is dropped:
// nobody can hold a sender of datagrams up.
func (s *Session) keep(datagram []byte, now int64) {
	if !s.events.HasRoom(len(datagram)) {
		s.gap(gapOverflow, 1, now)
		return
	}
	s.events.Add(capability.Event{Type: abi.EventData, Time: now, Data: bytes.Clone(datagram)}, struct{}{})
}

// gap counts datagrams that were dropped, and tells so.
func (s *Session) gap(name string, n uint64, now int64) {
	s.events.Gap(capability.Event{Type: abi.EventGap, Time: now, Name: name}, n)
}

// breath is the wait after an error that may come again at once.
const breath = 100 * time.Millisecond

// pause waits; false: the session is closed.
func (s *Session) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.stop:
		return false
	}
}

func (s *Session) note(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reason = reason
}

// Call serves send.
func (s *Session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	if function != functionSend {
		return nil, fault.New(fault.Unsupported, "udp has no function %q", function)
	}
	var q abi.UDPSend
	if err := q.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "udp.send: the request cannot be read")
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return nil, fault.New(fault.SessionClosed, "the session of %s is closed", s.set.Address)
	}
	if f := s.refusal(); f != nil {
		return nil, f
	}
	for _, d := range q.Datagrams {
		if len(d) > int(s.set.MaxDatagram) {
			return nil, fault.New(fault.TooLarge, "udp.send: a datagram of %d bytes: at most %d", len(d), s.set.MaxDatagram).
				WithHint("Open the session with a larger max_datagram, or send less at once.")
		}
	}
	if wait := s.rate.Take(len(q.Datagrams), time.Now()); wait > 0 {
		return nil, fault.New(fault.Exhausted, "udp.send: more than %d datagrams in a second", s.most).WithRetryAfter(wait)
	}
	for i, d := range q.Datagrams {
		if err := s.send(ctx, d); err != nil {
			return nil, fault.Wrap(fault.ResourceUnavailable, err, "udp.send to %s (%d of %d datagrams were sent)", s.set.Address, i, len(q.Datagrams)).
				WithRetryAfter(time.Second)
		}
	}
	return abi.UDPSent{Count: uint32(len(q.Datagrams))}.Append(out[:0]), nil
}

// send sends one datagram. What the system says of an earlier one is not its
// error.
func (s *Session) send(ctx context.Context, d []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := s.conn.Write(d)
	if errors.Is(err, syscall.ECONNREFUSED) {
		s.note(fault.Clip(err.Error(), 256))
		_, err = s.conn.Write(d)
	}
	return err
}

// Close ends the socket and waits for the goroutine.
func (s *Session) Close(ctx context.Context) error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.stop)
		_ = s.conn.Close()
	})
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "the socket for %s is still being closed", s.set.Address)
	}
}

// Condition is how the socket is doing: it is up, since nobody knows better, unless
// the network has refused what was sent.
func (s *Session) Condition() capability.Condition {
	counts := map[string]uint64{}
	dropped, buffered := s.events.Counts(counts)
	s.mu.Lock()
	defer s.mu.Unlock()
	reason := s.reason
	if s.denied != nil {
		reason = s.denied.Text
	}
	return capability.Condition{Up: reason == "" && !s.closed, Reason: reason, Opens: 1, Dropped: dropped, Buffered: buffered, Counts: counts}
}

// Ready holds a token whenever Take may have something to give.
func (s *Session) Ready() <-chan struct{} { return s.events.Ready() }

// Take hands out the next datagrams.
func (s *Session) Take(dst []capability.Event, items, bytes int) []capability.Event {
	return s.events.Take(dst, items, bytes)
}

// Ack lets the oldest n events go.
func (s *Session) Ack(n int) { s.events.Ack(n) }

// Rewind makes Take begin anew.
func (s *Session) Rewind() { s.events.Rewind() }

// Replayable is false: what a peer sends while nobody reads is gone.
func (s *Session) Replayable() bool { return false }
