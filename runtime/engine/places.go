package engine

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// places bound the processes that compile at the same time, and deal them out
// among the accounts that wait for one: to whoever holds the fewest, and of
// those to whoever had one the longest ago. So an account with much to compile
// holds up another's by one compilation, and not by all of its own. Use by
// several goroutines is safe.
type places struct {
	most int

	mu     sync.Mutex
	free   int
	held   map[string]int    // places, by account
	dealt  map[string]uint64 // when each account had its last, as a number
	deals  uint64
	queues []*queue // accounts that wait
	// clock is the time in which an account waited that held no place, all in
	// all, up to since; wanting says that one does.
	clock   time.Duration
	since   time.Time
	wanting bool
}

// queue is what waits of one account.
type queue struct {
	account string
	turns   []*turn
}

// turn is what has a module compiled: a place at a time, which comes by the
// account that gets it first of those that want the module.
type turn struct { // under places.mu
	accounts []string
	given    chan struct{} // closed with the place; nil: none is waited for
	account  string        // by which the place came
	began    time.Duration // on the places' clock
}

func newPlaces(most int) *places {
	return &places{most: most, free: most, held: map[string]int{}, dealt: map[string]uint64{}}
}

// want says that an account wants what the turn compiles: one that waits for
// another's compilation does not wait for all that this other has before it.
func (p *places) want(t *turn, account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(t.accounts, account) {
		return
	}
	t.accounts = append(t.accounts, account)
	if t.given != nil {
		p.join(account, t)
		p.deal(time.Now())
	}
}

// take waits for a place. leave gives it back, once, and answers how long it was
// held while an account waited that held none. Errors are faults: Canceled and
// Timeout with ctx.
func (p *places) take(ctx context.Context, t *turn) (leave func() (wanted time.Duration), err error) {
	given := make(chan struct{})
	p.mu.Lock()
	t.given = given
	for _, account := range t.accounts {
		p.join(account, t)
	}
	p.deal(time.Now())
	p.mu.Unlock()
	select {
	case <-given:
		return func() time.Duration { return p.leave(t) }, nil
	case <-ctx.Done():
		p.callOff(t)
		return nil, fault.Of(ctx.Err())
	}
}

func (p *places) leave(t *turn) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free++
	if p.held[t.account]--; p.held[t.account] == 0 {
		delete(p.held, t.account)
	}
	p.deal(time.Now())
	return p.clock - t.began
}

// callOff ends the wait of a turn, or gives back what it was given meanwhile.
func (p *places) callOff(t *turn) {
	p.mu.Lock()
	if t.given == nil {
		p.mu.Unlock()
		p.leave(t)
		return
	}
	t.given = nil
	p.drop(t)
	p.deal(time.Now())
	p.mu.Unlock()
}

// deal hands out what is free. The caller holds mu.
func (p *places) deal(now time.Time) {
	if p.wanting {
		p.clock += now.Sub(p.since)
	}
	for p.free > 0 && len(p.queues) > 0 {
		q := slices.MinFunc(p.queues, func(x, y *queue) int {
			return cmp.Or(cmp.Compare(p.held[x.account], p.held[y.account]), cmp.Compare(p.dealt[x.account], p.dealt[y.account]))
		})
		t := q.turns[0]
		p.free--
		p.deals++
		p.held[q.account]++
		p.dealt[q.account] = p.deals
		t.account, t.began = q.account, p.clock
		close(t.given)
		t.given = nil
		p.drop(t)
	}
	if p.free == p.most { // nobody waits, and so nobody was before anybody
		clear(p.dealt)
	}
	p.since = now
	p.wanting = slices.ContainsFunc(p.queues, func(q *queue) bool { return p.held[q.account] == 0 })
}

// join puts a turn behind those of an account. The caller holds mu.
func (p *places) join(account string, t *turn) {
	i := slices.IndexFunc(p.queues, func(q *queue) bool { return q.account == account })
	if i < 0 {
		i = len(p.queues)
		p.queues = append(p.queues, &queue{account: account})
	}
	p.queues[i].turns = append(p.queues[i].turns, t)
}

// drop takes a turn out of all queues. The caller holds mu.
func (p *places) drop(t *turn) {
	for _, q := range p.queues {
		q.turns = slices.DeleteFunc(q.turns, func(other *turn) bool { return other == t })
	}
	p.queues = slices.DeleteFunc(p.queues, func(q *queue) bool { return len(q.turns) == 0 })
}
