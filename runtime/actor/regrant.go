package actor

import (
	"context"
	"reflect"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/spec"
)

// adopt is nil if a guest with these grants of the group may have the session.
func (s *session) adopt(grants []spec.Grant) error {
	if r, ok := s.end.(capability.Regranted); ok {
		return r.Adopt(grants)
	}
	return nil
}

// regrant holds the session to these grants of its group, unless it has them. The
// lane's goroutine calls it.
func (s *session) regrant(ctx context.Context, grants []spec.Grant) {
	r, ok := s.end.(capability.Regranted)
	if !ok || reflect.DeepEqual(s.grants, grants) {
		return
	}
	s.grants = grants
	r.Regrant(ctx, grants)
}

// regrant holds the sessions to the grants of the guest, which works from now on.
func (g *guest) regrant(ctx context.Context) {
	for _, s := range g.handles {
		s.regrant(ctx, grantsOf(g.grants, s.group))
	}
}

// regrantKept holds the sessions of a guest that crashed to the grants of the next
// one, which may fail to open for want of them, again and again: what those do not
// cover is closed.
func (a *Actor) regrantKept(ctx context.Context, all []spec.Grant) {
	kept := a.keep[:0]
	for _, s := range a.keep {
		grants := grantsOf(all, s.group)
		group, _ := a.env.groups.Group(s.group)
		s.regrant(ctx, grants)
		if capability.CheckIn(group, grants, s.resource, "") != nil || s.adopt(grants) != nil {
			a.env.sessions.release(s)
			continue
		}
		kept = append(kept, s)
	}
	if len(kept) < len(a.keep) {
		a.closeUnused(ctx)
	}
	clear(a.keep[len(kept):])
	a.keep = kept
}
