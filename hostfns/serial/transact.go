package serial

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/framing"
)

const maxFrames = 64 // of one transact

// callTransact serves transact to a lane; starved counts the waits of that lane that
// ended without a turn.
func (s *Session) callTransact(ctx context.Context, set settings, starved *atomic.Uint64, in, out []byte) ([]byte, error) {
	var q abi.SerialTransact
	if err := q.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "serial.transact: the request cannot be read")
	}
	if err := checkTransact(&q, set); err != nil {
		return nil, err
	}
	t, err := s.transact(ctx, set, starved, &q)
	if err != nil {
		return nil, err
	}
	reply := t.reply()
	return reply.Append(out[:0]), nil
}

func checkTransact(q *abi.SerialTransact, set settings) error {
	switch {
	case len(q.Data) > abi.MaxRecord:
		return fault.New(fault.TooLarge, "serial.transact: %d bytes: at most %d at once", len(q.Data), abi.MaxRecord)
	case q.Frames > maxFrames:
		return fault.New(fault.Invalid, "serial.transact: %d frames: at most %d at once", q.Frames, maxFrames)
	case q.Frames > 0 && set.framing == abi.SerialRaw:
		return fault.New(fault.Invalid, "serial.transact: serial port %s was opened raw: there are no frames to wait for", set.port).
			WithHint("Open it with a framing, or write and then read.")
	case q.TimeoutMS > uint64(maxTimeout.Milliseconds()):
		return fault.New(fault.Invalid, "serial.transact: timeout_ms is %d: want at most %d", q.TimeoutMS, maxTimeout.Milliseconds())
	}
	for _, e := range q.Expect {
		if e.Length == 0 || int(e.Length) > set.maxFrame {
			return fault.New(fault.Invalid, "serial.transact: expect: the length %d: want 1 to %d", e.Length, set.maxFrame)
		}
	}
	return nil
}

// transact writes and waits for the frames that answer, in a turn of its own.
func (s *Session) transact(ctx context.Context, set settings, starved *atomic.Uint64, q *abi.SerialTransact) (t *turn, err error) {
	wait, cancel := beforeDeadline(ctx, maxTimeout)
	defer cancel()
	if err := s.turns.take(wait, q.Urgent, s.stopped); err != nil {
		if isFault(err) {
			starved.Add(1)
			s.log.Warn("a lane got no turn on the line", "times", s.turns.waited(), "urgent", q.Urgent)
		}
		return nil, s.named(functionTransact, err)
	}
	defer s.turns.done()
	err = s.within(ctx, maxTimeout, functionTransact, func(ctx context.Context, dev device) error {
		if err := s.clear(ctx, set, dev); err != nil {
			return err
		}
		t = newTurn(newCutter(set, q.Expect), int(q.Frames))
		s.turn.Store(t)
		defer s.turn.Store(nil)
		err := s.send(ctx, set, dev, q.Data)
		if err != nil || q.Frames == 0 {
			return err
		}
		patience := set.readTimeout
		if q.TimeoutMS > 0 {
			patience = time.Duration(q.TimeoutMS) * time.Millisecond //nolint:gosec // bounded
		}
		return t.wait(ctx, s, set, dev, patience)
	})
	return t, err
}

// clear sets the line to what this lane wants, waits until it has been silent
// for long enough, and discards what nobody asked for.
func (s *Session) clear(ctx context.Context, set settings, dev device) error {
	if s.settingsOf() != set.ofLine() {
		if err := dev.Configure(set); err != nil {
			return err
		}
		s.setLine(set)
	}
	for {
		rest := set.turnaround - time.Since(time.Unix(0, s.active.Load()))
		if rest <= 0 {
			break
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return fault.Wrap(fault.Timeout, ctx.Err(), "serial.transact: %s is never silent for %v", set.port, set.turnaround)
		case <-s.stopped:
			return errInterrupted
		}
	}
	s.resync.Store(true)
	return dev.Discard()
}

// send writes what is asked, and waits until it has left.
func (s *Session) send(ctx context.Context, set settings, dev device, data []byte) error {
	if set.writeTimeout != none {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(set.writeTimeout, time.Millisecond))
		defer cancel()
	}
	data = onWire(set, data)
	n, err := dev.Write(ctx, data)
	if err != nil {
		return written(s.named(functionTransact, err), n, len(data))
	}
	err = dev.Drain(ctx)
	s.active.Store(time.Now().UnixNano())
	return err
}

// ofLine is what of the settings the device is set to.
func (s settings) ofLine() settings {
	return settings{
		baud: s.baud, dataBits: s.dataBits, parity: s.parity, stopX2: s.stopX2,
		xonxoff: s.xonxoff, rtscts: s.rtscts, dsrdtr: s.dsrdtr, exclusive: s.exclusive,
	}
}

func (s *Session) settingsOf() settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line.ofLine()
}

func (s *Session) setLine(set settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = set
}

// turn is what one transact waits for. The reader feeds it, transact waits.
type turn struct {
	changed chan struct{} // a token after each change

	mu      sync.Mutex
	cutter  framing.Framer
	frames  []abi.SerialFrame
	want    int
	bytes   int // received
	dropped int // runs of bytes that were no frame
	last    time.Time
	lost    error
}

func newTurn(c framing.Framer, want int) *turn {
	return &turn{changed: make(chan struct{}, 1), cutter: c, want: want}
}

func (t *turn) feed(in []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = time.Now()
	t.bytes += len(in)
	for {
		frame, rest, v := t.cutter.Next(in)
		if v == framing.More && len(rest) == 0 {
			break
		}
		in = rest
		t.found(frame, v)
	}
	capability.Signal(t.changed)
}

func (t *turn) found(frame []byte, v framing.Verdict) {
	switch {
	case v == framing.Whole && len(t.frames) < t.want:
		t.frames = append(t.frames, abi.SerialFrame{Data: bytes.Clone(frame), Time: t.last.UnixNano()})
	case v != framing.More:
		t.dropped++
	}
}

// quiet ends frames by silence.
func (t *turn) quiet() {
	for {
		frame, v := t.cutter.Silence()
		if v == framing.More {
			return
		}
		t.found(frame, v)
	}
}

func (t *turn) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost = err
	capability.Signal(t.changed)
}

func (t *turn) reply() abi.SerialReply {
	t.mu.Lock()
	defer t.mu.Unlock()
	return abi.SerialReply{Frames: t.frames}
}

// wait waits for the frames. Silence counts while the kernel has nothing for the
// reader, so that a busy machine does not cut a frame in two.
func (t *turn) wait(ctx context.Context, s *Session, set settings, dev device, patience time.Duration) error {
	until := time.NewTimer(patience)
	defer until.Stop()
	for {
		silence, ended, err := t.look(set.interByte, dev)
		if ended || err != nil {
			return err
		}
		select {
		case <-t.changed:
		case <-silence: // nil, where there is no frame that it could end
		case <-until.C:
			return t.late(set.port, patience)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return t.late(set.port, patience)
		case <-s.stopped:
			return errInterrupted
		}
	}
}

// look reports whether the frames are there, or when the silence is long enough
// to end one.
func (t *turn) look(interByte time.Duration, dev device) (silence <-chan time.Time, ended bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.frames) >= t.want {
		return nil, true, nil
	}
	if t.lost != nil {
		return nil, false, t.lost
	}
	if interByte == 0 || !t.cutter.Pending() {
		return nil, false, nil
	}
	rest := interByte - time.Since(t.last)
	if rest <= 0 && dev.Waiting() == 0 {
		t.quiet()
		return nil, len(t.frames) >= t.want, nil
	}
	return time.After(max(rest, time.Millisecond)), false, nil
}

func (t *turn) late(port string, patience time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bytes == 0 {
		return fault.New(fault.Timeout, "serial.transact: no answer on %s within %v", port, patience).
			WithHint("Check the device's address, its power, and the line's speed and parity.")
	}
	return fault.New(fault.Timeout, "serial.transact: no whole answer on %s within %v: %d bytes came, %d frames of %d", port, patience, t.bytes, len(t.frames), t.want).
		WithHint("Check the line's speed and parity, and that nobody else talks on it.")
}
