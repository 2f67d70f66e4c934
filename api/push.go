package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/fault"
)

// pace is how a stream behaves in time.
type pace struct {
	// heartbeat is how often a silent stream says that it is alive.
	heartbeat time.Duration
	// recheck is how often a stream sees whether its token still holds.
	recheck time.Duration
	// stall is how long a reader may take nothing. Whoever reads slowly is
	// waited for, since the records are kept on disk; whoever stopped is
	// dropped, and may come back to the same place.
	stall time.Duration
}

func usualPace() pace {
	return pace{heartbeat: 15 * time.Second, recheck: time.Second, stall: 10 * time.Second}
}

const (
	// batchBytes is what is gathered before it is written.
	batchBytes = 64 << 10
	// reconnect is what a browser is told to wait.
	reconnect = 2 * time.Second
)

// The content types of a stream.
const (
	typeEvents = "text/event-stream"
	typeLines  = "application/x-ndjson"
)

// pusher writes a stream: server-sent events, or lines of JSON. It gathers
// what is at hand into one write and one flush.
type pusher struct {
	w     *echo.Response
	conn  *http.ResponseController
	lines bool
	stall time.Duration
	buf   []byte
}

// newPusher sends the header.
func (s *Server) newPusher(c echo.Context) (*pusher, error) {
	lines := strings.Contains(c.Request().Header.Get("Accept"), typeLines)
	p := &pusher{w: c.Response(), conn: controller(c), lines: lines, stall: s.pace.stall}
	h := p.w.Header()
	h.Set("Content-Type", typeEvents)
	if lines {
		h.Set("Content-Type", typeLines)
	}
	h.Set("X-Accel-Buffering", "no")
	p.w.WriteHeader(http.StatusOK)
	if !lines {
		p.buf = append(p.buf, "retry: "...)
		p.buf = strconv.AppendInt(p.buf, reconnect.Milliseconds(), 10)
		p.buf = append(p.buf, '\n', '\n')
	}
	return p, p.flush()
}

// begin starts an event, whose data the caller appends to the buffer that it
// gets and hands to end. Data has no line breaks.
func (p *pusher) begin(event, id string) []byte {
	if p.lines {
		return p.buf
	}
	p.buf = append(append(p.buf, "id: "...), id...)
	p.buf = append(append(p.buf, "\nevent: "...), event...)
	return append(p.buf, "\ndata: "...)
}

// end ends the event and reports whether it is time to flush.
func (p *pusher) end(buf []byte) (full bool) {
	p.buf = append(buf, '\n')
	if !p.lines {
		p.buf = append(p.buf, '\n')
	}
	return len(p.buf) >= batchBytes
}

// beat says that the stream is alive.
func (p *pusher) beat() error {
	if p.lines {
		return nil // a line would be one for the reader to parse
	}
	p.buf = append(p.buf, ": \n\n"...)
	return p.flush()
}

// flush writes what was gathered. A large buffer is not kept.
func (p *pusher) flush() error {
	_ = p.conn.SetWriteDeadline(time.Now().Add(p.stall)) // not every writer has one
	_, err := p.w.Write(p.buf)
	if err == nil {
		err = p.conn.Flush()
	}
	if p.buf = p.buf[:0]; cap(p.buf) > 4*batchBytes {
		p.buf = nil
	}
	return err
}

// feed is where a stream comes from.
type feed interface {
	// push waits for the next item and appends it to the pusher.
	push(ctx context.Context, p *pusher) (full bool, err error)
	// pending reports whether push would return at once.
	pending() bool
}

// errIdle says that nothing came for a while.
var errIdle = errors.New("idle")

// pump moves a feed to a reader until one of them, the server or the token
// ends. The header has been sent by then, so that what goes wrong can only be
// told as an event.
func (s *Server) pump(c echo.Context, f feed, p *pusher) {
	ctx, cancel := context.WithCancel(c.Request().Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-s.ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := s.move(ctx, c, f, p)
	cancel()
	<-done
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded): // it also ends the request's context
		s.metrics.stalled.Inc()
		s.cfg.Log.Warn("reader stalled and was dropped", "request", requestID(c), "tenant", identityOf(c).Tenant)
	case c.Request().Context().Err() != nil: // the reader has gone
	default:
		select {
		case <-s.ending:
			err = fault.New(fault.ShuttingDown, "the server is stopping")
		default:
		}
		s.sayWhy(c, p, err)
	}
}

// sayWhy ends a stream of events with the reason.
func (s *Server) sayWhy(c echo.Context, p *pusher, err error) {
	problem, err := json.Marshal(problemOf(c, s.public(c, err)))
	if err != nil || p.lines {
		return
	}
	p.buf = append(p.buf, "event: problem\ndata: "...)
	p.buf = append(append(p.buf, problem...), '\n', '\n')
	_ = p.flush() // nobody is left to tell
}

// move is the loop of pump.
func (s *Server) move(ctx context.Context, c echo.Context, f feed, p *pusher) error {
	checked, spoke := time.Now(), time.Now()
	for {
		full, err := await(ctx, f, p, s.pace.recheck)
		now := time.Now()
		switch {
		case err != nil && !errors.Is(err, errIdle):
			return err
		case err != nil && now.Sub(spoke) >= s.pace.heartbeat:
			spoke = now
			err = p.beat()
		case err != nil:
			err = nil
		case full || !f.pending():
			spoke = now
			err = p.flush()
		}
		if err != nil {
			return err
		}
		if now.Sub(checked) >= s.pace.recheck {
			checked = now
			if err := s.authenticate(ctx, c); err != nil {
				return err
			}
		}
	}
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
