package mqtt

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// A session is on trial while another session of its connector has its client id, and
// while the guest that has opened it does not run: it may be a candidate for a swap,
// tested, or a dry run. A broker would end the connection of the session that works,
// publish its will, and, for a clean start, forget what it keeps for the connector,
// which may have stopped. So a session on trial logs in under another client id, for
// which the broker keeps nothing: it has no will, and subscribes to nothing. When a
// guest that runs has it, it takes the client id over.

// tried reports whether the guest is not the one that runs, and the session something
// that it could spoil.
func (s *session) tried(scope capability.Scope) bool {
	return scope.Tried != nil && scope.Tried() && (s.place != "" || s.will != nil)
}

// introduction is what the next connection begins with. It is the one that somebody
// wanted anew until now.
func (s *session) introduction() introduction {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.again:
	default:
	}
	if s.trial.Load() {
		return introduction{trial: true, as: s.alias}
	}
	return introduction{will: s.will, delay: s.delay, first: !s.introduced}
}

// aliasOf is a client id for a session on trial.
func aliasOf(id string) string {
	return fmt.Sprintf("%s-%08x", fault.Clip(id, 256), rand.Uint32()) //nolint:gosec // nothing to guess
}

// unknownAlias reports whether the broker has refused a session on trial for its
// client id, as far as one can tell: some know theirs by name. Such a session is down
// until its turn.
func (s *session) unknownAlias() bool {
	if !s.trial.Load() || s.caller.refusal != reasonClientID && s.caller.refusal != reasonNotAuthorized {
		return false
	}
	const why = "the guest that runs has the client id, and the broker lets no other one in"
	s.mu.Lock()
	s.reason = why
	s.mu.Unlock()
	s.waited = true
	s.events.Note(capability.Event{Type: abi.EventDown, Time: time.Now().UnixNano(), Err: fault.New(fault.ResourceUnavailable, why)})
	return true
}

// takeOver ends the trial. It does not wait.
func (s *session) takeOver() {
	s.mu.Lock() // with what introduction sees
	defer s.mu.Unlock()
	if !s.trial.CompareAndSwap(true, false) {
		return
	}
	s.group.places.take(s.place, s)
	s.out.rename() // what is published now waits for the client that it is of
	capability.Signal(s.again)
}

// reconnectOwned makes the first connection of a session whose trial has none, when
// that is over; nil: the session is over.
func (s *session) reconnectOwned(b *backoff) *link {
	for s.trial.Load() {
		select {
		case <-s.again:
		case <-s.quit.Done():
			return nil
		}
	}
	return s.reconnect(0, b)
}
