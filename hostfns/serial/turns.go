package serial

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// mostInARow is how many urgent turns may go before one that is not and waits.
const mostInARow = 8

// turns lets one transact in at a time, in the order in which they came: urgent
// ones (commands) before the others (polls), which do not starve.
type turns struct {
	mu      sync.Mutex
	taken   bool
	urgent  []chan struct{}
	others  []chan struct{}
	inARow  int // urgent turns that went before others
	starved int // waits that ended without a turn
}

// take waits for a turn until ctx ends or stop is closed. The caller ends it with
// done.
func (t *turns) take(ctx context.Context, urgent bool, stop <-chan struct{}) error {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	line := &t.others
	if urgent {
		line = &t.urgent
	}
	*line = append(*line, mine)
	t.mu.Unlock()
	began := time.Now()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
		return t.leave(line, mine, ctx.Err(), time.Since(began))
	case <-stop:
		return t.leave(line, mine, errInterrupted, 0)
	}
}

// leave ends a wait, or a turn that came just then.
func (t *turns) leave(line *[]chan struct{}, mine chan struct{}, why error, waited time.Duration) error {
	t.mu.Lock()
	at := slices.Index(*line, mine)
	if at < 0 {
		t.mu.Unlock()
		t.done()
		return why
	}
	*line = slices.Delete(*line, at, at+1)
	defer t.mu.Unlock()
	if waited == 0 || fault.Of(why).Kind == fault.Canceled {
		return why
	}
	t.starved++
	return fault.Wrap(fault.Timeout, why, "serial.transact: no turn on the line within %v (the %d. time): others have it", waited.Round(time.Millisecond), t.starved).
		WithHint("Poll less often, or shorten the timeout for devices that do not answer.")
}

// done gives the turn to the next.
func (t *turns) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := &t.urgent
	switch {
	case len(t.others) == 0:
		t.inARow = 0
	case len(t.urgent) == 0 || t.inARow >= mostInARow:
		line, t.inARow = &t.others, 0
	default:
		t.inARow++
	}
	if len(*line) == 0 {
		t.taken = false
		return
	}
	close((*line)[0])
	*line = slices.Delete(*line, 0, 1)
}

// waited is how many waits ended without a turn.
func (t *turns) waited() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.starved
}
