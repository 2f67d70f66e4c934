package actor

import (
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// Move moves the connector along the table of its life. cause, if any, is the
// reason that is shown. A move that the table does not have is logged and
// ignored, because the connector itself must go on.
func (a *Actor) Move(on lifecycle.Event, cause error) {
	a.mu.Lock()
	to, err := lifecycle.Next(a.status.State, on)
	if err == nil {
		if to != a.status.State {
			a.status.Since = time.Now()
		}
		a.status.State, a.status.Reason, a.status.Code, a.status.Try = to, "", "", ""
		if f := fault.Of(cause); f != nil {
			a.status.Reason, a.status.Code = brief(a.env.masked(f.Text)), f.Kind.String()
			a.status.Try = brief(a.env.masked(f.Advice()))
		}
		switch on {
		case lifecycle.Crash:
			a.status.Restarts++
		case lifecycle.Swapped:
			a.status.Swaps++
		default:
		}
	}
	a.mu.Unlock()
	if err != nil {
		a.cfg.Log.Error("move refused", "error", err)
		return
	}
	a.cfg.Host.Report(a.Status())
}

// brief is the start of a text on one line: a trap's whole trace is in the log.
func brief(text string) string {
	const lines = 4
	var kept []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && len(kept) < lines {
			kept = append(kept, line)
		}
	}
	return fault.Clip(strings.Join(kept, "; "), maxReason)
}

// Status is what is known of the connector now.
func (a *Actor) Status() lifecycle.Status {
	a.mu.Lock()
	s := a.status
	if a.feed != nil {
		backlog := a.feed.Backlog()
		s.Delivery.Behind, s.Delivery.Buffered, s.Delivery.Missed = backlog.Blocks, backlog.Records, backlog.Missed
		s.Delivery.Active = true
		s.Delivery.Waiting, s.Delivery.About, s.Delivery.Oldest = backlog.Waiting, backlog.About, backlog.Oldest
	}
	a.mu.Unlock()
	s.Sessions = a.env.sessions.status()
	a.usage(&s)
	return s
}

// Brief is Status without what has to be gathered: sessions, limits, memory.
func (a *Actor) Brief() lifecycle.Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status
}

// count changes the counters under their lock.
func (a *Actor) count(change func(*lifecycle.Counters)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.status.Counters)
}
