package mqtt

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// backoff says how long to wait before another connection.
type backoff struct {
	pace     pace
	attempts int
	contests int
}

// maxContest is the longest wait after another client has taken the session.
const maxContest = 5 * time.Minute

// takenOver is the error of a session that another client has taken.
type takenOver struct{ *fault.Fault }

// Unwrap is the fault.
func (t takenOver) Unwrap() error { return t.Fault }

// after is the wait after a connection that lasted so long.
func (b *backoff) after(lasted time.Duration, err error) time.Duration {
	if lasted >= b.pace.steady {
		b.attempts, b.contests = 0, 0
	}
	if errors.Is(err, errRequested) || errors.Is(err, errOver) {
		return 0
	}
	if _, taken := errors.AsType[takenOver](err); taken {
		wait := b.pace.contest << min(b.contests, 10)
		b.contests++
		return jitter(min(wait, maxContest))
	}
	return b.failed(err)
}

// failed is the wait after an attempt.
func (b *backoff) failed(err error) time.Duration {
	if !mayHelp(err) {
		return jitter(b.pace.again)
	}
	wait := min(100*time.Millisecond<<min(b.attempts, 20), b.pace.retry)
	b.attempts++
	return jitter(wait)
}

// jitter keeps clients that were lost together from coming back together.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d*3/4 + rand.N(d/2+1) //nolint:gosec // nothing to guess
}
