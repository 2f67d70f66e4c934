package store

import "strings"

// history is which entries the updates of a space have written lately, so that
// who ran ahead can tell whether what it read is still so. It reaches back to
// what is in old; what was written before that may have been anything.
type history struct {
	added    uint64 // updates so far
	old, new map[place]uint64
	oldest   uint64 // the updates up to this one are forgotten
	split    uint64 // those up to this one are in old, the others in new
}

// maxHistory bounds each half of a history, but for the last update of it.
const maxHistory = 2000

// add takes in what an update has set.
func (h *history) add(s *staged) {
	if h.new == nil || len(h.new) >= maxHistory {
		h.old, h.oldest = h.new, h.split
		h.new, h.split = map[place]uint64{}, h.added
	}
	h.added++
	for b, rows := range s.set {
		for id := range rows {
			h.new[place{b, id}] = h.added
		}
	}
}

// holds reports whether nothing that an update has read ahead was written since.
func (h *history) holds(a *ahead) bool {
	if a.durable == h.added {
		return !a.reads.many
	}
	if a.reads.many || a.durable < h.oldest {
		return false
	}
	for at := range a.reads.gets {
		if h.new[at] > a.durable || h.old[at] > a.durable {
			return false
		}
	}
	for _, scan := range a.reads.scans {
		if h.touched(scan, a.durable) {
			return false
		}
	}
	return true
}

// touched reports whether an entry with a prefix was written since.
func (h *history) touched(scan place, since uint64) bool {
	for _, half := range []map[place]uint64{h.old, h.new} {
		for at, when := range half {
			if when > since && at.bucket == scan.bucket && strings.HasPrefix(at.id, scan.id) {
				return true
			}
		}
	}
	return false
}
