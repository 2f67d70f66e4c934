package serial

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Session is one connector's open port. Its goroutine reads (reader.go); Call
// writes. Call and Close may run at the same time.
type Session struct {
	source // frames, and what happened to the port

	group *Group
	set   settings
	claim *claim
	log   *slog.Logger

	closing sync.Once
	stopped chan struct{} // closed to end the goroutine
	done    chan struct{} // closed when it has returned
	closed  chan struct{} // closed when the port is given back
	first   chan struct{} // closed when the port is open for the first time
	part    []byte        // what the goroutine read and could not deliver

	lost    atomic.Uint64
	starved atomic.Uint64 // waits for a turn that ended without one
	resync  atomic.Bool   // the reader forgets its unfinished frame
	active  atomic.Int64  // when something was last on the line, unix ns

	input input                // of a raw port: what was received
	turns turns                // whose transact it is
	turn  atomic.Pointer[turn] // that has what is received; nil: none
	bus   *bus                 // whose port it is; nil: it is a guest's own

	writing sync.Mutex // held by whoever uses dev, other than to read or to interrupt
	mu      sync.Mutex // guards what follows
	dev     device     // nil while down
	line    settings   // what dev is set to
	opens   uint64
	reason  string // why it is down
}

var (
	_ capability.Source   = (*Session)(nil)
	_ capability.Reporter = (*Session)(nil)
)

func newSession(g *Group, set settings, c *claim, scope capability.Scope) *Session {
	log := scope.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Session{
		group: g, set: set, claim: c, log: log.With("port", set.port),
		source: source{newQueue(g.frames, g.bytes, scope.Purse)}, input: newInput(g.bytes, scope.Purse),
		stopped: make(chan struct{}), done: make(chan struct{}),
		closed: make(chan struct{}), first: make(chan struct{}),
		reason: "waits for this connector's other session on the port",
	}
}

// start begins to read. The goroutine keeps nothing of the call that opened
// the session: it outlives it.
func (s *Session) start(dev device) {
	if dev != nil {
		s.setUp(dev)
	}
	go s.run(dev)
}

// Call serves all host functions but open and list.
func (s *Session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	switch function {
	case functionWrite:
		return s.callWrite(ctx, in, out)
	case functionTransact:
		return s.callTransact(ctx, s.set, &s.starved, in, out)
	case functionRead, functionReadUntil:
		return s.callRead(ctx, function, in, out)
	case functionSignals, functionSetSignals, functionBreak:
		return s.callSignals(ctx, function, in, out)
	case functionDrain, functionFlush:
		var request abi.Handle
		if err := request.Decode(in); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "serial.%s: the request cannot be read", function)
		}
		return out[:0], s.use(ctx, function, func(ctx context.Context, dev device) error {
			if function == functionDrain {
				return dev.Drain(ctx)
			}
			s.resync.Store(true)
			s.input.leave()
			return dev.Discard()
		})
	}
	return nil, fault.New(fault.Unsupported, "serial has no function %q", function)
}

func (s *Session) callWrite(ctx context.Context, in, out []byte) ([]byte, error) {
	var request abi.SerialWrite
	if err := request.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "serial.write: the request cannot be read")
	}
	if len(request.Data) > abi.MaxRecord {
		return nil, fault.New(fault.TooLarge, "serial.write: %d bytes: at most %d at once", len(request.Data), abi.MaxRecord)
	}
	var n int
	err := s.use(ctx, functionWrite, func(ctx context.Context, dev device) (err error) {
		n, err = dev.Write(ctx, onWire(s.set, request.Data))
		return err
	})
	if err != nil {
		return nil, written(err, n, len(request.Data))
	}
	return abi.SerialWritten{Count: uint32(len(request.Data))}.Append(out[:0]), nil
}

// written says how much left before a write failed: the guest has to know
// whether half a command is on the line.
func written(err error, n, of int) error {
	f := fault.Of(err)
	if n == 0 {
		return f
	}
	whole := *f
	whole.Text = fault.New(f.Kind, "%s (%d of %d bytes were written)", f.Text, n, of).Text
	return &whole
}

// use runs what with the open port, for at most the write timeout.
func (s *Session) use(ctx context.Context, function string, what func(context.Context, device) error) error {
	most := maxTimeout
	if s.set.writeTimeout != none {
		most = max(s.set.writeTimeout, time.Millisecond) // 0: time to try it once
	}
	return s.within(ctx, most, function, what)
}

// within runs what with the open port, for at most that long.
func (s *Session) within(ctx context.Context, most time.Duration, function string, what func(context.Context, device) error) error {
	ctx, cancel := beforeDeadline(ctx, most)
	defer cancel()
	if err := s.arrived(ctx); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	dev, reason := s.current()
	if dev == nil {
		return s.away(reason)
	}
	return s.named(function, what(ctx, dev))
}

// arrived waits for the port's first opening: right after a swap that changed
// the settings, the older session may still have it.
func (s *Session) arrived(ctx context.Context) error {
	select {
	case <-s.stopped:
		return s.away("")
	case <-s.first:
		return nil
	default:
	}
	select {
	case <-s.stopped:
		return s.away("")
	case <-s.first:
		return nil
	case <-ctx.Done():
		_, reason := s.current()
		return fault.New(fault.ResourceUnavailable, "serial port %s is not open yet: it %s", s.set.port, reason)
	}
}

func (s *Session) away(reason string) error {
	if s.isStopped() {
		return fault.New(fault.SessionClosed, "the session of serial port %s is closed", s.set.port)
	}
	return fault.New(fault.ResourceUnavailable, "serial port %s is away: %s", s.set.port, reason).
		WithRetryAfter(time.Second)
}

// named is an error of the device as the guest's author should read it.
func (s *Session) named(function string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errInterrupted), errors.Is(err, errLost):
		return s.away("the link was lost")
	case isFault(err):
		return err
	case errors.Is(err, errUnsupported), errors.Is(err, errors.ErrUnsupported):
		return fault.Wrap(fault.Unsupported, err, "serial.%s on %s", function, s.set.port)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Timeout, err, "serial.%s: %s takes no more bytes", function, s.set.port).
			WithHint("Check that the device is on and reads; with flow control (rtscts, xonxoff), that it lets the host send.")
	case errors.Is(err, context.Canceled):
		return fault.Wrap(fault.Canceled, err, "serial.%s on %s", function, s.set.port)
	}
	return fault.Wrap(fault.ResourceUnavailable, err, "serial.%s on %s", function, s.set.port)
}

// Close stops reading, waits for a Call that is under way (which ends at
// once), and gives the port to the session that waits for it, or closes it.
func (s *Session) Close(ctx context.Context) error {
	s.closing.Do(func() {
		close(s.stopped)
		if dev, _ := s.current(); dev != nil {
			dev.Interrupt()
		}
		go s.release()
	})
	select {
	case <-s.closed:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "serial port %s is still being closed", s.set.port)
	}
}

// release gives the port back once nobody uses it. It waits for nothing
// without a bound.
func (s *Session) release() {
	defer close(s.closed)
	<-s.done
	defer s.events.end()
	defer s.input.end()
	s.writing.Lock()
	defer s.writing.Unlock()
	left := s.group.ports.withdraw(s.claim)
	if dev := s.setDown("closed"); dev != nil {
		left.dev = dev
	}
	s.events.rewind()
	left.events = s.events.take(left.events, s.group.frames, s.group.bytes)
	left.part = append(left.part, s.part...)
	if left.dev != nil && s.group.ports.handOver(s.claim, left) {
		return
	}
	if left.dev != nil {
		s.closeDevice(left.dev)
		left.dev = nil
	}
	s.group.ports.leave(s.claim, left)
}

func (s *Session) closeDevice(dev device) {
	if err := dev.Close(); err != nil {
		s.log.Debug("serial port closed with an error", "error", err)
	}
}

func (s *Session) isStopped() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}

func (s *Session) current() (device, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dev, s.reason
}

func (s *Session) setUp(dev device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dev, s.reason, s.line = dev, "", s.set
	s.opens++
	if s.opens == 1 {
		close(s.first)
	}
	if s.isStopped() { // Close may have looked before there was a device
		dev.Interrupt()
	}
}

func (s *Session) setDown(reason string) device {
	s.mu.Lock()
	defer s.mu.Unlock()
	dev := s.dev
	s.dev, s.reason = nil, reason
	return dev
}

// Condition is how the port is doing.
func (s *Session) Condition() capability.Condition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return capability.Condition{
		Up: s.dev != nil, Reason: s.reason, Opens: s.opens,
		Dropped: s.lost.Load(), Buffered: s.events.buffered(), Counts: countsOf(&s.starved),
	}
}

func countsOf(starved *atomic.Uint64) map[string]uint64 {
	return map[string]uint64{"starved": starved.Load()}
}

func isFault(err error) bool {
	_, ok := errors.AsType[*fault.Fault](err)
	return ok
}
