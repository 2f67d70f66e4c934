package actor

import (
	"cmp"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// observe follows the sessions' condition through their events, each once.
func (l *lane) observe(batch []input) {
	for i := range batch {
		e := &batch[i].event
		if !batch[i].fresh {
			continue
		}
		switch s := l.inbox.intakes[batch[i].intake].session; e.Type {
		case abi.EventDown:
			l.outages.begin(s, e)
			l.Move(lifecycle.Down, e.Err)
		case abi.EventUp:
			l.outages.end(s, e)
			l.outlet.retry()
			if up, _ := l.allUp(); up {
				l.Move(lifecycle.Up, nil)
			}
		case abi.EventGap:
			l.outages.dropped(s, e)
		default: // data, and what concerns the guest alone
		}
	}
}

// allUp reports whether all sessions work, else why one does not.
func (a *Actor) allUp() (up bool, reason string) {
	for _, s := range a.env.sessions.status() {
		if !s.Up {
			return false, s.Resource + ": " + s.Reason
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	reason = cmp.Or(a.status.Delivery.Held, a.failing)
	return reason == "", reason
}

// showSessions makes the state tell the truth after a move to running: a
// session may have been down for long.
func (a *Actor) showSessions() {
	if up, reason := a.allUp(); !up {
		a.Move(lifecycle.Down, fault.New(fault.ResourceUnavailable, "%s", reason))
	}
}

// Keep notes that the old version goes on. cause, if any, says why the new one
// could not take over.
func (a *Actor) Keep(cause error) {
	a.Move(lifecycle.Kept, cause)
	if cause == nil {
		a.showSessions()
	} else if up, _ := a.allUp(); !up {
		a.Move(lifecycle.Down, cause)
	}
}

// Renumber notes that a newer revision of the spec changes nothing that the
// guest could notice: it runs already. A reason that an update left is over.
func (a *Actor) Renumber(revision uint64) {
	a.mu.Lock()
	a.status.Revision = revision
	a.mu.Unlock()
	a.Keep(nil)
}
