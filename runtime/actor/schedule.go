package actor

import (
	"slices"
	"time"

	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// Poll says when a guest in poll mode is asked: for the whole lane, or for one
// of its devices.
type Poll struct {
	Device   string        // "": the lane as a whole
	Interval time.Duration // 0: a second
}

// defaultPoll is the interval in poll mode.
const defaultPoll = time.Second

// turn is a poll with its next time.
type turn struct {
	Poll

	due   time.Time
	asked time.Duration // what the guest asked for in place of the interval; 0: nothing
}

// schedule is when a guest in poll mode is asked for what. A turn that takes
// longer than its interval does not overlap with the next one: the ticks that
// pass meanwhile are missed, counted, and not made up for.
type schedule []turn

// newSchedule is these polls, each due now unless old has it already: then it
// goes on, within its interval. The lane as a whole is due at once with a guest
// that is fresh.
func newSchedule(polls []Poll, old schedule, now time.Time, fresh bool) schedule {
	if polls == nil { // and not none: each device is asked by itself, and there is no device
		polls = []Poll{{}}
	}
	s := make(schedule, len(polls))
	for i, p := range polls {
		if p.Interval <= 0 {
			p.Interval = defaultPoll
		}
		s[i] = turn{Poll: p, due: now}
		at := slices.IndexFunc(old, func(t turn) bool { return t.Device == p.Device })
		if at >= 0 && (!fresh || p.Device != "") {
			s[i].due, s[i].asked = old[at].due, old[at].asked
			if old[at].Interval != p.Interval && s[i].due.After(now.Add(p.Interval)) {
				s[i].due = now.Add(p.Interval)
			}
		}
	}
	return s
}

// first is the turn that is due first; nil: there is none.
func (s schedule) first() *turn {
	if len(s) == 0 {
		return nil
	}
	first := &s[0]
	for i := range s[1:] {
		if s[i+1].due.Before(first.due) {
			first = &s[i+1]
		}
	}
	return first
}

// advance moves a turn on that ended now. after, if any, is what the guest asked
// for in place of the interval. It answers how many ticks were missed.
func (t *turn) advance(now time.Time, after time.Duration) (missed uint64) {
	if after > 0 {
		t.due = now.Add(after)
		return 0
	}
	t.due = t.due.Add(t.Interval)
	if late := now.Sub(t.due); late >= 0 {
		ticks := late/t.Interval + 1
		t.due = t.due.Add(ticks * t.Interval)
		missed = uint64(ticks)
	}
	return missed
}

// Schedule changes when the guest is asked, if it is in poll mode; it notices
// nothing else.
func (a *Actor) Schedule(polls []Poll) {
	a.mu.Lock()
	a.polls = &polls
	a.mu.Unlock()
	a.env.sessions.notify()
}

// reschedule takes up what Schedule asked for.
func (l *lane) reschedule(now time.Time) {
	l.mu.Lock()
	polls := l.polls
	l.polls = nil
	l.mu.Unlock()
	if polls != nil {
		l.version.Polls = *polls
		l.turns = newSchedule(*polls, l.turns, now, false)
	}
}

// polled moves a turn on and counts what was missed.
func (l *lane) polled(t *turn, after time.Duration) {
	if missed := t.advance(time.Now(), after); missed > 0 {
		l.count(func(c *lifecycle.Counters) { c.MissedPolls += missed })
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
