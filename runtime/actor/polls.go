package actor

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// ask calls poll, for the lane or for one of its devices.
func (l *lane) ask(ctx context.Context, t *turn) error {
	l.firing = nil
	l.inbox.batch = l.inbox.batch[:0]
	l.encoded = abi.PollInput{Cursor: l.cursor, Device: t.Device}.Append(l.encoded[:0])
	out, err := l.call(ctx, abi.EntryPoll, l.encoded)
	if err == nil {
		err = l.commit(ctx, out, nil, nil)
	}
	if err == nil {
		t.asked = time.Duration(min(l.view.NextPollMS, maxRetryAfterMS)) * time.Millisecond
		l.polled(t, t.asked)
		l.pollsAgain()
		return nil
	}
	l.guest.stage.take()
	if l.guest.inst.State() == engine.Dead || !guestsFault(err) && !heldBack(err) {
		return err
	}
	// Nothing was taken from the source, so nothing is lost: ask again later.
	if l.pollFailed(err) {
		l.env.line(abi.LogError, FromHost, "", "poll failed: "+err.Error())
	}
	l.polled(t, t.asked)
	t.due = later(t.due, time.Now().Add(max(retryAfter(err), min(firstPollPause<<min(l.failed-1, 6), lastPollPause))))
	return nil
}

// A poll that failed is tried again at its interval, and not before a pause that
// doubles with each failure in a row.
const (
	firstPollPause = 500 * time.Millisecond
	lastPollPause  = 10 * time.Second
)

// failedPolls in a row make a connector degraded.
const failedPolls = 3

// pollFailed counts a poll that failed, and shows it when that goes on. It reports
// whether there is news in it: what the state says already, the log need not say with
// each poll.
func (l *lane) pollFailed(err error) (news bool) {
	if l.failed++; l.failed < failedPolls {
		return true
	}
	text := "polls fail: " + fault.Of(err).Text
	l.mu.Lock()
	told := l.failing == text
	l.failing = text
	l.mu.Unlock()
	if !told {
		l.Move(lifecycle.Down, fault.New(fault.ResourceUnavailable, "%s", text).WithHint("%s", fault.Of(err).Advice()))
	}
	return !told
}

// pollsAgain ends a row of failures.
func (l *lane) pollsAgain() {
	if l.failed == 0 {
		return
	}
	l.failed = 0
	l.mu.Lock()
	shown := l.failing != ""
	l.failing = ""
	l.mu.Unlock()
	if !shown {
		return
	}
	if up, _ := l.allUp(); up {
		l.Move(lifecycle.Up, nil)
	}
}

// pollTime is when the guest is asked next; zero: it is not.
func (l *lane) pollTime() time.Time {
	if l.version.Manifest.Mode != abi.ModePoll {
		return time.Time{}
	}
	if t := l.turns.first(); t != nil {
		return t.due
	}
	return time.Time{}
}
