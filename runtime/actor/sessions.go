package actor

import (
	"context"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// maxSessions bounds the sessions of one lane.
const maxSessions = 64

// session is a lane's open end of one resource. It outlives guests.
type session struct {
	group    string
	key      string
	resource string
	opened   time.Time
	grants   []spec.Grant // that it is held to

	// calls lets one guest in at a time: in a swap, the old guest works while
	// the candidate opens, and jobs work beside both.
	calls gate
	end   capability.Session
	// source is end, when it has events.
	source capability.Source

	users int           // guests that hold it; guarded by sessions.mu
	quit  chan struct{} // ends the forwarder of its readiness
	done  chan struct{}
}

// sessions are all open ends of one lane, by group and canonical arguments. No
// two lanes share one: devices that share a line are one endpoint, and a module
// that serves several of them on one line has its lanes by endpoint.
type sessions struct {
	common *pot // of the connector's lanes

	// opening lets one open in at a time, so that two guests that ask for the
	// same key share one session.
	opening gate

	mu    sync.Mutex
	byKey map[string]*session
	order []*session

	// wake holds a token whenever one of the sources may have events.
	wake chan struct{}
}

func newSessions() *sessions {
	return &sessions{opening: newGate(), byKey: map[string]*session{}, wake: make(chan struct{}, 1)}
}

// open is the live session with this key, or a new one. The caller holds it
// and releases it.
func (t *sessions) open(ctx context.Context, g capability.Group, target capability.Target, scope capability.Scope, args []byte) (*session, error) {
	if err := t.opening.enter(ctx); err != nil {
		return nil, err
	}
	defer t.opening.leave()
	key := g.Name() + "\x00" + target.Key
	t.mu.Lock()
	s, live := t.byKey[key]
	if live {
		s.users++
	}
	full := len(t.order) >= maxSessions
	t.mu.Unlock()
	if live {
		if err := s.adopt(scope.Grants); err != nil {
			t.release(s)
			return nil, err
		}
		return s, nil
	}
	if full {
		return nil, fault.New(fault.Exhausted, "a connector's lane may hold %d sessions", maxSessions)
	}
	if !t.common.take(1) {
		return nil, fault.New(fault.Exhausted, "a connector may hold %d sessions in all its lanes", t.common.most)
	}
	end, err := g.Open(ctx, scope, args)
	if err != nil {
		t.common.give(1)
		return nil, err
	}
	s = &session{group: g.Name(), key: key, resource: target.Resource, opened: time.Now(), grants: scope.Grants, calls: newGate(), end: end, users: 1}
	if src, ok := end.(capability.Source); ok {
		s.source, s.quit, s.done = src, make(chan struct{}), make(chan struct{})
		go t.forward(s)
	}
	t.mu.Lock()
	t.byKey[key], t.order = s, append(t.order, s)
	t.mu.Unlock()
	return s, nil
}

// forward passes a source's readiness on to the lane, which waits for all of
// its sources at once. It ends with the session.
func (t *sessions) forward(s *session) {
	defer close(s.done)
	for {
		select {
		case <-s.source.Ready():
			t.notify()
		case <-s.quit:
			return
		}
	}
}

func (t *sessions) notify() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// release lets go of a session; it stays open until the next sweep.
func (t *sessions) release(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.users--
}

// shared reports whether several guests hold a session.
func (t *sessions) shared(s *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return s.users > 1
}

// sweep closes the sessions that no guest holds: after a guest has opened, and
// at the end. Between a crash and the next open they stay.
func (t *sessions) sweep(ctx context.Context) error {
	t.mu.Lock()
	var unused []*session
	kept := t.order[:0]
	for _, s := range t.order {
		if s.users > 0 {
			kept = append(kept, s)
			continue
		}
		unused = append(unused, s)
		delete(t.byKey, s.key)
	}
	clear(t.order[len(kept):])
	t.order = kept
	t.mu.Unlock()

	var first error
	for _, s := range unused {
		t.common.give(1)
		if err := s.close(ctx); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (s *session) close(ctx context.Context) error {
	if s.quit != nil {
		close(s.quit)
		<-s.done
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), capability.CloseTimeout)
	defer cancel()
	if s.calls.enter(ctx) == nil { // else whoever is inside ends with the resource
		defer s.calls.leave()
	}
	return s.end.Close(ctx)
}

// status lists the sessions with their conditions.
func (t *sessions) status() []lifecycle.Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]lifecycle.Session, 0, len(t.order))
	for _, s := range t.order {
		v := lifecycle.Session{Group: s.group, Resource: s.resource, Up: true, Opened: s.opened, Opens: 1}
		if r, ok := s.end.(capability.Reporter); ok {
			c := r.Condition()
			v.Up, v.Reason, v.Opens, v.Dropped, v.Buffered = c.Up, c.Reason, c.Opens, c.Dropped, c.Buffered
			v.Counts = c.Counts
		}
		list = append(list, v)
	}
	return list
}
