package kafka

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// guard is what the connections of one session share. The library bounds an answer
// by its bytes alone, and makes of each whatever it claims to hold: so each is
// looked at before the library sees it.
type guard struct {
	purse capability.Purse // nil: there is no other bound
	log   *slog.Logger

	unpack  atomic.Pointer[kgo.Decompressor] // the client's own, which is bounded
	starved atomic.Bool                      // told of
}

// wrap is a connection to a broker whose answers are looked at.
func (g *guard) wrap(conn net.Conn) net.Conn {
	return &wire{Conn: conn, guard: g, asked: map[int32]question{}, closed: make(chan struct{})}
}

// hold takes room for what is beyond what every session may have.
func (g *guard) hold(n int64) bool {
	if g.purse == nil {
		return true
	}
	err := g.purse.Hold(n)
	if told := g.starved.Swap(err != nil); err != nil && !told {
		g.log.Warn("a large batch of kafka waits for room", "error", err)
	}
	return err == nil
}

// wire is a connection that reads whole answers.
type wire struct {
	net.Conn

	guard *guard
	ready []byte // to be read
	err   error  // of reading: the stream is broken off

	closing sync.Once
	closed  chan struct{}

	mu    sync.Mutex // guards what follows
	asked map[int32]question
	held  int64
}

// question is a request under way.
type question struct{ key, version int16 }

// The bounds of answers, in bytes. All but what was fetched is about one topic.
const (
	maxFetched  = 16 << 20
	maxMetadata = 1 << 20
	maxAnswer   = 512 << 10
	maxLogin    = 64 << 10
	readStep    = 256 << 10 // memory is taken as an answer comes, and not as it claims
)

// most is how long an answer may be.
func (q question) most() int {
	switch q.key {
	case int16(kmsg.Fetch):
		return maxFetched
	case int16(kmsg.Metadata):
		return maxMetadata
	case int16(kmsg.SASLHandshake), int16(kmsg.SASLAuthenticate):
		return maxLogin
	}
	return maxAnswer
}

// Write notes what is asked. The library writes each request at once.
func (w *wire) Write(b []byte) (int, error) {
	if len(b) >= 12 {
		q := question{int16(binary.BigEndian.Uint16(b[4:])), int16(binary.BigEndian.Uint16(b[6:]))} //nolint:gosec // as they are written
		w.mu.Lock()
		w.asked[int32(binary.BigEndian.Uint32(b[8:]))] = q //nolint:gosec // as it is written
		w.mu.Unlock()
		if q.key == int16(kmsg.Fetch) {
			w.release() // nothing is fetched before what came last was polled
		}
	}
	return w.Conn.Write(b)
}

// Read answers what came, once it was looked at.
func (w *wire) Read(b []byte) (int, error) {
	if len(w.ready) == 0 && w.err == nil {
		w.ready, w.err = w.next()
	}
	if len(w.ready) == 0 {
		return 0, w.err
	}
	n := copy(b, w.ready)
	if w.ready = w.ready[n:]; len(w.ready) == 0 {
		w.ready = nil
	}
	return n, nil
}

// Close gives back what is held.
func (w *wire) Close() error {
	w.closing.Do(func() { close(w.closed) })
	w.release()
	return w.Conn.Close()
}

func (w *wire) release() {
	w.mu.Lock()
	n := w.held
	w.held = 0
	w.mu.Unlock()
	if n > 0 && w.guard.purse != nil {
		_ = w.guard.purse.Hold(-n)
	}
}

// next reads one answer with its length.
func (w *wire) next() ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(w.Conn, head); err != nil {
		return nil, err
	}
	size := int(int32(binary.BigEndian.Uint32(head))) //nolint:gosec // it is signed
	switch {
	case size < 4 || size > maxMessage:
		return head, io.ErrUnexpectedEOF // the library knows what else may begin so
	case size > maxFetched:
		return nil, tooLong(question{key: int16(kmsg.Fetch)}, size)
	}
	frame, err := w.more(head, 4)
	if err != nil {
		return nil, err
	}
	q := w.answered(int32(binary.BigEndian.Uint32(frame[4:]))) //nolint:gosec // as it is written
	if size > q.most() {
		return nil, tooLong(q, size)
	}
	if frame, err = w.more(frame, size-4); err != nil {
		return nil, err
	}
	switch q.key {
	case int16(kmsg.Metadata):
		err = checkMetadata(frame[4:], q.version)
	case int16(kmsg.Fetch):
		frame, err = w.sift(frame, q.version)
	}
	if err != nil {
		return nil, err
	}
	return frame, nil
}

func tooLong(q question, size int) error {
	return fault.New(fault.TooLarge, "a broker answers %s with %d bytes, of which at most %d are read", kmsg.Key(q.key).Name(), size, q.most())
}

func (w *wire) answered(id int32) question {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.asked[id]
	delete(w.asked, id)
	return q
}

// more reads n bytes behind frame.
func (w *wire) more(frame []byte, n int) ([]byte, error) {
	for n > 0 {
		step := min(n, readStep)
		at := len(frame)
		frame = slices.Grow(frame, step)[:at+step]
		if _, err := io.ReadFull(w.Conn, frame[at:]); err != nil {
			return nil, err
		}
		n -= step
	}
	return frame, nil
}

// sift takes out of what was fetched what would be too much.
func (w *wire) sift(frame []byte, version int16) ([]byte, error) {
	s := &sieve{guard: w.guard, left: freeCost}
	sifted, err := s.fetched(frame, version)
	w.mu.Lock()
	w.held += s.held
	w.mu.Unlock()
	select {
	case <-w.closed:
		w.release()
	default:
	}
	if err != nil {
		w.release()
		return nil, err
	}
	if s.starved && !s.passed {
		select { // as if nothing were there yet
		case <-time.After(fetchWait):
		case <-w.closed:
		}
	}
	return sifted, nil
}
