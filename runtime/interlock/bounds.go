package interlock

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/runtime/spec"
)

// place is what was written to: the rates and the steps are each tag's own.
type place struct{ connector, device, tag string }

// written is what was let through to one tag.
type written struct {
	at     time.Time
	times  []time.Time // oldest first, as many as the rates ask for
	last   float64
	lastAt time.Time // zero: no number was
}

const (
	maxPlaces = 8192 // that are remembered
	maxTimes  = 600  // writes to one tag in a minute that a rate may ask for
	// maxWindow is the longest pause between two writes that a rate may ask for,
	// and so how long each one is remembered.
	maxWindow = time.Hour
)

// bounds holds one write against the rules that match it: all of them.
func (i *Interlocks) bounds(a Ask, t target) *refused {
	for _, r := range t.rules {
		if no := limits(r, t.Write); no != nil {
			return no
		}
		if no := i.step(a, r, t.Write); no != nil {
			return no
		}
		if no := i.rate(a, r, t.Write); no != nil {
			return no
		}
	}
	return nil
}

func limits(r *spec.TagRule, w Write) *refused {
	if r.Min == nil && r.Max == nil && r.Step == nil {
		return nil
	}
	if !w.numeric || math.IsNaN(w.number) || math.IsInf(w.number, 0) {
		return &refused{text: fmt.Sprintf("%s must be a number", w.Tag), near: nearBounds}
	}
	switch {
	case r.Min != nil && w.number < *r.Min:
		return &refused{text: fmt.Sprintf("%s may not be less than %s", w.Tag, number(*r.Min)), near: nearBounds}
	case r.Max != nil && w.number > *r.Max:
		return &refused{text: fmt.Sprintf("%s may not be more than %s", w.Tag, number(*r.Max)), near: nearBounds}
	}
	return nil
}

// step compares with the last value that was let through or read, whichever came
// later.
func (i *Interlocks) step(a Ask, r *spec.TagRule, w Write) *refused {
	if r.Step == nil {
		return nil
	}
	var from float64
	var at time.Time
	if h := i.history[place{a.Connector.ID, w.Device, w.Tag}]; h != nil && !h.lastAt.IsZero() {
		from, at = h.last, h.lastAt
	}
	if read, ok := i.cfg.Readings.Latest(a.Connector.ID, w.Device, w.Tag); ok && read.Numeric && read.Good && read.Time.After(at) {
		from, at = read.Number, read.Time
	}
	if at.IsZero() {
		return &refused{text: fmt.Sprintf("%s may change by %s at most, and nobody knows its value yet", w.Tag, number(*r.Step)), near: nearBounds}
	}
	// What lies between two decimal fractions may be the least bit more in binary.
	if by := math.Abs(w.number - from); by > *r.Step*(1+1e-9) {
		return &refused{text: fmt.Sprintf("%s may change by %s at most, and is %s now", w.Tag, number(*r.Step), number(from)), near: nearBounds}
	}
	return nil
}

// rate counts the writes of a window: a minute, or as many as one write needs
// that may come less often.
func (i *Interlocks) rate(a Ask, r *spec.TagRule, w Write) *refused {
	if r.PerMinute <= 0 {
		return nil
	}
	most, window := windowOf(r.PerMinute)
	h := i.history[place{a.Connector.ID, w.Device, w.Tag}]
	if h == nil || len(h.times) < most {
		return nil
	}
	free := h.times[len(h.times)-most].Add(window)
	if !free.After(a.Now) {
		return nil
	}
	return &refused{
		text: fmt.Sprintf("%s may be written %s times a minute", w.Tag, number(r.PerMinute)), near: nearBounds, after: free.Sub(a.Now),
	}
}

func windowOf(perMinute float64) (most int, window time.Duration) {
	if perMinute >= 1 {
		return int(min(perMinute, maxTimes)), time.Minute
	}
	return 1, time.Duration(min(float64(time.Minute)/perMinute, float64(maxWindow)))
}

// room refuses what there is no place to remember, rather than to forget what a
// rate still counts. The lock is held.
func (i *Interlocks) room(a Ask, targets []target) *refused {
	for _, t := range targets {
		if i.history[place{a.Connector.ID, t.Device, t.Tag}] == nil && len(i.history)+len(targets) > maxPlaces {
			i.forget(a.Now)
			break
		}
	}
	if len(i.history)+len(targets) > maxPlaces {
		return &refused{text: "too many tags were written within the hour to remember one more", near: nearRest}
	}
	return nil
}

// forget drops what no rate counts any more. The lock is held.
func (i *Interlocks) forget(now time.Time) {
	for at, h := range i.history {
		if now.Sub(h.at) > maxWindow {
			delete(i.history, at)
		}
	}
}

// note remembers what is let through. The lock is held.
func (i *Interlocks) note(a Ask, targets []target) {
	for _, t := range targets {
		at := place{a.Connector.ID, t.Device, t.Tag}
		h := i.history[at]
		if h == nil {
			h = &written{}
			i.history[at] = h
		}
		keep := 0
		for _, r := range t.rules {
			if r.PerMinute > 0 {
				most, _ := windowOf(r.PerMinute)
				keep = max(keep, most)
			}
		}
		h.at, h.times = a.Now, append(h.times, a.Now)
		if over := len(h.times) - keep; over > 0 {
			h.times = slices.Delete(h.times, 0, over)
		}
		if t.numeric {
			h.last, h.lastAt = t.number, a.Now
		}
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
