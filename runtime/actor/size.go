package actor

import (
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// halve makes the next steps smaller, because the outcome of this one is more than a
// step may have, or because it took too long: what it was handed is handed in again,
// half at a time. It reports false when there was one input, which cannot be halved.
func (l *lane) halve() bool {
	n := len(l.inbox.batch) + len(l.firing)
	if n < 2 {
		return false
	}
	l.most = n / 2
	now := time.Now()
	for i := range l.inbox.batch {
		l.inbox.settle(i, abi.Verdict{Decision: abi.DecisionRetry}, now)
	}
	l.count(func(c *lifecycle.Counters) { c.Retried += uint64(len(l.inbox.batch)) })
	l.inbox.batch = l.inbox.batch[:0]
	return true
}

// room is how many inputs the next step may have.
func (l *lane) room() int {
	if l.most > 0 {
		return l.most
	}
	return abi.MaxItems
}

// grow lets steps become larger again, after one that fitted.
func (l *lane) grow() {
	if l.slow > 0 && l.handed == 0 || !l.fits(abi.EntryOnEvents, 2*l.most, &l.slow) {
		return
	}
	if l.most *= 2; l.most >= abi.MaxItems {
		l.most = 0
	}
}
