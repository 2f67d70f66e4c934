package actor

import "github.com/snaprail/snaprail/runtime/capability"

// draft is what a guest wants of a session that another guest works with.
type draft struct {
	capability.Draft

	of *session
}

// begin begins the draft of a session that the guest has adopted beside the
// guest that works with it.
func (g *guest) begin(s *session) {
	if shaped, ok := s.end.(capability.Shaped); ok && g.candidate && g.sessions.shared(s) {
		g.drafts = append(g.drafts, draft{shaped.Draft(), s})
	}
}

// draftOf is the guest's draft of a session; nil: the session is its own.
func (g *guest) draftOf(s *session) capability.Draft {
	for _, d := range g.drafts {
		if d.of == s {
			return d.Draft
		}
	}
	return nil
}

// claim lets a session know that a guest that runs has it: no candidate, and none that
// is tested or works beside it.
func (g *guest) claim(s *session) {
	_, runs := g.loop.(*lane)
	if owned, ok := s.end.(capability.Owned); ok && runs && !g.candidate && g.rehearsal == nil {
		owned.Own()
	}
}

// shape makes the sessions so as the guest, which works from now on, wants them, and
// lets them know.
func (g *guest) shape() {
	for _, s := range g.handles {
		g.claim(s)
	}
	for _, d := range g.drafts {
		d.Take()
	}
	g.drafts = nil
}
