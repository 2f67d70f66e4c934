package capability

import "time"

// Bucket bounds a rate: so many at once, and so many a second in the long run. Its
// owner keeps it to one goroutine at a time, and sets the rate of the zero Bucket.
type Bucket struct {
	rate, most, left float64
	at               time.Time
}

// NewBucket is a full one, of most at once and rate a second.
func NewBucket(rate, most float64) Bucket { return Bucket{rate: rate, most: most, left: most} }

// SetRate changes what it bounds. What was taken stays taken; one that bounded nothing
// yet is full.
func (b *Bucket) SetRate(rate, most float64) {
	if b.most == 0 {
		b.left = most
	}
	b.rate, b.most, b.left = rate, most, min(b.left, most)
}

// Take takes n, or answers how long to wait for them: it takes none then. What is more
// than a bucket holds takes all that a full one has.
func (b *Bucket) Take(n int, now time.Time) (wait time.Duration) {
	if !b.at.IsZero() {
		b.left = min(b.most, b.left+now.Sub(b.at).Seconds()*b.rate)
	}
	b.at = now
	if missing := min(float64(n), b.most) - b.left; missing > 0 {
		return time.Duration(missing/b.rate*float64(time.Second)) + time.Millisecond
	}
	b.left = max(0, b.left-float64(n))
	return 0
}
