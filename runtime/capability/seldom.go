package capability

import (
	"sync"
	"time"
)

// Seldom lets one line of the log through a minute, of those that a peer can cause as
// often as it likes. It is safe for use by several goroutines; the zero value is ready.
type Seldom struct {
	mu   sync.Mutex
	last time.Time
	held uint64
}

// seldom is the shortest time between two lines.
const seldom = time.Minute

// Say reports whether the line may be written, and how many were held back since the
// last one.
func (s *Seldom) Say() (held uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.last.IsZero() && now.Sub(s.last) < seldom {
		s.held++
		return 0, false
	}
	held, s.held, s.last = s.held, 0, now
	return held, true
}
