package serial

import (
	"errors"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/framing"
)

const (
	readSize      = 4 << 10
	slowestReopen = time.Second
)

// The names of gaps, as the guest sees them.
const (
	gapTooLong    = "frame_too_long"
	gapUnfinished = "unfinished_frame"
	gapBroken     = "bad_frame"
)

// reader is what the session's goroutine alone uses.
type reader struct {
	*Session
	framer framing.Framer
	buf    [readSize]byte
	unread []byte // what was read when the session was closed, and found no room
}

// run reads the port until the session is closed, opening it again when it
// went away.
func (s *Session) run(dev device) {
	defer close(s.done)
	r := &reader{Session: s, framer: newCutter(s.set, nil)}
	defer func() { s.part = slices.Concat(s.input.leave(), r.unread, r.framer.Rest()) }()
	if dev == nil {
		dev = r.inherit()
	}
	for !r.isStopped() {
		if dev == nil {
			dev = r.reopen()
			continue
		}
		err := r.read(dev)
		if !r.isStopped() {
			r.down(err)
			dev = nil
		}
	}
}

// read turns bytes into events until the link is lost or the session closed.
func (r *reader) read(dev device) error {
	for {
		n, err := dev.Read(r.buf[:], r.patience())
		if n > 0 {
			if err := r.feed(r.buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, errQuiet) {
			err = r.silence()
		}
		if err != nil {
			return err
		}
	}
}

// patience is how long the line may be silent before a frame counts as ended.
func (r *reader) patience() time.Duration {
	if !r.framer.Pending() {
		return 0
	}
	return r.set.interByte
}

// feed gives what was read to whoever it is for: a transact, the guest's reads,
// or the cutter.
func (r *reader) feed(in []byte) error {
	now := time.Now().UnixNano()
	r.active.Store(now)
	if t := r.turn.Load(); t != nil {
		t.feed(in)
		return nil
	}
	switch {
	case r.bus != nil:
		r.lost.Add(1) // nobody has asked for it
		return nil
	case r.set.framing == abi.SerialRaw:
		n, err := r.input.put(r.stopped, in)
		r.unread = append(r.unread, in[n:]...)
		return err
	case r.resync.Swap(false):
		r.framer.Reset()
	}
	for {
		frame, rest, v := r.framer.Next(in)
		if v == framing.More && len(rest) == 0 {
			return nil
		}
		in = rest
		if err := r.found(frame, v, now); err != nil {
			if v == framing.Whole {
				frame = onWire(r.set, frame)
			}
			r.unread = append(append(r.unread, frame...), in...)
			return err
		}
	}
}

// found tells what the cutter found.
func (r *reader) found(frame []byte, v framing.Verdict, now int64) error {
	switch v {
	case framing.Whole:
		return r.push(capability.Event{Type: abi.EventData, Time: now}, frame)
	case framing.TooLong:
		return r.gap(gapTooLong)
	case framing.Broken:
		return r.gap(gapBroken)
	case framing.More, framing.Lost: // a line is never lost
	}
	return nil
}

// silence ends frames by inter_byte_timeout.
func (r *reader) silence() error {
	for {
		frame, v := r.framer.Silence()
		if v == framing.More {
			return nil
		}
		if err := r.found(frame, v, time.Now().UnixNano()); err != nil {
			return err
		}
	}
}

func (r *reader) gap(name string) error {
	r.lost.Add(1)
	return r.push(capability.Event{Type: abi.EventGap, Time: time.Now().UnixNano(), Name: name}, nil)
}

// down gives the device up and tells so.
func (r *reader) down(cause error) {
	lost := fault.Wrap(fault.ResourceUnavailable, cause, "serial port %s: the link was lost", r.set.port).
		WithHint("Check the cable and the device's power; the port is opened again by itself when it is back.")
	if t := r.turn.Load(); t != nil {
		t.fail(errLost)
	}
	r.input.fail()
	r.drop(lost.Text)
	r.log.Warn("serial port lost", "error", cause)
	if r.framer.Reset() {
		_ = r.gap(gapUnfinished) // an error means that the session is being closed, which run sees
	}
	_ = r.push(capability.Event{Type: abi.EventDown, Time: time.Now().UnixNano(), Err: lost}, nil)
}

// drop closes the device after a writer has returned. The real path is given
// up only then.
func (r *reader) drop(reason string) {
	if dev, _ := r.current(); dev != nil {
		dev.Interrupt()
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	if dev := r.setDown(reason); dev != nil {
		r.closeDevice(dev)
	}
	r.group.ports.lose(r.claim)
}

// inherit waits for the port that an older session of the same owner has, and
// takes over what it did not get rid of. It answers nil when the port has to be
// opened anew.
func (r *reader) inherit() device {
	var left legacy
	select {
	case left = <-r.claim.turn:
	case <-r.stopped:
		return nil
	}
	if left.dev != nil {
		left.dev.Resume()
		if err := left.dev.Configure(r.set); err != nil {
			r.log.Warn("serial port does not take new settings", "error", err)
			r.closeDevice(left.dev)
			r.group.ports.lose(r.claim)
			left.dev = nil
		} else {
			r.setUp(left.dev)
		}
	}
	for _, e := range left.events {
		_ = r.push(e, e.Data) // an error means that the session is being closed, which run sees
	}
	_ = r.feed(left.part)
	if left.dev == nil {
		return nil
	}
	return r.up(left.dev)
}

// reopen looks for the port until it is there again.
func (r *reader) reopen() device {
	slowest := max(slowestReopen, r.set.openRetry)
	for pause := r.set.openRetry; ; pause = min(2*pause, slowest) {
		dev, err := r.group.tryOpen(r.claim, r.set)
		if err == nil {
			r.setUp(dev)
			return r.up(dev)
		}
		r.setDown(err.fault.Error())
		select {
		case <-time.After(pause):
		case <-r.stopped:
			return nil
		}
	}
}

func (r *reader) up(dev device) device {
	r.log.Info("serial port open")
	_ = r.push(capability.Event{Type: abi.EventUp, Time: time.Now().UnixNano()}, nil)
	return dev
}

// push waits for room for an event. Those of a shared port go to all who share it.
func (s *Session) push(e capability.Event, data []byte) error {
	if s.bus != nil {
		s.bus.tell(e)
		return nil
	}
	return s.events.push(s.stopped, e, data)
}
