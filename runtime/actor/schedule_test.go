package actor

import (
	"testing"
	"time"
)

func TestScheduleNeverMakesUpForMissedTicks(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	tests := []struct {
		name   string
		ended  time.Duration // after the turn was due
		after  time.Duration
		missed uint64
		next   time.Duration
	}{
		{name: "in time", ended: 3 * time.Second, next: 10 * time.Second},
		{name: "just in time", ended: 10*time.Second - 1, next: 10 * time.Second},
		{name: "on the tick", ended: 10 * time.Second, missed: 1, next: 20 * time.Second},
		{name: "late", ended: 35 * time.Second, missed: 3, next: 40 * time.Second},
		{name: "asked for another time", ended: 35 * time.Second, after: time.Second, next: 36 * time.Second},
	}
	for _, tt := range tests {
		x := turn{Poll: Poll{Interval: 10 * time.Second}, due: start}
		if missed := x.advance(at(tt.ended), tt.after); missed != tt.missed || !x.due.Equal(at(tt.next)) {
			t.Errorf("%s: %d missed, next after %s; want %d, %s", tt.name, missed, x.due.Sub(start), tt.missed, tt.next)
		}
	}
}

func TestScheduleGoesOnOverChanges(t *testing.T) {
	now := time.Unix(1000, 0)
	s := newSchedule(nil, nil, now, true)
	if len(s) != 1 || s[0].Interval != time.Second || !s.first().due.Equal(now) {
		t.Errorf("without polls it is %+v", s)
	}
	if s := newSchedule([]Poll{}, nil, now, true); s.first() != nil {
		t.Errorf("for no device it is %+v", s)
	}
	a, b := Poll{"a", time.Minute}, Poll{"b", time.Hour}
	s = newSchedule([]Poll{a, b}, nil, now, true)
	s[0].due, s[1].due = now.Add(50*time.Second), now.Add(50*time.Minute)
	b.Interval = time.Second
	s = newSchedule([]Poll{a, b, {Device: "c"}}, s, now, true)
	if !s[0].due.Equal(now.Add(50*time.Second)) || !s[1].due.Equal(now.Add(time.Second)) || !s[2].due.Equal(now) {
		t.Errorf("after a change it is %+v", s)
	}
	if s.first().Device != "c" {
		t.Errorf("first is %+v", s.first())
	}
}
