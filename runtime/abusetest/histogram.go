package abusetest

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Latencies are durations, sorted.
type Latencies []time.Duration

// Sorted takes durations in any order, and keeps them.
func Sorted(all []time.Duration) Latencies {
	slices.Sort(all)
	return all
}

// At is the quantile q, from 0 to 1: the smallest that no more than 1-q of them
// exceed. None have the quantile 0.
func (l Latencies) At(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	n := int(math.Ceil(q*float64(len(l)))) - 1
	return l[min(max(n, 0), len(l)-1)]
}

// Median is the quantile 0.5.
func (l Latencies) Median() time.Duration { return l.At(0.5) }

// P99 is the quantile 0.99.
func (l Latencies) P99() time.Duration { return l.At(0.99) }

// Max is the largest.
func (l Latencies) Max() time.Duration { return l.At(1) }

// String shows the quantiles that people look at, in milliseconds.
func (l Latencies) String() string {
	return fmt.Sprintf("%5d: p50 %7s  p99 %7s  max %7s", len(l), Millis(l.Median()), Millis(l.P99()), Millis(l.Max()))
}

// Millis shows a duration in milliseconds.
func Millis(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}
