package tcp

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/framing"
)

// The names of gaps, as the guest sees them.
const (
	gapTooLong    = "frame_too_long"
	gapBroken     = "frame_broken"
	gapUnfinished = "unfinished_frame"
	gapOutOfStep  = "out_of_step"

	// stale is the reason of what a transaction finds and throws away: no gap.
	stale = "stale"
)

var (
	errIdle      = errors.New("nothing was heard for longer than idle_timeout_ms")
	errOutOfStep = errors.New("a frame's length cannot be true")
)

const (
	readSize = 16 << 10
	steady   = time.Second // a connection that lasts so long was one
)

// run reads the connection until the session is closed, making it anew when it
// breaks.
func (s *Session) run(l *link) {
	defer close(s.done)
	defer s.release()
	pause := s.set.retry
	for s.quit.Err() == nil {
		if l == nil {
			if l = s.reconnect(&pause); l == nil {
				return
			}
		}
		began := time.Now()
		err := s.read(l)
		s.lose(l, err)
		l = nil
		if time.Since(began) >= max(steady, pause) {
			pause = s.set.retry
		}
	}
	if l != nil { // closed before it began
		s.lose(l, nil)
	}
}

// reconnect tries until there is a connection; nil: the session is closed. pause is
// the wait before the first attempt, and grows: also over peers that accept and
// hang up.
func (s *Session) reconnect(pause *time.Duration) *link {
	for first := s.opensYet() == 0; ; first = false {
		if !first && !s.sleep(*pause) {
			return nil
		}
		*pause = min(2**pause, s.set.slow)
		ctx, cancel := capability.BeforeDeadline(s.quit, defaultOpenTimeout)
		l, err := s.dialer.dial(ctx)
		cancel()
		if s.quit.Err() != nil {
			if l != nil {
				l.close()
			}
			return nil
		}
		if err != nil {
			s.setDown(err)
			continue
		}
		s.setUp(l)
		s.log.Info("tcp connection open")
		s.events.Note(capability.Event{Type: abi.EventUp, Time: time.Now().UnixNano()})
		return l
	}
}

func (s *Session) opensYet() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opens
}

// sleep waits for about d; false: the session is closed.
func (s *Session) sleep(d time.Duration) bool {
	d += time.Duration(rand.Int64N(int64(d)/4 + 1)) //nolint:gosec // so that many do not come at once
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.again:
		return true
	case <-s.quit.Done():
		return false
	}
}

// reader is what is known of one connection's stream.
type reader struct {
	*Session

	link   *link
	framer framing.Framer
	heard  time.Time // when the last byte came
	gap    time.Duration
	buf    [readSize]byte
}

// read turns bytes into frames until the connection is lost or the session closed.
func (s *Session) read(l *link) error {
	r := &reader{
		Session: s, link: l, framer: framing.New(s.set.framing), heard: time.Now(),
		gap: time.Duration(s.set.framing.GapUS) * time.Microsecond, //nolint:gosec // at most a minute
	}
	for {
		if err := l.SetReadDeadline(r.deadline()); err != nil {
			return r.end(err)
		}
		if r.quit.Err() != nil { // the deadline was meant to end this
			return r.quit.Err()
		}
		n, err := l.Read(r.buf[:])
		if n > 0 {
			r.heard = time.Now()
			if err := r.feed(r.buf[:n]); err != nil {
				return r.end(err)
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = r.silence()
		}
		if err != nil {
			return r.end(err)
		}
	}
}

// deadline is when silence means something.
func (r *reader) deadline() time.Time {
	switch {
	case r.gap > 0 && r.framer.Pending():
		return r.heard.Add(r.gap)
	case r.set.idle > 0:
		return r.heard.Add(r.set.idle)
	}
	return time.Time{}
}

// silence ends a frame, or the connection.
func (r *reader) silence() error {
	if r.gap > 0 && r.framer.Pending() {
		if f := r.framer.Unfinished(); f != nil {
			return r.deliver(f)
		}
		return nil
	}
	if r.set.idle > 0 && time.Since(r.heard) >= r.set.idle {
		return errIdle
	}
	return nil
}

// end is the last word on a stream.
func (r *reader) end(err error) error {
	switch {
	case r.gap > 0:
		if f := r.framer.Unfinished(); f != nil {
			if failed := r.deliver(f); failed != nil {
				return failed
			}
		}
	case r.framer.Reset():
		r.lost(gapUnfinished)
	}
	return err
}

func (r *reader) feed(in []byte) error {
	for len(in) > 0 {
		f, rest, v := r.framer.Next(in)
		in = rest
		switch v {
		case framing.Whole:
			if err := r.deliver(f); err != nil {
				return err
			}
		case framing.TooLong:
			r.lost(gapTooLong)
		case framing.Broken:
			r.lost(gapBroken)
		case framing.Lost:
			r.lost(gapOutOfStep)
			return errOutOfStep
		case framing.More:
		}
	}
	return nil
}

// deliver hands a frame to whoever waits for it, or keeps it. An error means that
// the session is being closed.
func (r *reader) deliver(data []byte) error {
	f := frame{data: bytes.Clone(data), time: r.heard.UnixNano()}
	if r.answered(f) {
		return nil
	}
	var err error
	if r.inbox != nil {
		err = r.inbox.push(r.quit, f)
	} else {
		err = r.events.Put(r.quit, capability.Event{Type: abi.EventData, Time: f.time, Data: f.data}, struct{}{})
	}
	r.heard = time.Now() // the wait for room was nobody's silence
	return err
}

func (s *Session) answered(f frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == nil {
		return false
	}
	s.pending.answer <- answer{frame: f}
	s.pending = nil
	return true
}

// lost tells that something was dropped.
func (s *Session) lost(name string) {
	s.events.Gap(capability.Event{Type: abi.EventGap, Time: time.Now().UnixNano(), Name: name}, 1)
}

// release gives back what the session holds of the tenant's purse.
func (s *Session) release() {
	s.events.End()
	if s.inbox != nil {
		s.inbox.end()
	}
}

// lose gives the connection up and tells so.
func (s *Session) lose(l *link, cause error) {
	if s.quit.Err() != nil {
		s.setDown(s.closed())
		l.close()
		return
	}
	lost := s.why(cause)
	s.setDown(lost)
	l.close()
	s.log.Warn("tcp connection lost", "error", lost)
	s.events.Note(capability.Event{Type: abi.EventDown, Time: time.Now().UnixNano(), Err: lost})
}

// why is the end of a connection in words.
func (s *Session) why(cause error) error {
	address := s.set.args.Address
	switch {
	case errors.Is(cause, io.EOF):
		return fault.New(fault.ResourceUnavailable, "%s has closed the connection", address).
			WithHint("It is made again by itself; if the peer hangs up each time, look at its log and at what it expects.")
	case errors.Is(cause, errIdle), errors.Is(cause, errOutOfStep):
		return fault.Wrap(fault.ResourceUnavailable, cause, "the connection to %s was given up", address)
	}
	if errors.Is(cause, net.ErrClosed) {
		return fault.New(fault.ResourceUnavailable, "the connection to %s was given up, because a part of what was written could not be sent", address)
	}
	lost := egress.At("the connection to "+address+" was lost", address, cause)
	if lost.Kind == fault.EgressForbidden {
		return s.dialer.named(cause)
	}
	lost.Kind = fault.ResourceUnavailable
	return s.dialer.masked(lost.WithHint("Check the network and the peer; the connection is made again by itself."))
}
