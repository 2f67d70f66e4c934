package actor

import (
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxLetters bounds the messages that wait for one lane.
const maxLetters = exchange.DefaultOpen

// letter is one message on its way through the lane.
type letter struct {
	question *exchange.Question
	device   string
	// notBefore holds the letter back, and all behind it of the same device.
	notBefore time.Time
	// encoded is what the converter made of the message, and at how many of
	// these the guest has handled.
	encoded []abi.Message
	at      int
	items   *items // that the asker gets one answer of; nil: the guest answers
	wrong   error  // of the guest's reply to it, which was refused
}

// post is the messages that wait for the lane, whichever guest runs in it, in
// the order in which they came. It outlives guests.
type post struct {
	mu     sync.Mutex
	queue  []*letter
	closed error         // why nothing is taken any more
	wake   chan struct{} // holds a token when there may be work
}

func newPost() *post { return &post{wake: make(chan struct{}, 1)} }

// put adds a question at the end.
func (p *post) put(q *exchange.Question) error {
	m := q.Take()
	if m == nil {
		return nil // it has ended already
	}
	l := &letter{question: q, device: m.Device}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil {
		return p.closed
	}
	if len(p.queue) >= maxLetters {
		p.queue = slices.DeleteFunc(p.queue, func(l *letter) bool { return l.question.Take() == nil })
	}
	if len(p.queue) >= maxLetters {
		return fault.New(fault.Exhausted, "%d messages wait for the connector already", maxLetters).WithRetryAfter(time.Second)
	}
	p.queue = append(p.queue, l)
	p.tell()
	return nil
}

func (p *post) tell() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// back puts a letter that was taken in front of all others.
func (p *post) back(l *letter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil {
		l.question.Fail(p.closed)
		return
	}
	p.queue = slices.Insert(p.queue, 0, l)
}

// take is the first letter that is due, with its message; nil: none is. What
// has ended is left out.
func (p *post) take(now time.Time) (*letter, *abi.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var held []string
	for i := 0; i < len(p.queue); {
		l := p.queue[i]
		m := l.question.Take()
		switch {
		case m == nil:
			p.queue = slices.Delete(p.queue, i, i+1)
		case slices.Contains(held, l.device):
			i++
		case now.Before(l.notBefore):
			held = append(held, l.device)
			i++
		default:
			p.queue = slices.Delete(p.queue, i, i+1)
			return l, m
		}
	}
	return nil, nil
}

// next is when a letter is due; zero: none waits.
func (p *post) next() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	var next time.Time
	var held []string
	for _, l := range p.queue {
		if slices.Contains(held, l.device) || l.question.Take() == nil {
			continue
		}
		if l.notBefore.IsZero() {
			return time.Unix(0, 1)
		}
		held = append(held, l.device)
		if next.IsZero() || l.notBefore.Before(next) {
			next = l.notBefore
		}
	}
	return next
}

// close ends all that waits, and refuses what comes.
func (p *post) close(err error) {
	p.mu.Lock()
	left := p.queue
	p.queue, p.closed = nil, err
	p.mu.Unlock()
	for _, l := range left {
		l.question.Fail(err)
	}
}
