package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// pace is how streams and uploads behave in time.
type pace struct {
	// silence is how long a client may send nothing in the middle of an upload.
	silence time.Duration
	// heartbeat is how often a silent stream says that it is alive.
	heartbeat time.Duration
	// recheck is how often a stream sees whether its credential still holds,
	// whatever its reader does: it ends within a second of what let it in.
	recheck time.Duration
	// rest is how long a write may wait for its reader before what the stream
	// was read from is let go, to be read again later: the records are on disk.
	rest time.Duration
	// slow is how long a reader may take for a write, and a while longer for
	// each byte of a large one. Whoever takes longer is told that it lags, and
	// may come back to the same place. Whoever takes twice as long has stopped
	// and is dropped.
	slow time.Duration
}

func usualPace() pace {
	return pace{silence: 15 * time.Second, heartbeat: 15 * time.Second, recheck: 400 * time.Millisecond, rest: 100 * time.Millisecond, slow: 5 * time.Second}
}

const (
	// batchBytes is what is gathered before it is written.
	batchBytes = 16 << 10
	// slowestBytes is what a reader has to take in a second of a large event.
	slowestBytes = 64 << 10
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
	slow  time.Duration
	send  func([]byte) error // where it goes in place of w; nil: to w
	buf   []byte
}

// newPusher sends the header.
func (s *Server) newPusher(c echo.Context) (*pusher, error) {
	lines := strings.Contains(c.Request().Header.Get("Accept"), typeLines)
	p := &pusher{w: c.Response(), conn: controller(c), lines: lines, slow: s.pace.slow}
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
func (p *pusher) beat() {
	if !p.lines { // a line would be one for the reader to parse
		p.buf = append(p.buf, ": \n\n"...)
	}
}

// patience is how long a reader may take for so many bytes.
func (p *pusher) patience(n int) time.Duration { return patienceFor(p.slow, n) }

func patienceFor(slow time.Duration, n int) time.Duration {
	return slow + time.Duration(n)*time.Second/slowestBytes
}

// flush writes what was gathered. A large buffer is not kept.
func (p *pusher) flush() error {
	err := p.write()
	if p.buf = p.buf[:0]; cap(p.buf) > 2*batchBytes {
		p.buf = nil
	}
	return err
}

func (p *pusher) write() error {
	if p.send != nil {
		return p.send(p.buf)
	}
	_ = p.conn.SetWriteDeadline(time.Now().Add(2 * p.patience(len(p.buf)))) // not every writer has one
	if _, err := p.w.Write(p.buf); err != nil {
		return err
	}
	return p.conn.Flush()
}

// flushInTime is flush for a reader that has to keep up: errLags says that it
// does not.
func (p *pusher) flushInTime() error {
	most, begin := p.patience(len(p.buf)), time.Now()
	err := p.flush()
	if err == nil && time.Since(begin) > most {
		return errLags
	}
	return err
}

// say sends an event that is no part of what is streamed: why it ends. id is
// the place to come back to; "": wherever the reader is.
func (p *pusher) say(event, id string, problem []byte) {
	if p.lines {
		return // a line would be one of the stream's
	}
	if id != "" {
		p.buf = append(append(append(p.buf, "id: "...), id...), '\n')
	}
	p.buf = append(append(append(p.buf, "event: "...), event...), "\ndata: "...)
	p.buf = append(append(p.buf, problem...), '\n', '\n')
	_ = p.flush() // nobody is left to tell
}
