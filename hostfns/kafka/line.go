package kafka

import (
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// line is where batches stand that are for later, so that the guest need not wait for
// them and yet none overtakes another: what one call after the other brings is sent
// together once what was sent before has ended well. When it has not, nothing is sent
// until all tickets were let go of, and what stands here ends unsent: it will be handed
// in again, in its order.
type line struct {
	mu      sync.Mutex
	queue   []*cargo
	flying  bool      // what was sent has not ended; else the queue is empty
	broken  bool      // something did not end well, and not all know it yet
	tickets []*ticket // that nobody has asked for, the oldest first
	last    uint64    // number of a ticket
	open    int       // tickets that were not let go of
}

// cargo is what one call sends.
type cargo struct {
	flights []*flight
	records []kgo.Record
	size    int
}

const (
	// maxTogether bounds the bytes of what is sent together: a partition's part of it
	// has to be one batch, for of two the second could arrive without the first.
	maxTogether = 512 << 10
	// maxTickets bounds the tickets that nobody asks for: a guest may throw them away.
	maxTickets = 64
)

// put sends a cargo when its turn comes. Only one that is for later holds up those
// behind it.
func (s *session) put(c *cargo, later bool) {
	l := &s.line
	l.mu.Lock()
	switch {
	case l.broken:
		l.mu.Unlock()
		s.unsent(c)
	case l.flying:
		l.queue = append(l.queue, c)
		l.mu.Unlock()
	case later:
		l.flying = true
		l.mu.Unlock()
		s.launch(s.landed, c)
	default:
		l.mu.Unlock()
		s.launch(nil, c)
	}
}

// landed goes on when all that was sent together has ended.
func (s *session) landed() {
	l := &s.line
	l.mu.Lock()
	n, size := 0, 0
	for n < len(l.queue) && (n == 0 || size+l.queue[n].size <= maxTogether) {
		size += l.queue[n].size
		n++
	}
	next := slices.Clone(l.queue[:n])
	l.queue = slices.Delete(l.queue, 0, n)
	l.flying = n > 0
	l.mu.Unlock()
	if n > 0 {
		s.launch(s.landed, next...)
	}
}

// crashed keeps back what stands behind a record that did not end well: before anybody
// hears of that.
func (s *session) crashed() {
	l := &s.line
	l.mu.Lock()
	l.broken = l.open > 0
	behind := l.queue
	l.queue = nil
	l.mu.Unlock()
	s.unsent(behind...)
}

// unsent ends what will not be sent.
func (s *session) unsent(list ...*cargo) {
	for _, c := range list {
		for _, b := range c.flights {
			s.flights.end(b, abi.KafkaResult{Code: codeNotSent, Text: "what came before it has not arrived", Retry: true})
		}
	}
}

// ticket is a batch that is for later. It implements capability.Pending.
type ticket struct {
	session *session
	wait    *wait
	number  uint64
}

var _ capability.Deferring = (*session)(nil)

// later takes a batch in and answers the number of its ticket.
func (s *session) later(q *abi.KafkaProduce) (number uint64, err error) {
	for i := range q.Records {
		if recordID(q, i) == "" {
			return 0, fault.New(fault.Invalid, "kafka.produce: record %d is for later and has no ID: nobody could ask what became of it", i)
		}
	}
	w, send := s.flights.begin(q)
	if w == nil {
		return 0, s.full()
	}
	number = s.issue(w)
	if len(send) > 0 {
		s.put(s.cargo(w, q, send), true)
	}
	return number, nil
}

func (s *session) issue(w *wait) uint64 {
	l := &s.line
	l.mu.Lock()
	l.last++
	l.open++
	l.tickets = append(l.tickets, &ticket{s, w, l.last})
	number, tooMany := l.last, len(l.tickets) > maxTickets
	l.mu.Unlock()
	if tooMany {
		s.throwAway(1)
	}
	return number
}

// throwAway lets go of the oldest tickets that nobody has asked for.
func (s *session) throwAway(most int) {
	l := &s.line
	l.mu.Lock()
	n := min(most, len(l.tickets))
	list := slices.Clone(l.tickets[:n])
	l.tickets = slices.Delete(l.tickets, 0, n)
	l.mu.Unlock()
	for _, t := range list {
		t.Drop(true)
	}
}

// Pending implements capability.Deferring.
func (s *session) Pending(number uint64) (capability.Pending, bool) {
	l := &s.line
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.tickets, func(t *ticket) bool { return t.number == number })
	if i < 0 {
		return nil, false
	}
	t := l.tickets[i]
	l.tickets = slices.Delete(l.tickets, i, i+1)
	return t, true
}

// Done implements capability.Pending.
func (t *ticket) Done() <-chan struct{} { return t.wait.done }

// Well implements capability.Pending.
func (t *ticket) Well() bool { return t.session.flights.well(t.wait) }

// Drop implements capability.Pending.
func (t *ticket) Drop(again bool) {
	t.session.flights.drop(t.wait, again)
	l := &t.session.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open--; l.open == 0 {
		l.broken = false
	}
}
