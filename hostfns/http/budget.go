package http

import (
	"sync/atomic"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of what all replies together may take of the host's memory, in
// bytes. A short one is not counted, so that whoever takes all of it leaves the
// others what they mostly need.
const (
	maxHeld = 128 << 20
	short   = 64 << 10
)

// budget is what replies may still take. It is safe for use by several
// goroutines.
type budget struct{ taken atomic.Int64 }

// hold is one reply's part of a budget.
type hold struct {
	of *budget
	n  int64
}

// grow makes the hold one of n bytes.
func (h *hold) grow(n int) error {
	more := int64(n) - h.n
	if n <= short || more <= 0 {
		return nil
	}
	if h.of.taken.Add(more) > maxHeld {
		h.of.taken.Add(-more)
		return fault.New(fault.Exhausted, "the server holds too many long replies").
			WithHint("Try again later, or ask for less at once, as by a page or a range.")
	}
	h.n += more
	return nil
}

// release gives all of it back.
func (h *hold) release() {
	if h.n > 0 {
		h.of.taken.Add(-h.n)
		h.n = 0
	}
}
