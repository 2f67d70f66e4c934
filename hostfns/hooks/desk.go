package hooks

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
)

// desks are the connectors that have, or had, sessions, by their ids.
type desks struct {
	most int

	mu   sync.Mutex
	byID map[string]*desk
	idle []*desk // without a session, the one that was left first at the front
}

func newDesks(most int) *desks { return &desks{most: most, byID: map[string]*desk{}} }

// find is the desk of a connector; nil: it never opened anything.
func (d *desks) find(id string) *desk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.byID[id]
}

// add gives a session its place.
func (d *desks) add(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.byID[s.owner]
	if k == nil {
		k = newDesk(s)
		d.byID[s.owner] = k
	}
	d.idle = slices.DeleteFunc(d.idle, func(x *desk) bool { return x == k })
	k.mu.Lock()
	defer k.mu.Unlock()
	s.desk = k
	k.log = s.log
	k.sessions = append(k.sessions, s)
}

// remove takes a session away. What a connector without sessions remembers is kept,
// so that names hold when it comes back; of the connectors that left longest ago it
// is forgotten.
func (d *desks) remove(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.desk.leave(s) && d.byID[s.owner] == s.desk {
		d.idle = append(d.idle, s.desk)
	}
	for len(d.idle) > d.most {
		k := d.idle[0]
		d.idle = slices.Delete(d.idle, 0, 1)
		delete(d.byID, k.id)
		k.mu.Lock()
		k.names.close()
		k.mu.Unlock()
	}
}

// desk is where requests of one connector come in. Its sessions share its lock.
type desk struct {
	id string

	mu       sync.Mutex
	sessions []*session // those that are read last, the newest reader at the end
	names    *window
	rate     capability.Bucket
	bodies   int    // under way
	last     uint64 // id of a request
	counts   map[string]uint64
	log      *slog.Logger
	told     time.Time // when refusals were logged last
	untold   map[string]uint64
}

func newDesk(s *session) *desk {
	b, purse := s.bounds, s.purse
	return &desk{
		id: s.owner, counts: map[string]uint64{}, untold: map[string]uint64{},
		names: newWindow(func(n int64) bool { return b.keep(purse, n) }),
	}
}

// toldEach is how often refusals are logged.
const toldEach = time.Minute

// count counts what became of a request. The caller holds the lock.
func (k *desk) count(what string) { k.counts[what]++ }

// refuse counts a request that is not let in, and tells the log now and then: the
// caller does not learn why.
func (k *desk) refuse(why string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.count(why)
	k.untold[why]++
	if now := time.Now(); now.Sub(k.told) >= toldEach {
		k.told = now
		for _, why := range slices.Sorted(maps.Keys(k.untold)) {
			k.log.Warn("requests that came in were refused", "why", why, "times", k.untold[why])
		}
		clear(k.untold)
	}
}

// find is the session that takes requests of this method to this path, nil if none
// does; open says whether there is a session at all.
func (k *desk) find(method, path string) (s *session, pattern string, open bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, pattern = k.taker(method, path)
	return s, pattern, len(k.sessions) > 0
}

// taker is the newest reader that takes such requests. While none is read, which is
// so until a guest that opens has opened, it is the newest session: a guest that is
// to take over from another opens beside it, and its sessions wait.
func (k *desk) taker(method, path string) (*session, string) {
	anyRead := slices.ContainsFunc(k.sessions, func(s *session) bool { return s.read })
	for _, s := range slices.Backward(k.sessions) {
		if pattern, ok := s.takes(method, path); ok && s.read == anyRead {
			return s, pattern
		}
	}
	return nil, ""
}

// enter takes a place for a body of this connector.
func (k *desk) enter(most int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bodies >= most {
		return false
	}
	k.bodies++
	return true
}

func (k *desk) exit() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bodies--
}

// readBy notes that a session is read: from now on it comes before the others.
func (k *desk) readBy(s *session) {
	if s.read || s.closed {
		return
	}
	s.read = true
	k.sessions = append(slices.DeleteFunc(k.sessions, func(x *session) bool { return x == s }), s)
}

// leave takes a session away and hands what waits at it to another that takes the
// same paths: the guest that opened it was replaced. It reports whether none is left.
func (k *desk) leave(s *session) (last bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.closed {
		return false
	}
	s.closed = true
	k.sessions = slices.DeleteFunc(k.sessions, func(x *session) bool { return x == s })
	for _, t := range s.tickets {
		s.release(t)
		if t.settled {
			continue
		}
		if next, _ := k.taker(t.method, t.path); next == nil || !next.admit(t) {
			k.count("closed")
			t.end(answer{fault: unavailable("the connector was stopped")})
			k.names.drop(t)
		}
	}
	s.tickets, s.taken = nil, 0
	return len(k.sessions) == 0
}

var _ capability.Judged = (*session)(nil)
