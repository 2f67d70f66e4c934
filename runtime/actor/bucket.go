package actor

import (
	"sync"
	"time"
)

// The bounds of what the guests of one connector may write to its log.
const (
	linesPerSecond = 200
	linesAtOnce    = 2000
)

// bucket lets lines through at a rate, with bursts. It is safe for use by
// several goroutines: the lane and a candidate write at once. The zero bucket
// is full.
type bucket struct {
	mu     sync.Mutex
	used   float64 // tokens that are missing
	at     time.Time
	missed uint64 // refused since the last that was let through
}

// take asks to let one line through. missed is how many were refused before.
func (b *bucket) take(now time.Time) (ok bool, missed uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = max(0, b.used-now.Sub(b.at).Seconds()*linesPerSecond)
	b.at = now
	if b.used+1 > linesAtOnce {
		b.missed++
		return false, 0
	}
	b.used++
	missed, b.missed = b.missed, 0
	return true, missed
}
