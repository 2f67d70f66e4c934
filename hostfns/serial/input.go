package serial

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// input is what a raw port has received and the guest has not read. When it is
// full the reader waits, so that the line pushes back.
type input struct {
	ready chan struct{} // a token whenever there may be more to read
	room  chan struct{} // a token whenever there may be room again
	max   int

	mu    sync.Mutex
	buf   []byte
	lost  bool               // the link was lost since it was last read
	share capability.Portion // of the tenant's purse
}

func newInput(limit int, purse capability.Purse) input {
	return input{ready: make(chan struct{}, 1), room: make(chan struct{}, 1), max: limit, share: capability.NewPortion(purse)}
}

// put adds what was read, waiting for room until stop is closed. It answers how
// much of it found some.
func (i *input) put(stop <-chan struct{}, in []byte) (n int, err error) {
	for {
		put, starved := i.tryPut(in[n:])
		n += put
		capability.Signal(i.ready)
		if n == len(in) {
			return n, nil
		}
		if !capability.AwaitRoom(i.room, stop, starved) {
			return n, errInterrupted
		}
	}
}

func (i *input) tryPut(in []byte) (n int, starved bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lost = false
	n = min(len(in), i.max-len(i.buf))
	if !i.grow(len(i.buf) + n) {
		return 0, true
	}
	i.buf = append(i.buf, in[:n]...)
	return n, false
}

// grow makes the buffer large enough: what it has room for is drawn on the purse, and
// not only what it holds. Twice as large as it was, unless the purse has not got that.
func (i *input) grow(need int) bool {
	size := cap(i.buf)
	if need <= size {
		return true
	}
	if twice := min(2*size, i.max); twice > need && i.share.Hold(twice) {
		size = twice
	} else if size = need; !i.share.Hold(need) {
		return false
	}
	i.buf = append(make([]byte, 0, size), i.buf...)
	return true
}

// left follows what was taken out.
func (i *input) left() {
	if len(i.buf) == 0 && cap(i.buf) > keptArena {
		i.buf = nil
	}
	i.share.Leave(cap(i.buf))
	capability.Signal(i.room)
}

// end gives back what is drawn on the purse, for good.
func (i *input) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.share.End()
}

// fail ends a wait: nothing more comes.
func (i *input) fail() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lost = true
	capability.Signal(i.ready)
}

// leave empties it and answers what there was.
func (i *input) leave() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	left := i.buf
	i.buf = nil
	i.left()
	return left
}

// want is what a read waits for.
type want struct {
	size  int
	until []byte
}

// read appends what is wanted to dst, if it is there, or with rest what there is.
func (i *input) read(dst []byte, w want, rest bool) (out []byte, got, lost bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := w.size
	if len(w.until) > 0 {
		if at := bytes.Index(i.buf, w.until); at >= 0 {
			n = min(n, at+len(w.until))
		}
	}
	if len(i.buf) < n {
		if lost = i.lost; !rest && !lost {
			return dst, false, false
		}
		n = len(i.buf)
	}
	dst = append(dst, i.buf[:n]...)
	i.buf = i.buf[:copy(i.buf, i.buf[n:])]
	i.left()
	return dst, true, lost && n == 0
}

func (s *Session) callRead(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	var q abi.SerialRead
	if err := q.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "serial.%s: the request cannot be read", function)
	}
	if s.set.framing != abi.SerialRaw || s.set.shared {
		return nil, fault.New(fault.Invalid, "serial.%s: what %s receives comes as events", function, s.set.port).
			WithHint("Open the port raw (framing %d) to read it.", abi.SerialRaw)
	}
	w, err := s.wanted(function, &q)
	if err != nil {
		return nil, err
	}
	patience := s.set.readTimeout
	if q.TimeoutMS != nil {
		patience = time.Duration(min(*q.TimeoutMS, uint64(maxTimeout.Milliseconds()))) * time.Millisecond //nolint:gosec // bounded
	}
	data, err := s.read(ctx, function, w, patience)
	if err != nil {
		return nil, err
	}
	reply := abi.SerialData{Data: data}
	return reply.Append(out[:0]), nil
}

func (s *Session) wanted(function string, q *abi.SerialRead) (want, error) {
	w := want{size: int(q.Size)}
	if function == functionReadUntil {
		if w.until = q.Until; len(w.until) == 0 {
			w.until = []byte(s.set.delimiter)
		}
		if w.size == 0 {
			w.size = s.set.maxFrame
		}
	}
	w.size = max(w.size, 1)
	if w.size > s.input.max {
		return w, fault.New(fault.TooLarge, "serial.%s: %d bytes: at most %d at once", function, w.size, s.input.max)
	}
	return w, nil
}

// read waits as pyserial does: for all that is wanted, and after the timeout it
// answers what there is.
func (s *Session) read(ctx context.Context, function string, w want, patience time.Duration) ([]byte, error) {
	if s.isStopped() {
		return nil, s.away("")
	}
	wait, cancel := beforeDeadline(ctx, patience)
	defer cancel()
	for rest := patience == 0; ; {
		data, got, lost := s.input.read(nil, w, rest)
		switch {
		case lost:
			_, reason := s.current()
			return nil, s.away(reason)
		case got:
			return data, nil
		}
		select {
		case <-s.input.ready:
		case <-s.stopped:
			return nil, s.away("")
		case <-wait.Done():
			if err := ctx.Err(); err != nil {
				return nil, s.named(function, err)
			}
			rest = true
		}
	}
}
