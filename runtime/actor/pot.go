package actor

import "sync/atomic"

// What all lanes of a connector have together. A lane's own bounds are those of a
// connector with one lane; a thousand of them would be a thousand times as much
// of what all tenants of a server share.
const (
	commonSessions = 2048     // open at once: two of each lane
	commonTimers   = 8192     // set at once
	commonWaiting  = 16 << 20 // bytes of jobs' inputs, and of notices that no guest has settled
)

// pot is what several have a part of; nil: there is always enough. It is safe for
// use by several goroutines.
type pot struct {
	most int64
	used atomic.Int64
}

func newPot(most int64) *pot { return &pot{most: most} }

// take takes n of it; false: there is not as much.
func (p *pot) take(n int) bool {
	if p == nil || p.used.Add(int64(n)) <= p.most {
		return true
	}
	p.give(n)
	return false
}

// add takes n of it, whether there is as much or not: of what is durable already.
func (p *pot) add(n int) {
	if p != nil {
		p.used.Add(int64(n))
	}
}

func (p *pot) give(n int) { p.add(-n) }

// has reports whether there are n left. Somebody else may take them.
func (p *pot) has(n int) bool { return p == nil || p.used.Load()+int64(n) <= p.most }

// pots are those of one connector.
type pots struct{ sessions, timers, waiting *pot }

func newPots() pots {
	return pots{sessions: newPot(commonSessions), timers: newPot(commonTimers), waiting: newPot(commonWaiting)}
}
