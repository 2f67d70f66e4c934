package interlock

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a device at the edge may have no time zones of its own

	"github.com/snaprail/snaprail/runtime/spec"
)

// span is one entry of an interlock's hours: days of the week, and from when to
// when in each of them. One that ends before it begins goes on over midnight.
type span struct {
	days     [7]bool
	from, to int // minutes of the day; to may be 24:00
}

// parseSpan reads "Mon-Fri 06:00-18:00", "Sat,Sun 08:00-12:00" or "22:00-06:00".
func parseSpan(text string) (s span, err error) {
	days, hours, ok := strings.Cut(strings.TrimSpace(text), " ")
	if !ok {
		days, hours = "Mon-Sun", days
	}
	for part := range strings.SplitSeq(days, ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		from, to := weekday(first), weekday(last)
		if from < 0 || to < 0 {
			return s, fmt.Errorf("%.40q names no day: they are Mon, Tue, Wed, Thu, Fri, Sat, Sun", part)
		}
		for d := from; ; d = (d + 1) % 7 {
			s.days[d] = true
			if d == to {
				break
			}
		}
	}
	begin, end, ok := strings.Cut(strings.TrimSpace(hours), "-")
	if ok {
		s.from, ok = clock(begin)
	}
	if ok {
		s.to, ok = clock(end)
	}
	if !ok || s.from == s.to || s.from == day {
		return s, fmt.Errorf("%.40q are no hours: write them as 06:00-18:00", hours)
	}
	return s, nil
}

const day = 24 * 60

func weekday(name string) int {
	return slices.IndexFunc([]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}, func(d string) bool {
		return strings.EqualFold(d, strings.TrimSpace(name))
	})
}

// clock is a time of the day in minutes.
func clock(text string) (minutes int, ok bool) {
	if text == "24:00" {
		return day, true
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil && len(text) == 5
}

// holds reports whether a moment is in the span. What goes on over midnight
// belongs to the day on which it began.
func (s *span) holds(t time.Time) bool {
	minute, today := t.Hour()*60+t.Minute(), t.Weekday()
	if s.from < s.to {
		return s.days[today] && minute >= s.from && minute < s.to
	}
	return s.days[today] && minute >= s.from || s.days[(today+6)%7] && minute < s.to
}

// open reports whether an interlock's hours hold now; what cannot be read does
// not.
func open(lock *spec.Interlock, now time.Time) bool {
	if len(lock.Hours) == 0 {
		return true
	}
	zone, err := zoneOf(lock.Zone)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(lock.Hours, func(text string) bool {
		s, err := parseSpan(text)
		return err == nil && s.holds(now.In(zone))
	})
}

// zoneOf is the zone of this name; Local is none, since it is another on each
// machine.
func zoneOf(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, fmt.Errorf("%q names no zone", name)
	}
	return time.LoadLocation(name)
}
