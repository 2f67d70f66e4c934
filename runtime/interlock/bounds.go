package interlock

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/runtime/spec"
)

// place is what was written to of one connector: the rates and the steps are each
// tag's own.
type place struct{ device, tag string }

// written is what was let through to one tag.
type written struct {
	until  time.Time   // when nothing counts it any more
	times  []time.Time // oldest first, as many as the rates ask for
	keep   int         // so many
	last   float64
	lastAt time.Time // zero: no number was
}

const (
	maxPlaces = 1024 // that are remembered of one connector
	maxTimes  = 600  // writes to one tag in a minute that a rate may ask for
	// maxWindow is the longest pause between two writes that a rate may ask for,
	// and how long a value is remembered that a step is judged by.
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
	if h := i.history[a.Connector.ID][place{w.Device, w.Tag}]; h != nil && !h.lastAt.IsZero() {
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
// that may come less often. What is for no device in particular counts for each
// of them.
func (i *Interlocks) rate(a Ask, r *spec.TagRule, w Write) *refused {
	if r.PerMinute <= 0 {
		return nil
	}
	most, window := windowOf(r.PerMinute)
	var free time.Time
	for _, times := range i.timesOf(a, w) {
		if len(times) < most {
			continue
		}
		if at := times[len(times)-most].Add(window); at.After(free) {
			free = at
		}
	}
	if !free.After(a.Now) {
		return nil
	}
	return &refused{
		text: fmt.Sprintf("%s may be written %s times a minute", w.Tag, number(r.PerMinute)), near: nearBounds, after: free.Sub(a.Now),
	}
}

// timesOf is when a tag was written of each device that a write counts for.
func (i *Interlocks) timesOf(a Ask, w Write) (all [][]time.Time) {
	had, device := i.history[a.Connector.ID], a.counts(w)
	var anyones []time.Time
	if h := had[place{"", w.Tag}]; h != nil {
		anyones = h.times
	}
	with := func(h *written) {
		times := h.times
		if len(anyones) > 0 {
			times = slices.Concat(times, anyones)
			slices.SortFunc(times, time.Time.Compare)
		}
		all = append(all, times)
	}
	all = append(all, anyones)
	if device != "" {
		if h := had[place{device, w.Tag}]; h != nil {
			with(h)
		}
		return all
	}
	for at, h := range had {
		if at.tag == w.Tag && at.device != "" && len(h.times) > 0 {
			with(h)
		}
	}
	return all
}

// counts is the device whose rates a write counts for; "": each one's. The names
// of devices that nobody registered are the caller's to make up, so that those
// count together.
func (a *Ask) counts(w Write) string {
	if a.Unregistered {
		return ""
	}
	return w.Device
}

func windowOf(perMinute float64) (most int, window time.Duration) {
	if perMinute >= 1 {
		return int(min(perMinute, maxTimes)), time.Minute
	}
	return 1, time.Duration(min(float64(time.Minute)/perMinute, float64(maxWindow)))
}

// remembered is what is kept of a write at one place.
type remembered struct {
	window time.Duration
	keep   int // times
	last   *Write
}

// places are those where writes are to be remembered, each once: those that a
// rate or a step asks for alone. The trail has the others.
func (a *Ask) places(targets []target) map[place]remembered {
	all := map[place]remembered{}
	for i := range targets {
		t := &targets[i]
		for _, r := range t.rules {
			if r.PerMinute > 0 {
				at := place{a.counts(t.Write), t.Tag}
				most, window := windowOf(r.PerMinute)
				m := all[at]
				m.window, m.keep = max(m.window, window), max(m.keep, most)
				all[at] = m
			}
			if r.Step != nil {
				at := place{t.Device, t.Tag}
				m := all[at]
				m.window, m.last = maxWindow, &t.Write
				all[at] = m
			}
		}
	}
	return all
}

// room refuses what there is no place to remember, rather than to forget what a
// rate still counts. A connector has its own places, and what has one already
// needs no other. The lock is held.
func (i *Interlocks) room(a Ask, targets []target) *refused {
	if i.more(a, targets) > maxPlaces {
		i.forget(a.Connector.ID, a.Now)
	}
	if i.more(a, targets) > maxPlaces {
		return &refused{text: "too many tags of the connector were written within the hour to remember one more", near: nearRest}
	}
	return nil
}

// more is how many places the connector would have.
func (i *Interlocks) more(a Ask, targets []target) int {
	had := i.history[a.Connector.ID]
	n := len(had)
	for at := range a.places(targets) {
		if had[at] == nil {
			n++
		}
	}
	return n
}

// forget drops what nothing counts any more. The lock is held.
func (i *Interlocks) forget(connector string, now time.Time) {
	had := i.history[connector]
	for at, h := range had {
		if !now.Before(h.until) {
			delete(had, at)
		}
	}
	if len(had) == 0 {
		delete(i.history, connector)
	}
}

// Forget drops what is remembered of a connector that is gone.
func (i *Interlocks) Forget(connector string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.history, connector)
}

// note remembers what is let through, once for each place, however many grants
// let it through. What an override lets through is not remembered where there is
// no room: nothing is forgotten for it. The lock is held.
func (i *Interlocks) note(a Ask, targets []target) {
	for at, m := range a.places(targets) {
		h := i.placeOf(a, at)
		if h == nil {
			continue
		}
		if until := a.Now.Add(m.window); until.After(h.until) {
			h.until = until
		}
		h.keep = max(h.keep, m.keep)
		h.times = append(h.times, a.Now)
		if over := len(h.times) - h.keep; over > 0 {
			h.times = slices.Delete(h.times, 0, over)
		}
		if m.last != nil && m.last.numeric {
			h.last, h.lastAt = m.last.number, a.Now
		}
	}
}

// placeOf is a place of the connector, made if there is room; nil: there is none.
func (i *Interlocks) placeOf(a Ask, at place) *written {
	had := i.history[a.Connector.ID]
	if h := had[at]; h != nil {
		return h
	}
	if len(had) >= maxPlaces {
		return nil
	}
	if had == nil {
		had = map[place]*written{}
		i.history[a.Connector.ID] = had
	}
	had[at] = &written{}
	return had[at]
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
