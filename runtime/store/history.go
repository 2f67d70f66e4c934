package store

import "strings"

// history is which entries the updates of a space have written lately, and with
// which commit, so that who ran ahead can tell whether what it read is still so.
// It belongs to who has the turn. What is forgotten may have been anything.
type history struct {
	old, new map[place]*outcome
	last     *outcome // of the last update
	split    *outcome // of the last one before new began
	before   *outcome // of the last one before old began: of those nothing is known
}

// maxHistory bounds each half of a history, but for the last update of it.
const maxHistory = 2000

// add takes in what an update has set, and the outcome that it waits for.
func (h *history) add(s *staged, o *outcome) {
	if h.new == nil || len(h.new) >= maxHistory {
		h.old, h.before = h.new, h.split
		h.new, h.split = map[place]*outcome{}, h.last
	}
	h.last = o
	for i := range s.set.list {
		h.new[s.set.list[i].place] = o
	}
}

// holds reports whether nothing that an update has read ahead was written since.
func (h *history) holds(a *ahead) bool {
	switch {
	case a.reads.many:
		return false
	case h.last.shownIn(a.state): // nothing at all was written
		return true
	case !h.before.shownIn(a.state):
		return false
	}
	for i := range a.reads.list {
		at := a.reads.list[i].place
		if !h.new[at].shownIn(a.state) || !h.old[at].shownIn(a.state) {
			return false
		}
	}
	for _, scan := range a.reads.scans {
		if h.touched(scan, a.state) {
			return false
		}
	}
	return true
}

// touched reports whether an entry with a prefix was written since a state.
func (h *history) touched(scan place, state uint64) bool {
	for _, half := range []map[place]*outcome{h.old, h.new} {
		for at, o := range half {
			if at.bucket == scan.bucket && strings.HasPrefix(at.id, scan.id) && !o.shownIn(state) {
				return true
			}
		}
	}
	return false
}
