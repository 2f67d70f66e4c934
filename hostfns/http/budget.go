package http

import (
	"sync/atomic"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// short is the reply, in bytes, that is not counted against what all replies may
// take together, so that whoever takes all of that leaves the others what they
// mostly need.
const short = 64 << 10

// budget is what replies may still take. It is safe for use by several
// goroutines.
type budget struct{ taken atomic.Int64 }

// hold is one reply's part of a budget.
type hold struct {
	of    *budget
	purse capability.Purse // of the owner; nil: there is none
	n     int64
}

// grow makes the hold one of n bytes.
func (h *hold) grow(n int) error {
	more := int64(n) - h.n
	if n <= short || more <= 0 {
		return nil
	}
	if h.purse != nil {
		if err := h.purse.Hold(more); err != nil {
			return err
		}
	}
	if h.of.taken.Add(more) > capability.MaxHeld {
		h.of.taken.Add(-more)
		if h.purse != nil {
			_ = h.purse.Hold(-more) // giving back is not refused
		}
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
		if h.purse != nil {
			_ = h.purse.Hold(-h.n) // giving back is not refused
		}
		h.n = 0
	}
}
