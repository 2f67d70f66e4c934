package actor

import (
	"sync"
	"time"
)

// Refusal is a host call that was refused to a guest for want of a right: the
// group was not granted, or not this resource of it, or not to write.
type Refusal struct {
	Group    string
	Function string
	Resource string // what it asked for; "": the group has none, or was not granted at all
	Code     string // of the fault that the guest was answered
	// Count is how many of these there were since they were told last.
	Count uint64
}

// The bounds of what the refusals of one connector may tell its host.
const (
	refusalKinds = 64  // kept apart; the others are told together
	maxRefused   = 256 // bytes of what was asked for
	refusalPause = time.Second
	refusalStale = time.Minute // after which a kind makes room for another
)

// refusals tell each kind of refusal at once when it comes first, and then at
// most once a pause with their number, so that a guest that is refused a
// million times costs its host a few calls. Use by several goroutines is safe:
// a candidate is refused beside the lane.
type refusals struct {
	tell func(Refusal)

	mu    sync.Mutex
	kinds map[Refusal]*refusalKind // by the refusal with no count
	total uint64
}

type refusalKind struct {
	told    time.Time
	waiting uint64
}

// others is the kind of what is beyond the number of kinds.
func others(code string) Refusal { return Refusal{Resource: "(others)", Code: code} }

// add counts a refusal and tells it, unless its kind was told just now.
func (r *refusals) add(now time.Time, kind Refusal) {
	kind.Count = 0
	r.mu.Lock()
	r.total++
	k, at := r.kind(now, kind)
	k.waiting++
	if now.Sub(k.told) < refusalPause {
		r.mu.Unlock()
		return
	}
	at.Count, k.waiting, k.told = k.waiting, 0, now
	r.mu.Unlock()
	r.tell(at)
}

// kind finds or makes the entry for a kind. The caller holds mu.
func (r *refusals) kind(now time.Time, kind Refusal) (*refusalKind, Refusal) {
	if k, ok := r.kinds[kind]; ok {
		return k, kind
	}
	if r.kinds == nil {
		r.kinds = map[Refusal]*refusalKind{}
	}
	if len(r.kinds) >= refusalKinds {
		for old, k := range r.kinds {
			if k.waiting == 0 && now.Sub(k.told) >= refusalStale {
				delete(r.kinds, old)
			}
		}
	}
	if len(r.kinds) >= refusalKinds {
		kind = others(kind.Code)
		if k, ok := r.kinds[kind]; ok {
			return k, kind
		}
	}
	k := &refusalKind{}
	r.kinds[kind] = k
	return k, kind
}

// flush tells what waits and may be told now, or all of it at the end. next is
// when it wants to be called again; zero: nothing waits.
func (r *refusals) flush(now time.Time, end bool) (next time.Time) {
	var tell []Refusal
	r.mu.Lock()
	for kind, k := range r.kinds {
		if k.waiting == 0 {
			continue
		}
		if due := k.told.Add(refusalPause); !end && now.Before(due) {
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		kind.Count, k.waiting, k.told = k.waiting, 0, now
		tell = append(tell, kind)
	}
	r.mu.Unlock()
	for _, one := range tell {
		r.tell(one)
	}
	return next
}

// count is how many there were in all.
func (r *refusals) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}
