package identity

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// maxWaiting bounds those who wait in one line.
const maxWaiting = 256

// line gives turns one at a time. Those who wait are served by group, each
// group in its turn, so that many of one group hold up another's by one turn
// and not by all of theirs. Use by several goroutines is safe.
type line struct {
	mu      sync.Mutex
	busy    bool
	waiting int
	groups  []*queue // those in which somebody waits; the first has the next turn
}

// queue is who waits of one group. What is sent is whether it is their turn.
type queue struct {
	of  string
	who []chan bool
}

// take waits for a turn, which release ends. When the line is full, whoever came
// last of the longest group is sent away (fault.LoginDelayed).
func (l *line) take(ctx context.Context, group string) error {
	l.mu.Lock()
	if !l.busy {
		l.busy = true
		l.mu.Unlock()
		return nil
	}
	turn := make(chan bool, 1)
	l.join(group, turn)
	l.mu.Unlock()
	select {
	case ok := <-turn:
		if !ok {
			return delayed(time.Second)
		}
		return nil
	case <-ctx.Done():
		l.leave(group, turn)
		return fault.Of(ctx.Err())
	}
}

// join puts one more at the end of their group. The caller holds mu.
func (l *line) join(group string, turn chan bool) {
	i := slices.IndexFunc(l.groups, func(q *queue) bool { return q.of == group })
	if i < 0 {
		i = len(l.groups)
		l.groups = append(l.groups, &queue{of: group})
	}
	l.groups[i].who = append(l.groups[i].who, turn)
	l.waiting++
	if l.waiting <= maxWaiting {
		return
	}
	longest := l.groups[len(l.groups)-1]
	for _, q := range l.groups {
		if len(q.who) > len(longest.who) {
			longest = q
		}
	}
	last := longest.who[len(longest.who)-1]
	l.drop(longest, len(longest.who)-1)
	last <- false
}

// leave takes somebody out who waits no longer, or hands on the turn that they
// were given meanwhile.
func (l *line) leave(group string, turn chan bool) {
	l.mu.Lock()
	for _, q := range l.groups {
		if i := slices.Index(q.who, turn); q.of == group && i >= 0 {
			l.drop(q, i)
			l.mu.Unlock()
			return
		}
	}
	l.mu.Unlock()
	if <-turn { // whoever took them out of the line has sent it
		l.release()
	}
}

// drop takes one out of a group. The caller holds mu.
func (l *line) drop(q *queue, i int) {
	q.who = slices.Delete(q.who, i, i+1)
	l.waiting--
	if len(q.who) == 0 {
		l.groups = slices.DeleteFunc(l.groups, func(g *queue) bool { return g == q })
	}
}

// release ends a turn, and gives it to the next group.
func (l *line) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.groups) == 0 {
		l.busy = false
		return
	}
	q := l.groups[0]
	next := q.who[0]
	l.groups = append(l.groups[1:], q) // unless it was the last of them
	l.drop(q, 0)
	next <- true
}
