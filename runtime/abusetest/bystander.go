package abusetest

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Bystander makes records at a steady pace and notes when each arrives. Run,
// Saw and the readers are safe beside each other.
type Bystander struct {
	every time.Duration
	send  func(n int) error

	mu    sync.Mutex
	begun time.Time
	sent  int
	seen  []time.Duration // latencies, by number; those that arrived are first
	wrong error
}

// NewBystander is one that calls send with 0, 1, 2 and so on, each when it is
// due.
func NewBystander(every time.Duration, send func(n int) error) *Bystander {
	return &Bystander{every: every, send: send}
}

// Run sends until ctx ends. What is due already is sent at once.
func (b *Bystander) Run(ctx context.Context) error {
	b.mu.Lock()
	b.begun = time.Now()
	b.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; n++ {
		if wait := time.Until(b.due(n)); wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		b.mu.Lock()
		b.sent = n + 1
		b.mu.Unlock()
		if err := b.send(n); err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
	}
}

// due is when record n has to be sent.
func (b *Bystander) due(n int) time.Time { return b.begun.Add(time.Duration(n) * b.every) }

// Saw notes that record n has arrived. They arrive in order; Err tells of the
// first that did not.
func (b *Bystander) Saw(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n != len(b.seen) {
		if b.wrong == nil {
			b.wrong = fmt.Errorf("record %d arrived in the place of %d", n, len(b.seen))
		}
		return
	}
	b.seen = append(b.seen, time.Since(b.due(n)))
}

// Counts are how many were sent and have arrived.
func (b *Bystander) Counts() (sent, seen int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sent, len(b.seen)
}

// Err is what went wrong with the order of the records: one was lost, or came
// twice.
func (b *Bystander) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wrong
}

// Between are the latencies of the records that were due from one moment to
// another, and complete reports whether all of them have arrived.
func (b *Bystander) Between(from, to time.Time) (l Latencies, complete bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []time.Duration
	for n := b.first(from); b.due(n).Before(to) && n < len(b.seen); n++ {
		all = append(all, b.seen[n])
	}
	return Sorted(all), !b.due(len(b.seen)).Before(to)
}

// first is the number of the first record that is due at a moment or later.
func (b *Bystander) first(from time.Time) int {
	after := from.Sub(b.begun)
	return int(max(after+b.every-1, 0) / b.every)
}
