package actor

import "time"

// bucket lets something through at a rate, with bursts. Times are since any
// fixed moment. The zero bucket lets everything through; its owner keeps it to
// one goroutine at a time.
type bucket struct {
	each  float64       // nanoseconds for one; 0: no bound
	burst time.Duration // how much time's worth may come at once

	// paid is the moment at which all that was let through will have come in
	// at the rate. It is never more than a burst ahead, unless by a debt.
	paid time.Duration

	// The second that passes, and what was let through in it and in the one
	// before.
	second       int64
	count, prior float64
}

// at makes the bucket one of so many a second. What was taken stays taken.
func (b *bucket) at(perSecond float64, burst time.Duration) {
	b.each, b.burst = float64(time.Second)/perSecond, burst
}

// take asks to let n through. What is larger than the whole burst passes when
// nothing is owed, and is owed then: otherwise it could never pass.
func (b *bucket) take(now time.Duration, n float64) bool {
	from := max(b.paid, now)
	cost := time.Duration(n * b.each)
	if from > now && from+cost-now > b.burst {
		return false
	}
	b.paid = from + cost
	b.note(now, n)
	return true
}

// owe lets n through that have come already.
func (b *bucket) owe(now time.Duration, n float64) {
	b.paid = max(b.paid, now) + time.Duration(n*b.each)
	b.note(now, n)
}

func (b *bucket) note(now time.Duration, n float64) {
	b.turn(now)
	b.count += n
}

func (b *bucket) turn(now time.Duration) {
	switch second := int64(now / time.Second); {
	case second == b.second+1:
		b.second, b.prior, b.count = second, b.count, 0
	case second != b.second:
		b.second, b.prior, b.count = second, 0, 0
	}
}

// rate is how much is let through in a second, now.
func (b *bucket) rate(now time.Duration) float64 {
	b.turn(now)
	passed := float64(now%time.Second) / float64(time.Second)
	return b.count + b.prior*(1-passed)
}
