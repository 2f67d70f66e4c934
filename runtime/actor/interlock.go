package actor

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Locks are the connector's grants to write that have an interlock, as they are
// now, whatever they were when its guest was made.
type Locks func(ctx context.Context) ([]spec.Grant, error)

// Permit is the word of whoever judged a message, as exchange.Question.Permit
// holds it.
type Permit interface {
	// Lets reports whether the message may write now through a grant that has an
	// interlock.
	Lets(g spec.Grant, now time.Time) bool
	// Rehearsal is what the message would write, in JSON, when nothing is to be
	// written; nil: it is to be.
	Rehearsal() json.RawMessage
}

// interlocked refuses a write through a grant that has an interlock, unless it
// is for a message that the interlock let through. resource is "" where only the
// group knows it: then all of the group's grants count.
func (g *guest) interlocked(ctx context.Context, group, function, resource string) error {
	if g.locks == nil {
		return nil
	}
	locks, err := g.locks(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, l := range locks {
		if l.Group != group || l.Interlock.Unasked || !capability.Allows([]spec.Grant{l}, resource, spec.Write) {
			continue
		}
		let := slices.ContainsFunc(g.asked, func(q *exchange.Question) bool {
			p, ok := q.Permit.(Permit)
			return ok && p.Lets(l, now)
		})
		if !let {
			return fault.New(fault.Interlocked, "%s.%s: the grant has an interlock, and no message that it let through asks for this", group, function).
				WithHint("Write in answer to a message, or set unasked in the grant's interlock.")
		}
	}
	return nil
}
