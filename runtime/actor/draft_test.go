package actor

import (
	"context"
	"testing"

	"github.com/snaprail/snaprail/runtime/capability"
)

// shaped is a session of which drafts are made, and counts those that are taken.
type shaped struct{ taken int }

func (*shaped) Call(context.Context, string, []byte, []byte) ([]byte, error) { return nil, nil }
func (*shaped) Close(context.Context) error                                  { return nil }
func (s *shaped) Draft() capability.Draft                                    { return shapedDraft{s} }

type shapedDraft struct{ of *shaped }

func (shapedDraft) Call(context.Context, string, []byte, []byte) ([]byte, error) { return nil, nil }
func (d shapedDraft) Take()                                                      { d.of.taken++ }

// TestDraftIsForSessionsThatAnotherHolds, of a candidate alone, and taken once.
func TestDraftIsForSessionsThatAnotherHolds(t *testing.T) {
	for _, c := range []struct {
		name      string
		candidate bool
		users     int
		want      int
	}{
		{"adopted by a candidate", true, 2, 1},
		{"opened by a candidate", true, 1, 0},
		{"of a guest that works", false, 2, 0},
	} {
		end := &shaped{}
		g := &guest{surroundings: &surroundings{sessions: newSessions()}, candidate: c.candidate}
		s := &session{end: end, users: c.users}
		g.begin(s)
		if got := g.draftOf(s) != nil; got != (c.want == 1) {
			t.Errorf("%s: a draft: %v", c.name, got)
		}
		if g.draftOf(&session{}) != nil {
			t.Errorf("%s: another session has the draft", c.name)
		}
		g.shape()
		g.shape()
		if end.taken != c.want || g.draftOf(s) != nil {
			t.Errorf("%s: taken %d times", c.name, end.taken)
		}
	}
}
