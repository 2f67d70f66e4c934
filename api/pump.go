package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/fault"
)

// feed is where a stream comes from. It is used by one goroutine at a time.
type feed interface {
	// push waits for the next item and appends it to the pusher. errIdle says
	// that the item has to wait for something else.
	push(ctx context.Context, p *pusher) (full bool, err error)
	// pending reports whether push would return at once.
	pending() bool
	// rest lets go of what the feed holds in memory; the next push takes it up
	// again, at the same place.
	rest()
	// place is where a reader that comes back goes on; "": wherever it is.
	place() string
}

// errIdle says that nothing came for a while, errLags that a reader takes too
// long.
var (
	errIdle = errors.New("idle")
	errLags = errors.New("the reader lags")
)

// cutOff is how long a stream that has to end may be held up by its reader.
const cutOff = 200 * time.Millisecond

// pump moves a feed to a reader until one of them, the server or the
// credential ends. The header has been sent by then, so that what goes wrong
// can only be told as an event.
func (s *Server) pump(c echo.Context, f feed, p *pusher) {
	ctx, cancel := context.WithCancelCause(c.Request().Context())
	moved, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		cancel(s.watch(ctx, c))
		held := time.NewTimer(cutOff)
		defer held.Stop()
		select {
		case <-moved:
		case <-held.C: // the reader takes nothing, and would keep the stream open
			_ = p.conn.SetWriteDeadline(time.Now())
		}
	}()
	err := s.move(ctx, f, p)
	close(moved)
	cancel(nil)
	<-watched
	if why, ok := errors.AsType[*fault.Fault](context.Cause(ctx)); ok {
		p.say("problem", "", s.whyEnds(c, why))
		return
	}
	switch {
	case errors.Is(err, errLags):
		s.lagged(c, f, p)
	case errors.Is(err, os.ErrDeadlineExceeded): // it also ends the request's context
		s.metrics.stalled.Inc()
		s.cfg.Log.Warn("reader stalled and was dropped", "request", requestID(c), "tenant", identityOf(c).Tenant)
	case errors.Is(err, io.EOF): // the feed has come to its end
		if err := p.flushInTime(); err == nil { // which is told, as a connection may end by itself
			p.say("end", f.place(), []byte("{}"))
		}
	case c.Request().Context().Err() != nil: // the reader has gone
	default:
		p.say("problem", "", s.whyEnds(c, err))
	}
}

// watch waits until a stream has to end, and says why: the server stops, or
// the credential that opened it holds no longer. When ctx ends first, that is
// no reason.
func (s *Server) watch(ctx context.Context, c echo.Context) error {
	look := time.NewTicker(s.pace.recheck)
	defer look.Stop()
	for {
		select {
		case <-s.ending:
			return fault.New(fault.ShuttingDown, "the server is stopping")
		case <-ctx.Done():
			return nil
		case <-look.C:
			if err := s.stillHolds(ctx, c); err != nil && ctx.Err() == nil {
				return fault.Of(err)
			}
		}
	}
}

// lagged drops a reader that is too slow, and tells it so.
func (s *Server) lagged(c echo.Context, f feed, p *pusher) {
	s.metrics.stalled.Inc()
	s.cfg.Log.Warn("reader lagged and was dropped", "request", requestID(c), "tenant", identityOf(c).Tenant)
	err := fault.New(fault.Timeout, "the reader is too slow").
		WithHint("Come back with the id of this event as Last-Event-ID, over a faster connection or for fewer records.")
	if f.place() == "" {
		err = fault.New(fault.SlowReader, "the reader is too slow")
	}
	p.say("lagged", f.place(), s.whyEnds(c, err))
}

// whyEnds is the reason of a stream's end as JSON.
func (s *Server) whyEnds(c echo.Context, err error) []byte {
	problem, err := json.Marshal(problemOf(c, s.public(c, err)))
	if err != nil {
		return []byte("{}") // strings and numbers always can be
	}
	return problem
}

// move is the loop of pump.
func (s *Server) move(ctx context.Context, f feed, p *pusher) error {
	spoke := time.Now()
	for {
		full, err := await(ctx, f, p, s.pace.recheck)
		now := time.Now()
		switch {
		case err != nil && !errors.Is(err, errIdle):
			return err
		case full || (len(p.buf) > 0 && !f.pending()):
			spoke = now
			err = s.flush(f, p)
		case err != nil && now.Sub(spoke) >= s.pace.heartbeat:
			spoke = now
			p.beat()
			err = s.flush(f, p)
		default:
			err = nil
		}
		if err != nil {
			return err
		}
	}
}

// flush writes what was gathered. While that takes long, the feed rests: a
// reader that is slow costs what is gathered for it, and nothing more.
func (s *Server) flush(f feed, p *pusher) error {
	rested := make(chan struct{})
	long := time.AfterFunc(s.pace.rest, func() {
		defer close(rested)
		f.rest()
	})
	err := p.flushInTime()
	if !long.Stop() {
		<-rested
	}
	return err
}

// await is one push. It ends with errIdle when nothing comes for a while.
func await(ctx context.Context, f feed, p *pusher, wait time.Duration) (full bool, err error) {
	if f.pending() {
		return f.push(ctx, p)
	}
	short, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	full, err = f.push(short, p)
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		return false, errIdle
	}
	return full, err
}
