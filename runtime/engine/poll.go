package engine

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pollEvery is how long input that has arrived may wait while guests compute on
// all processors.
const pollEvery = 500 * time.Microsecond

// What takes longer than slowPoll was no look for want of something to run: Go
// code of the host computes, and the guests were held up behind it. Then
// nobody looks for a while, which doubles with each slow look that follows.
const (
	slowPoll  = time.Millisecond
	leastRest = 10 * time.Millisecond
	mostRest  = 160 * time.Millisecond
)

// poller sees to it that input reaches those who wait for it while guests
// compute on all processors. Go's scheduler looks for input when a processor
// has nothing else to run, and otherwise once in ten milliseconds: guests that
// hand over with runtime.Gosched alone, each to the next, make everybody who
// reads from a device, a pipe or a socket wait that long, at each read.
//
// So every now and then the guests wait for input themselves, for a byte that
// is in a pipe already. As soon as a processor has nothing else to run for
// that, the scheduler looks for input, finds that of all others as well, and
// the guests go on. The zero value has begun nothing.
type poller struct {
	after atomic.Int64  // when the next look is due, since the engine was started
	rest  time.Duration // after the last look, if that was slow; of the look under way

	mu          sync.Mutex
	read, write *os.File      // the pipe; nil: there is none yet
	next        chan struct{} // closed when the look under way is over; nil: none is
}

// due reports whether it is time for a look.
func (p *poller) due(now time.Duration) bool {
	return now >= time.Duration(p.after.Load())
}

// wait waits until the scheduler has looked for input; now is the clock to note
// that with. An error means that the system has no pipe to spare.
func (p *poller) wait(now func() time.Duration) error {
	next, err := p.ask(now)
	if err == nil {
		<-next
	}
	return err
}

// ask begins a look, unless one is under way.
func (p *poller) ask(now func() time.Duration) (<-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next != nil {
		return p.next, nil
	}
	if p.read == nil {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		p.read, p.write = r, w
	}
	raw, err := p.read.SyscallConn()
	if err != nil {
		return nil, err
	}
	p.next = make(chan struct{})
	go p.look(raw, p.next, now, now())
	return p.next, nil
}

// look writes a byte and waits for it, though it is there: that is the point.
// An error means that the byte was not waited for, and no harm: there is a next
// time.
func (p *poller) look(raw syscall.RawConn, done chan struct{}, now func() time.Duration, began time.Duration) {
	defer close(done)
	waited, one := false, [1]byte{}
	err := raw.Read(func(uintptr) bool {
		if waited {
			return true
		}
		waited = true
		_, err := p.write.Write(one[:])
		return err != nil
	})
	if err == nil {
		_, _ = p.read.Read(one[:])
	}
	p.book(began, now())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = nil
}

// book notes when the next look is due.
func (p *poller) book(began, now time.Duration) {
	if now-began <= slowPoll {
		p.rest = 0
		p.after.Store(int64(now + pollEvery))
		return
	}
	p.rest = min(max(2*p.rest, leastRest), mostRest)
	p.after.Store(int64(now + p.rest))
}

// close ends what wait began. Nobody may be waiting.
func (p *poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.read != nil {
		_, _ = p.read.Close(), p.write.Close()
	}
}
