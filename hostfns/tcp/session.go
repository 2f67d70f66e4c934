package tcp

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/framing"
	"github.com/snaprail/snaprail/runtime/queue"
)

// Session is one connector's connection to one peer. Its goroutine reads and
// connects again (reader.go); Call writes (calls.go). Call and Close may run at the
// same time.
type Session struct {
	set    *settings
	dialer *dialer
	log    *slog.Logger
	events *queue.Queue[struct{}]
	inbox  *inbox         // nil: what is received comes as events
	frames framing.Framer // to encode with

	quit    context.Context //nolint:containedctx // it ends with the session
	cancel  context.CancelFunc
	closing sync.Once
	done    chan struct{} // closed when the goroutine has returned
	again   chan struct{} // a token: grants have changed, do not wait

	mu      sync.Mutex // guards what follows
	link    *link      // nil while down
	opens   uint64
	reason  string       // why it is down
	pending *transaction // that waits for the next frame; nil: none
}

// transaction waits for the next frame.
type transaction struct {
	answer chan answer // of one
}

type answer struct {
	frame frame
	err   error
}

var (
	_ capability.Source   = (*Session)(nil)
	_ capability.Reporter = (*Session)(nil)
)

func newSession(ctx context.Context, g *Group, set *settings, d *dialer, scope capability.Scope) *Session {
	log := scope.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Session{
		set: set, dialer: d, log: log.With("peer", set.args.Address),
		events: queue.New[struct{}](queue.Config{Events: g.cfg.Events, Bytes: set.buffer, Purse: scope.Purse}), frames: framing.New(set.framing),
		done: make(chan struct{}), again: make(chan struct{}, 1), reason: "there was no connection yet",
	}
	if set.args.Pull {
		s.inbox = newInbox(g.cfg.Events, set.buffer, scope.Purse)
	}
	s.quit, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

// start begins to read; nil: there is no connection yet.
func (s *Session) start(l *link) {
	if l != nil {
		s.setUp(l)
	}
	go s.run(l)
}

// Close ends the connection and waits for the goroutine.
func (s *Session) Close(ctx context.Context) error {
	s.closing.Do(func() {
		s.cancel()
		if l, _ := s.current(); l != nil {
			l.interrupt()
		}
	})
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "the connection to %s is still being closed", s.set.args.Address)
	}
}

// interrupt ends whatever waits in the connection. It is closed by the goroutine
// that reads it, which looks whether the session is closed before it waits.
func (l *link) interrupt() { _ = l.tcp.SetDeadline(time.Unix(1, 0)) } // long past

// abort breaks the connection.
func (l *link) abort() { _ = l.tcp.Close() }

// closeGrace is what a peer has to take the last words of TLS.
const closeGrace = 250 * time.Millisecond

func (l *link) close() {
	t := time.AfterFunc(closeGrace, l.abort)
	defer t.Stop()
	_ = l.Close()
}

func (s *Session) current() (l *link, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link, s.reason
}

func (s *Session) setUp(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link, s.reason = l, ""
	s.opens++
	if s.quit.Err() != nil { // Close may have looked before there was a connection
		l.interrupt()
	}
}

// setDown forgets the connection; who waits for an answer over it is told.
func (s *Session) setDown(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link, s.reason = nil, fault.Of(why).Text
	if s.pending != nil {
		s.pending.answer <- answer{err: why}
		s.pending = nil
	}
	if s.inbox != nil {
		capability.Signal(s.inbox.ready)
	}
}

// Condition is how the connection is doing.
func (s *Session) Condition() capability.Condition {
	c := capability.Condition{Counts: map[string]uint64{}}
	c.Dropped, c.Buffered = s.events.Counts(c.Counts)
	if s.inbox != nil {
		c.Buffered += s.inbox.buffered()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Up, c.Reason, c.Opens = s.link != nil, s.reason, s.opens
	return c
}

// Ready holds a token whenever Take may have something to give.
func (s *Session) Ready() <-chan struct{} { return s.events.Ready() }

// Take hands out the next frames and what happened to the connection.
func (s *Session) Take(dst []capability.Event, items, bytes int) []capability.Event {
	return s.events.Take(dst, items, bytes)
}

// Ack lets the oldest n events go.
func (s *Session) Ack(n int) { s.events.Ack(n) }

// Rewind makes Take begin anew.
func (s *Session) Rewind() { s.events.Rewind() }

// Replayable is false: what a peer sends while nobody reads is gone.
func (s *Session) Replayable() bool { return false }
